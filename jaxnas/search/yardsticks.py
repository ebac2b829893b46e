"""What a search has to beat: chance, and counting parameters."""

from collections.abc import Iterator, Sequence

import numpy as np

from jaxnas.search.experiment import Found, Run, searching
from jaxnas.search.score_then_train import Score, candidates, gt_nas
from jaxnas.search.strategy import Query, each
from jaxnas.spaces import DEFAULT, Space

_UNTRAINED = (10, 100, 1000)

# Parameters are counted for such a task; which of two cells has more does not depend on it.
_CLASSES, _IMAGE_SIZE = 10, 32


def draw(rng: np.random.Generator, population: Sequence[str], count: int) -> list[str]:
    """Different archs of the population, in random order.

    Raises:
        ValueError: there are fewer than `count`.
    """
    if not 0 < count <= len(population):
        raise ValueError(
            f"a sample of {count:,} cells: expected 1 to {len(population):,}, the cells there are "
            "to draw from"
        )
    places = rng.choice(len(population), count, replace=False)
    return [population[place] for place in places.tolist()]


def picking(
    population: Sequence[str],
    score: Score,
    s: int,
    k: int,
    query: Query,
    space: Space = DEFAULT,
) -> Run:
    """A run that trains the k best by score of s cells drawn."""
    return searching(lambda rng: gt_nas(draw(rng, population, s), score, k, space), query)


def baselines(
    population: Sequence[str],
    query: Query,
    s: int,
    ks: Sequence[int],
    space: Space = DEFAULT,
) -> Iterator[tuple[str, Run]]:
    """Name and run of each.

    All draw s cells by the same generator in the same way as `picking` does, so a run of the same
    number and seed sees the same sample.

    Args:
        population: archs to draw from.
        query: trains one.
        s: cells in a sample.
        ks: how many of them are trained.
        space: whose archs they are.
    """
    counted = space.counts(population, space.sizes, _CLASSES, _IMAGE_SIZE).params.tolist()
    params = dict(zip(population, counted, strict=True)).__getitem__

    def one(rng: np.random.Generator) -> Found:
        return Found(draw(rng, population, 1)[0])

    def best_of(k: int) -> Run:
        return searching(lambda rng: each(draw(rng, population, k)), query)

    def largest_of(count: int) -> Run:
        return lambda rng: Found(candidates(draw(rng, population, count), params, 1, space)[0])

    yield "one random cell", one
    for k in ks:
        yield f"best of {k} random cells", best_of(k)
    for k in ks:
        yield f"top {k} of {s} by params", picking(population, params, s, k, query, space)
    for count in _UNTRAINED:
        if count <= len(population):
            yield f"most params of {count:,}, untrained", largest_of(count)
