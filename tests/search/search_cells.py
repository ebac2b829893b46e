"""Cells of NAS-Bench-201 by index and by arch, for the tests of searches."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxnas import search as s
from jaxnas.spaces import nb201

NB201 = Path(__file__).parents[3] / "shared" / "data" / "nb201.npz"
OPS = nb201.cell_ops()
FUNCTIONS = nb201.representatives()
CONNECTED = nb201.is_connected(nb201.cell_ops())
ARCHS = [nb201.index_to_arch(cell) for cell in range(nb201.NUM_CELLS)]
INDEX = {arch: cell for cell, arch in enumerate(ARCHS)}

STRATEGIES = {
    "random": s.random_search,
    "rea": s.regularized_evolution,
    "reinforce": s.reinforce,
    "bohb": s.bohb,
}


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def asks(strategy: s.Strategy, reward: Callable[[int], float], count: int) -> list[int]:
    """The indices of the first cells that a strategy asks for."""
    cells = [INDEX[next(strategy)]]
    while len(cells) < count:
        cells.append(INDEX[strategy.send(reward(cells[-1]))])
    return cells


def separable(seed: int) -> np.ndarray:
    """A reward that is a sum over edges, [15625], with one best cell."""
    return np.take_along_axis(rng(seed).random((6, 5)).T, OPS.astype(int), axis=0).sum(axis=1)


def by_arch(scores: Any) -> s.Score:
    """A score that is known by index."""
    return lambda arch: scores[INDEX[arch]]


def brute_force(sample: list[int], score: dict[int, float], k: int) -> list[int]:
    """The k heads, each the best left after those ahead and their copies are gone."""
    left = [cell for cell in sample if not math.isnan(score[cell])]
    picked: list[int] = []
    while len(picked) < k:
        best = left[0]
        for cell in left:
            if score[cell] > score[best]:
                best = cell
        picked.append(best)
        left = [cell for cell in left if FUNCTIONS[cell] != FUNCTIONS[best]]
    return picked
