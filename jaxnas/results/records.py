"""The scores of one network, and many of them as one long table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.spaces import nb201

LONG_SCHEMA = pa.schema(
    [
        ("cell", pa.int32()),
        ("seed", pa.int64()),
        ("score", pa.dictionary(pa.int32(), pa.string())),
        ("value", pa.float64()),
        ("seconds", pa.float64()),
    ]
)


class ResultsError(ValueError):
    """Results could not be read, written or joined; the message says what to do."""


@dataclass(frozen=True)
class Record:
    """The scores of one scored network.

    Attributes:
        cell: official index of the cell that was scored: with equal functions merged its
            function's representative, otherwise the cell itself.
        seed: fixes the batch, the initialisation and the noise.
        scores: score name → value; NaN or infinite where the computation failed.
        seconds: proxy name → time spent on it; may be empty, and need not have the scores' names.
    """

    cell: int
    seed: int
    scores: Mapping[str, float]
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.cell < nb201.NUM_CELLS:
            raise ResultsError(
                f"A record's cell: expected an index in 0..{nb201.NUM_CELLS - 1}, got {self.cell}."
            )
        if not -(2**63) <= self.seed < 2**63:
            raise ResultsError(f"A record's seed: expected a 64-bit integer, got {self.seed}.")


def to_table(records: Iterable[Record]) -> pa.Table:
    """Writes records as a long table of `LONG_SCHEMA`, one row per score, in the order given.

    A null value means that the row holds only the seconds of a proxy with no score of its name;
    null seconds mean that no time was measured. A failed score is NaN, never null.
    """
    cells: list[int] = []
    seeds: list[int] = []
    names: list[str] = []
    values: list[float | None] = []
    seconds: list[float | None] = []
    for record in records:
        for name in dict.fromkeys([*record.scores, *record.seconds]):
            cells.append(record.cell)
            seeds.append(record.seed)
            names.append(name)
            values.append(_get(record.scores, name))
            seconds.append(_get(record.seconds, name))
    return pa.table(
        [
            pa.array(cells, pa.int32()),
            pa.array(seeds, pa.int64()),
            pa.array(names, pa.string()).dictionary_encode(),
            pa.array(values, pa.float64()),
            pa.array(seconds, pa.float64()),
        ],
        schema=LONG_SCHEMA,
    )


def from_table(table: pa.Table) -> list[Record]:
    """Reads the records of a long table, sorted by cell, then seed; first entries win."""
    scores: dict[tuple[int, int], dict[str, float]] = {}
    times: dict[tuple[int, int], dict[str, float]] = {}
    columns = (column.to_pylist() for column in first_of_each(table).columns)
    for cell, seed, name, value, seconds in zip(*columns, strict=True):
        network_scores = scores.setdefault((cell, seed), {})
        network_times = times.setdefault((cell, seed), {})
        if value is not None:
            network_scores[name] = value
        if seconds is not None:
            network_times.setdefault(name, seconds)
    return [Record(*network, scores[network], times[network]) for network in scores]


def first_of_each(table: pa.Table) -> pa.Table:
    """Keeps the first row of each (cell, seed, score), sorted by cell, then seed.

    Rows without a value never take the place of rows with one.
    """
    cells, seeds, codes, _ = columns_of(table)
    distinct, seed_number = np.unique(seeds, return_inverse=True)
    key = (cells * len(distinct) + seed_number) * (int(codes.max(initial=0)) + 1) + codes
    key = 2 * key + single(table, "value").is_null().to_numpy(zero_copy_only=False)
    _, first = np.unique(key, return_index=True)
    return table.take(first)


def columns_of(
    table: pa.Table,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """A long table's cells, seeds, codes into `score_names` and values (NaN for null), each [N]."""
    return (
        single(table, "cell").to_numpy().astype(np.int64),
        single(table, "seed").to_numpy(),
        single(table, "score").indices.to_numpy().astype(np.int64),
        single(table, "value").to_numpy(zero_copy_only=False),
    )


def score_names(table: pa.Table) -> list[str]:
    """The names that the codes of `columns_of` stand for."""
    return list(single(table, "score").dictionary.to_pylist())


def concat(tables: Iterable[pa.Table]) -> pa.Table:
    """Joins long tables, in order, into one whose score column has one dictionary."""
    joined = pa.concat_tables([LONG_SCHEMA.empty_table(), *tables])
    return joined.unify_dictionaries().combine_chunks()


def single(table: pa.Table, name: str) -> Any:
    """A column as one contiguous `pyarrow.Array`."""
    column = table[name]
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _get(numbers: Mapping[str, float], name: str) -> float | None:
    return float(numbers[name]) if name in numbers else None
