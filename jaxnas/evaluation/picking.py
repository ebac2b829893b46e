"""Choosing by a score alone: draw cells, take the function with the highest score, train it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnas.evaluation.pairs import Floats


class Protocol(NamedTuple):
    """Runs of a choice among cells drawn at random.

    Attributes:
        runs: number of runs.
        cells: number of cells drawn in each, without replacement.
    """

    runs: int
    cells: int

    @property
    def name(self) -> str:
        return f"picked_{self.runs}x{self.cells}"


# First that of "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", figure 3;
# then those of "Neural Architecture Search without Training" (Mellor et al., ICML 2021), table 2.
PROTOCOLS = (Protocol(5, 1000), Protocol(500, 10), Protocol(500, 100), Protocol(500, 1000))


class Picked(NamedTuple):
    """Accuracy of what was chosen, over the runs.

    Attributes:
        mean: in the accuracy's unit; NaN with fewer cells than the protocol draws, or where all
            cells of a draw have no score.
        std: sample standard deviation; NaN where the draws hold all cells and so are one.
    """

    mean: float
    std: float


def draws(cells: int, protocol: Protocol, seed: int) -> NDArray[np.int64]:
    """Places of the cells drawn in each run, [runs, N], of so many cells; N = 0 if too few."""
    if cells < protocol.cells:
        return np.zeros((protocol.runs, 0), np.int64)
    random = np.random.default_rng([seed, protocol.runs, protocol.cells])
    return np.array(
        [random.choice(cells, protocol.cells, replace=False) for _ in range(protocol.runs)]
    )


def pick(
    drawn: NDArray[np.int64],
    score: Floats | None,
    accuracy: Floats,
    function: NDArray[np.integer],
    seed: int,
) -> Picked:
    """Accuracy of the top-scored function of each draw.

    Equal functions are copies: of functions that share the highest score one is chosen at random,
    however many copies of each were drawn, and then one of its drawn copies with that score.
    A cell without a score is never chosen.

    Args:
        drawn: from `draws`.
        score: [n], NaN where missing; None to choose any cell at random.
        accuracy: finite, [n].
        function: of each cell the number of its function, [n].
        seed: fixes the choice between equals.
    """
    cells = drawn.shape[1]
    if not cells:
        return Picked(math.nan, math.nan)
    if score is None:
        found = accuracy[drawn[:, 0]]  # the draws are in random order
    else:
        random = np.random.default_rng(seed)
        found = np.array([_chosen(row, score, accuracy, function, random) for row in drawn])
    all_one = cells == len(accuracy) and score is not None
    return Picked(float(found.mean()), math.nan if all_one else float(found.std(ddof=1)))


def _chosen(
    drawn: NDArray[np.int64],
    score: Floats,
    accuracy: Floats,
    function: NDArray[np.integer],
    random: np.random.Generator,
) -> float:
    scores = score[drawn]
    if np.isnan(scores).all():
        return math.nan
    best = drawn[scores == np.nanmax(scores)]
    functions = np.unique(function[best])
    copies = best[function[best] == functions[random.integers(len(functions))]]
    return float(accuracy[copies[random.integers(len(copies))]])
