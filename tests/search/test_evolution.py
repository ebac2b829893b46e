"""Random search and regularised evolution: by hand, and by their probabilities."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
from search_cells import (
    ARCHS,
    INDEX,
    OPS,
    asks,
    rng,
)

from jaxnas import search as s
from jaxnas.spaces import DEFAULT, nb201


def test_random_search_is_uniform() -> None:
    asked = itertools.islice(s.random_search(rng(0)), 156_250)
    counts = np.bincount([INDEX[arch] for arch in asked], minlength=15625)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


class Script:
    """A generator whose draws are written down beforehand, with the bounds they are drawn in."""

    def __init__(self, *draws: tuple[tuple[int, ...], Any]) -> None:
        self.draws = list(draws)

    def integers(self, *bounds: int, size: int | None = None) -> Any:
        expected, value = self.draws.pop(0)
        assert bounds == expected
        assert size == (None if isinstance(value, int) else len(value))
        return value if isinstance(value, int) else np.array(value)


def test_rea_by_hand() -> None:
    oldest, middle, youngest = 10, 20, 30
    rewards = {oldest: 90.0, middle: 50.0, youngest: 60.0}
    script = Script(
        ((15625,), oldest),
        ((15625,), middle),
        ((15625,), youngest),
        ((3,), [1, 0]),  # the tournament: middle, oldest; oldest wins
        ((1, 4), 2), ((2,), 1), ((1, 5), 3),  # edge 1->2, three ops on
        ((3,), [0, 1]),  # oldest is dead: now middle against youngest, which wins
        ((1, 4), 3), ((3,), 0), ((1, 5), 1),  # edge 0->3, one op on
        ((3,), [2, 2]),  # drawn with replacement: the youngest child alone
        ((1, 4), 1), ((1,), 0), ((1, 5), 4),  # edge 0->1, four ops on
    )  # fmt: skip

    def moved(cell: int, edge: tuple[int, int], by: int) -> int:
        ops = list(nb201.index_to_ops(cell))
        place = nb201.EDGES.index(edge)
        ops[place] = (ops[place] + by) % 5
        return nb201.ops_to_index(ops)

    first = moved(oldest, (1, 2), 3)
    second = moved(youngest, (0, 3), 1)
    third = moved(second, (0, 1), 4)
    rewards |= {first: 10.0, second: 20.0}
    strategy = s.regularized_evolution(script, population_size=3, sample_size=2)  # type: ignore[arg-type]
    asked = asks(strategy, rewards.__getitem__, 6)
    assert asked == [oldest, middle, youngest, first, second, third]
    assert not script.draws


def test_the_first_drawn_wins_a_tie() -> None:
    script = Script(
        ((15625,), 10), ((15625,), 20), ((2,), [1, 0]), ((1, 4), 1), ((1,), 0), ((1, 5), 1)
    )
    strategy = s.regularized_evolution(script, population_size=2, sample_size=2)  # type: ignore[arg-type]
    child = asks(strategy, lambda _: 1.0, 3)[-1]
    assert (OPS[child] != OPS[20]).sum() == 1
    assert (OPS[child] != OPS[10]).sum() > 1


@pytest.mark.parametrize("cell", [0, 6111])
def test_mutations_have_the_benchmarks_probabilities(cell: int) -> None:
    random = rng(cell)
    draws = 20_000
    counts = Counter(INDEX[DEFAULT.mutate(ARCHS[cell], random)] for _ in range(draws))
    expected = {}
    for (edge, (_, node)), op in itertools.product(enumerate(nb201.EDGES), range(5)):
        ops = list(nb201.index_to_ops(cell))
        if ops[edge] != op:
            ops[edge] = op
            expected[nb201.ops_to_index(ops)] = draws / (3 * node * 4)
    assert counts.keys() == expected.keys()
    frequencies = [counts[neighbour] for neighbour in expected]
    assert scipy.stats.chisquare(frequencies, list(expected.values())).pvalue > 1e-3
