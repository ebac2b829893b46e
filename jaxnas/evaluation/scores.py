"""The scores of a finished table, seed by seed, as arrays over its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.evaluation.pairs import Floats

_ROW = ("cell", "arch", "function", "seed", "status")


@dataclass(frozen=True)
class Score:
    """A score of cells with each of several seeds.

    Attributes:
        name: of the score.
        values: [S, n], NaN where it is missing.
        asked: [S, n], False where it was never asked for.
        averaged: over how many seeds each value is the mean.
    """

    name: str
    values: Floats
    asked: NDArray[np.bool_]
    averaged: int = 1

    @property
    def label(self) -> str:
        """Its name, and whether it is averaged."""
        return self.name if self.averaged == 1 else f"{self.name}, mean of {self.averaged} seeds"

    @property
    def missing(self) -> int:
        """Values asked for that are not there: NaN or infinite."""
        return int((self.asked & np.isnan(self.values)).sum())


def scores_of(table: pa.Table) -> dict[str, Score]:
    """Every score of a table by name, over the table's cells in rising order.

    Seeds for which a score was never asked are left out, and a value that is not finite is missing.

    Args:
        table: of `jaxnas.score` or `jaxnas.read_table`.
    """
    cells, column = np.unique(table["cell"].to_numpy(), return_inverse=True)
    seeds, row = np.unique(table["seed"].to_numpy(), return_inverse=True)
    found = {}
    for name in table.column_names:
        if name in _ROW:
            continue
        values = np.full((len(seeds), len(cells)), np.nan)
        asked = np.zeros(values.shape, np.bool_)
        given = np.asarray(table[name].to_numpy(), np.float64)
        values[row, column] = np.where(np.isfinite(given), given, np.nan)
        asked[row, column] = table[name].is_valid().to_numpy()
        used = asked.any(axis=1)
        if used.any():
            found[name] = Score(name, values[used], asked[used])
    return found


def average(score: Score) -> Score:
    """The mean over seeds, for the cells asked for with all of them; missing where one is."""
    return Score(
        score.name,
        score.values.mean(axis=0, keepdims=True),
        np.asarray(score.asked.all(axis=0, keepdims=True)),
        averaged=len(score.values),
    )
