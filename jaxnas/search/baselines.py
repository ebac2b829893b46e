"""What a search has to beat: chance, and counting parameters."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from jaxnas.search.experiment import Found, Run, searching
from jaxnas.search.gt_nas import Score, candidates, gt_nas
from jaxnas.search.strategy import Query, each
from jaxnas.spaces import nb201

_UNTRAINED = (10, 100, 1000)


def draw(rng: np.random.Generator, population: NDArray[np.int64], count: int) -> list[int]:
    """Different cells of the population, in random order.

    Raises:
        ValueError: there are fewer than `count`.
    """
    if not 0 < count <= len(population):
        raise ValueError(
            f"a sample of {count:,} cells: expected 1 to {len(population):,}, the cells there are "
            "to draw from"
        )
    return rng.choice(population, count, replace=False).tolist()


def picking(population: NDArray[np.int64], score: Score, s: int, k: int, query: Query) -> Run:
    """A run that trains the k best by score of s cells drawn."""
    return searching(lambda rng: gt_nas(draw(rng, population, s), score, k), query)


def baselines(
    population: NDArray[np.int64], query: Query, s: int, ks: Iterable[int]
) -> Iterator[tuple[str, Run]]:
    """Name and run of each.

    All draw s cells by the same generator in the same way as `picking` does, so a run of the same
    number and seed sees the same sample.

    Args:
        population: official indices of the cells to draw from.
        query: trains a cell.
        s: cells in a sample.
        ks: how many of them are trained.
    """
    params = nb201.num_params(nb201.cell_ops()).tolist().__getitem__

    def one(rng: np.random.Generator) -> Found:
        return Found(draw(rng, population, 1)[0])

    def best_of(k: int) -> Run:
        return searching(lambda rng: each(draw(rng, population, k)), query)

    def largest_of(count: int) -> Run:
        return lambda rng: Found(candidates(draw(rng, population, count), params, 1)[0])

    yield "one random cell", one
    for k in ks:
        yield f"best of {k} random cells", best_of(k)
    for k in ks:
        yield f"top {k} of {s} by params", picking(population, params, s, k, query)
    for count in _UNTRAINED:
        if count <= len(population):
            yield f"most params of {count:,}, untrained", largest_of(count)
