"""The scores of a finished table, seed by seed, as arrays over its cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.evaluation import baselines
from jaxnas.evaluation.pairs import Floats
from jaxnas.results import ranking
from jaxnas.results.ranking import Values

_ROW = ("cell", "arch", "function", "seed", "status")


class Cells(NamedTuple):
    """The architectures of a table, by rising index, or by arch where there are no indices.

    Attributes:
        archs: the architectures, [n].
        indices: official indices, [n]; None where there are none.
        function: of each the number of its function, [n].
        place: of each of the table's rows the place of its architecture.
    """

    archs: tuple[str, ...]
    indices: NDArray[np.int64] | None
    function: NDArray[np.int64]
    place: NDArray[np.int64]


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


def cells_of(table: pa.Table) -> Cells:
    """The architectures of a table.

    Args:
        table: of `jaxnas.score` or `jaxnas.read_table`.
    """
    indexed = not table["cell"].null_count
    keys = table["cell" if indexed else "arch"].to_numpy()
    found, first, place = np.unique(keys, return_index=True, return_inverse=True)
    rows = table.select(["arch", "function"]).take(pa.array(first))
    _, function = np.unique(rows["function"].to_numpy(), return_inverse=True)
    return Cells(
        tuple(rows["arch"].to_pylist()),
        found.astype(np.int64) if indexed else None,
        function,
        place,
    )


def scores_of(table: pa.Table) -> dict[str, Score]:
    """Every score of a table by name, over the table's cells as `cells_of` orders them.

    Seeds for which a score was never asked are left out, and a value that is not finite is missing.

    Args:
        table: of `jaxnas.score` or `jaxnas.read_table`.
    """
    cells = cells_of(table)
    seeds, row = np.unique(table["seed"].to_numpy(), return_inverse=True)
    found = {}
    for name in table.column_names:
        if name in _ROW:
            continue
        values = np.full((len(seeds), len(cells.archs)), np.nan)
        asked = np.zeros(values.shape, np.bool_)
        given = np.asarray(table[name].to_numpy(), np.float64)
        values[row, cells.place] = np.where(np.isfinite(given), given, np.nan)
        asked[row, cells.place] = table[name].is_valid().to_numpy()
        used = asked.any(axis=1)
        if used.any():
            found[name] = Score(name, values[used], asked[used])
    return found


def values(table: pa.Table, by: str) -> Values:
    """What `jaxnas.results.ranking.score_values` gives, of counts too that the table lacks.

    Args:
        table: of `jaxnas.score` or `jaxnas.read_table`.
        by: a score, or several joined by +.

    Raises:
        ResultsError: the table has no settings or no such scores.
    """
    lacking = [
        name
        for name in ranking.parse_by(by)
        if name in baselines.NAMES and name not in table.column_names
    ]
    if lacking:
        cells = cells_of(table)
        counted = baselines.counted(table, cells.archs)
        for name in lacking:
            if name in counted:
                table = table.append_column(name, pa.array(counted[name][cells.place]))
    return ranking.score_values(table, by)


def combined(table: pa.Table, by: str) -> Score:
    """A combination of scores such as "js+params", averaged over seeds.

    Each architecture has the value of its function; where that has no rank it is missing.

    Args:
        table: of `jaxnas.score` or `jaxnas.read_table`.
        by: names of scores joined by +; counts need not be in the table.

    Raises:
        ResultsError: as `values`.
    """
    found, archs = values(table, by), cells_of(table).archs
    places = {arch: place for place, arch in enumerate(archs)}
    given = [places[arch] for arch in found.archs]
    over = np.full((1, len(archs)), np.nan)
    over[0, given] = found.values
    asked = np.zeros(over.shape, np.bool_)
    asked[0, given] = True
    seeds = int(np.max(found.seeds, initial=1))
    return Score(ranking.PLUS.join(ranking.parse_by(by)), over, asked, averaged=seeds)


def average(score: Score) -> Score:
    """The mean over seeds, for the cells asked for with all of them; missing where one is."""
    return Score(
        score.name,
        score.values.mean(axis=0, keepdims=True),
        np.asarray(score.asked.all(axis=0, keepdims=True)),
        averaged=len(score.values),
    )
