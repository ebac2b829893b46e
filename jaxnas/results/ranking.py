"""The best cells of a table of scores, one per function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

# A run ends with the cells that are best by the first of these that it has.
PREFERRED = ("pjs", "js", "gradient_kernel")

_ROW = ("cell", "arch", "function", "seed", "status")
_COUNTS = ("params", "flops")


@dataclass(frozen=True)
class Ranked:
    """A cell and its score.

    Attributes:
        cell: official index.
        arch: its arch string.
        value: its score, the mean over seeds where there are several.
        seeds: number of seeds that it is the mean of.
    """

    cell: int
    arch: str
    value: float
    seeds: int


def scores_of(table: pa.Table) -> tuple[str, ...]:
    """Names of a table's scores, counts included."""
    return tuple(name for name in table.column_names if name not in _ROW)


def default_score(table: pa.Table) -> str:
    """The score by which a table is ranked where the user names none."""
    names = scores_of(table)
    others = (name for name in names if name not in _COUNTS)
    preferred = (name for name in PREFERRED if name in names)
    return next(preferred, next(others, names[0]))


def with_seed(table: pa.Table, seed: int) -> pa.Table:
    """The rows of one seed.

    Raises:
        ValueError: there are none.
    """
    chosen = table.filter(pc.equal(table["seed"], seed))
    if not chosen.num_rows:
        seeds = ", ".join(map(str, sorted(set(table["seed"].to_pylist()))))
        raise ValueError(f"there are no scores of seed {seed}: there are those of seed {seeds}")
    return chosen


def mean_scores(
    table: pa.Table, by: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Each scored cell's mean over its seeds.

    Returns:
        Of the cells that have the score, undefined or not: index rising, first row in the table
        without its nulls, number of seeds, mean (NaN where one is), each [N].
    """
    table = table.filter(table[by].is_valid())
    cells, first, group = np.unique(
        table["cell"].to_numpy(), return_index=True, return_inverse=True
    )
    values = table[by].to_numpy().astype(np.float64)
    seeds = np.bincount(group, minlength=len(cells))
    means = np.bincount(group, weights=values, minlength=len(cells)) / np.maximum(seeds, 1)
    return cells.astype(np.int64), first, seeds, means


def best(table: pa.Table, by: str, k: int) -> list[Ranked]:
    """The k cells of different functions with the highest scores, the highest first.

    A cell's score is its mean over the seeds that are scored; a cell with a score that is not
    finite has no rank. Of equal cells the one with the lowest index comes first, and of a function
    the cell that comes first stands for it.
    """
    table = table.filter(table[by].is_valid())
    cells, first, seeds, means = mean_scores(table, by)
    functions = table["function"].to_numpy()[first]
    order = np.lexsort((cells, -means))
    order = order[np.isfinite(means[order])]
    _, heads = np.unique(functions[order], return_index=True)
    archs = table["arch"]
    return [
        Ranked(int(cells[i]), archs[int(first[i])].as_py(), float(means[i]), int(seeds[i]))
        for i in order[np.sort(heads)][:k]
    ]


def status_line(table: pa.Table, names: Sequence[str]) -> str:
    """How many rows are of each status, as "15,284 ok, 341 disconnected, 0 nonfinite".

    Rows that lack one of the named scores are counted apart, as not scored.
    """
    lacks = np.zeros(table.num_rows, np.bool_)
    for name in names:
        lacks |= table[name].is_null().to_numpy()
    scored = Counter(table.filter(pa.array(~lacks))["status"].to_pylist())
    line = ", ".join(
        f"{scored[status]:,} {status}" for status in ("ok", "disconnected", "nonfinite")
    )
    return line + (f", {lacks.sum():,} not scored" if lacks.any() else "")
