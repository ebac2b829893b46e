"""The scores of one network, and many of them as one long table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.results.files import ResultsError
from jaxnas.spaces import Space

_REST = [
    ("seed", pa.int64()),
    ("score", pa.dictionary(pa.int32(), pa.string())),
    ("value", pa.float64()),
    ("seconds", pa.float64()),
]
LONG_SCHEMA = pa.schema([("arch", pa.dictionary(pa.int32(), pa.string())), *_REST])

# As folders of format 1 have it: official indices of NAS-Bench-201.
OLD_LONG_SCHEMA = pa.schema([("cell", pa.int32()), *_REST])


@dataclass(frozen=True)
class Record:
    """The scores of one scored network.

    Attributes:
        arch: architecture that was scored: with equal functions merged its function's
            representative, otherwise the architecture itself.
        seed: seed of the batch, the initialisation and the noise.
        scores: score name → value; NaN or infinite where the computation failed.
        seconds: score name → time spent on it; may be empty, and need not have the scores' names.
    """

    arch: str
    seed: int
    scores: Mapping[str, float]
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not -(2**63) <= self.seed < 2**63:
            raise ResultsError(f"A record's seed: expected a 64-bit integer, got {self.seed}.")


class Columns(NamedTuple):
    """A long table's columns as arrays, [N] each.

    Attributes:
        archs: positions in `arch_names`.
        seeds: seeds.
        scores: positions in `score_names`.
        values: values, NaN for null.
        arch_names: distinct archs.
        score_names: distinct names of scores.
    """

    archs: NDArray[np.int64]
    seeds: NDArray[np.int64]
    scores: NDArray[np.int64]
    values: NDArray[np.float64]
    arch_names: list[str]
    score_names: list[str]


def to_table(records: Iterable[Record]) -> pa.Table:
    """Writes records as a long table of `LONG_SCHEMA`, one row per score, in the order given.

    A null value means that the row holds only the seconds of a proxy with no score of its name;
    null seconds mean that no time was measured. A failed score is NaN, never null.
    """
    archs: list[str] = []
    seeds: list[int] = []
    names: list[str] = []
    values: list[float | None] = []
    seconds: list[float | None] = []
    for record in records:
        for name in dict.fromkeys([*record.scores, *record.seconds]):
            archs.append(record.arch)
            seeds.append(record.seed)
            names.append(name)
            values.append(_get(record.scores, name))
            seconds.append(_get(record.seconds, name))
    return long_table(archs, seeds, names, values, seconds)


def long_table(archs: Any, seeds: Any, names: Any, values: Any, seconds: Any) -> pa.Table:
    """A table of `LONG_SCHEMA` from its columns, each a sequence [N]; None stands for null."""
    return pa.table(
        [
            pa.array(archs, pa.string()).dictionary_encode(),
            pa.array(seeds, pa.int64()),
            pa.array(names, pa.string()).dictionary_encode(),
            pa.array(values, pa.float64()),
            pa.array(seconds, pa.float64()),
        ],
        schema=LONG_SCHEMA,
    )


def with_archs(table: pa.Table, space: Space) -> pa.Table:
    """A long table of either schema as one of `LONG_SCHEMA`."""
    if table.schema.equals(LONG_SCHEMA):
        return table
    distinct, code = np.unique(table["cell"].to_numpy(), return_inverse=True)
    names = pa.array([space.arch(cell) for cell in distinct.tolist()], pa.string())
    archs = pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), names)
    return pa.table([archs, *table.columns[1:]], schema=LONG_SCHEMA)


def from_table(table: pa.Table) -> list[Record]:
    """Reads the records of a long table, by arch, then seed; first entries win."""
    scores: dict[tuple[str, int], dict[str, float]] = {}
    times: dict[tuple[str, int], dict[str, float]] = {}
    columns = (column.to_pylist() for column in first_of_each(table).columns)
    for arch, seed, name, value, seconds in zip(*columns, strict=True):
        network_scores = scores.setdefault((arch, seed), {})
        network_times = times.setdefault((arch, seed), {})
        if value is not None:
            network_scores[name] = value
        if seconds is not None:
            network_times.setdefault(name, seconds)
    return [Record(*network, scores[network], times[network]) for network in scores]


def first_of_each(table: pa.Table) -> pa.Table:
    """Keeps the first row of each (arch, seed, score); archs in order of appearance, then seeds.

    Rows without a value never take the place of rows with one.
    """
    columns = columns_of(table)
    distinct, seed_number = np.unique(columns.seeds, return_inverse=True)
    key = columns.archs * len(distinct) + seed_number
    key = key * max(len(columns.score_names), 1) + columns.scores
    key = 2 * key + single(table, "value").is_null().to_numpy(zero_copy_only=False)
    _, first = np.unique(key, return_index=True)
    return table.take(first)


def columns_of(table: pa.Table) -> Columns:
    """The columns of a long table whose dictionaries are unified."""
    return Columns(
        single(table, "arch").indices.to_numpy().astype(np.int64),
        single(table, "seed").to_numpy(),
        single(table, "score").indices.to_numpy().astype(np.int64),
        single(table, "value").to_numpy(zero_copy_only=False),
        list(single(table, "arch").dictionary.to_pylist()),
        list(single(table, "score").dictionary.to_pylist()),
    )


def concat(tables: Iterable[pa.Table]) -> pa.Table:
    """Joins long tables, in order, into one whose columns have one dictionary each."""
    joined = pa.concat_tables([LONG_SCHEMA.empty_table(), *tables])
    return joined.unify_dictionaries().combine_chunks()


def single(table: pa.Table, name: str) -> Any:
    """A column as one contiguous `pyarrow.Array`."""
    column = table[name]
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _get(numbers: Mapping[str, float], name: str) -> float | None:
    return float(numbers[name]) if name in numbers else None
