"""BOHB and its kernel density, by their definitions."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from search_cells import (
    INDEX,
    OPS,
    asks,
    rng,
)

from jaxnas import search as s
from jaxnas.search import kernel_density
from jaxnas.search.hyperband import brackets, split
from jaxnas.spaces import nb201

POINTS = st.integers(1, 9).flatmap(
    lambda n: st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=n, max_size=n)
)
BANDWIDTHS = st.tuples(*[st.floats(0, 2 / 3)] * 3)
THREES = np.full(3, 3)
SPACE = np.array(list(itertools.product(range(3), repeat=3)))


@given(POINTS, BANDWIDTHS)
def test_density_by_its_definition(points: list[tuple[int, ...]], h: tuple[float, ...]) -> None:
    density = kernel_density.KernelDensity(np.array(points), np.array(h), THREES).density(SPACE)
    for at, value in zip(SPACE.tolist(), density, strict=True):
        terms = [
            math.prod(1 - hj if a == b else hj / 2 for a, b, hj in zip(at, point, h, strict=True))
            for point in points
        ]
        assert value == pytest.approx(math.fsum(terms) / len(points), rel=1e-12, abs=1e-300)
    assert (density >= 0).all()
    assert density.sum() == pytest.approx(1, rel=1e-12)


def test_samples_have_the_density() -> None:
    model = kernel_density.KernelDensity(
        np.array([[0, 1, 2], [0, 0, 2], [2, 1, 1]]), np.array([0.3, 0.5, 2 / 3]), THREES
    )
    drawn = model.sample(rng(0), 50_000)
    counts = np.bincount(drawn @ np.array([9, 3, 1]), minlength=27)
    assert scipy.stats.chisquare(counts, 50_000 * model.density(SPACE)).pvalue > 1e-3


def test_bandwidths_are_the_normal_reference_within_bounds() -> None:
    points = np.zeros((20, 6), int)
    points[:, 0] = [0] * 10 + [1] * 10  # σ = 1/2
    points[:, 1] = [0, 4] * 10  # σ = 2, beyond a uniform kernel
    bandwidths = kernel_density.fit(points, np.full(6, 5), 0.3).bandwidths
    assert bandwidths[0] == pytest.approx(1.06 * 0.5 * 20**-0.1)
    assert bandwidths[1] == 0.8
    assert (bandwidths[2:] == 0.3).all()


def test_brackets_by_hand() -> None:
    assert list(brackets(3, 3)) == [[9, 3, 1], [3, 1], [3]]
    assert list(brackets(1, 3)) == [[1]]
    assert list(brackets(5, 3)) == [[81, 27, 9, 3, 1], [27, 9, 3, 1], [9, 3, 1], [6, 2], [5]]


def test_split_by_hand() -> None:
    entries = [(np.full(6, op), float(op)) for op in range(14)]
    assert split(entries[:13], 7) is None
    good, bad = split(entries, 7) or pytest.fail("no model of 14 points")
    assert good[:, 0].tolist() == [13, 12, 11, 10, 9, 8, 7]
    assert bad[:, 0].tolist() == [6, 5, 4, 3, 2, 1, 0]
    good, bad = split([(np.full(6, op), float(op % 50)) for op in range(100)], 7) or pytest.fail("")
    assert len(good) == 15
    assert len(bad) == 85
    assert good[0, 0] == 49  # of equal rewards the earlier first
    assert good[1, 0] == 99


def test_bohb_promotes_the_best_third() -> None:
    rewards = rng(11).permutation(nb201.NUM_CELLS)
    asked = asks(s.bohb(rng(0)), rewards.__getitem__, 20)
    longest, middle, last = asked[:13], asked[13:17], asked[17:]
    assert len(last) == 3

    def ordered(cells: list[int]) -> list[int]:
        return sorted(cells, key=lambda cell: -rewards[cell])

    assert longest[9:12] == ordered(longest[:9])[:3]
    assert longest[12:] == ordered(longest[:9])[:1]
    assert middle[3:] == ordered(middle[:3])[:1]


def test_bohb_asks_for_the_most_promising_draw() -> None:
    """From the 23rd query on, one after the other, by densities written out anew."""
    rewards = rng(12).permutation(nb201.NUM_CELLS).astype(float)
    random = rng(1)
    strategy = s.bohb(random, num_samples=8)
    asked, rung_of, proposals = [INDEX[next(strategy)]], list(_rungs(60)), 0
    while len(asked) < 60:
        before = copy.deepcopy(random)
        asked.append(INDEX[strategy.send(rewards[asked[-1]])])
        place = len(asked) - 1
        seen = [
            [
                cell
                for cell, (rung, _) in zip(asked[:place], rung_of, strict=False)
                if rung == wanted
            ]
            for wanted in (2, 1, 0)
        ]
        enough = [cells for cells in seen if len(cells) >= 14]
        if not rung_of[place][1] or not enough:
            continue
        best_first = sorted(enough[0], key=lambda cell: -rewards[cell])
        count = max(7, int(0.15 * len(best_first)))
        models = [
            kernel_density.KernelDensity(points, np.clip(
                1.06 * points.std(axis=0) * len(points) ** -0.1, 0.3, 0.8), np.full(6, 5))
            for points in (OPS[best_first[:count]], OPS[best_first[count:]])
        ]  # fmt: skip
        assert before.random() >= 0  # the draw of whether to be random
        drawn = models[0].sample(before, 8)
        ratios = [
            models[0].density(row[None])[0] / models[1].density(row[None])[0] for row in drawn
        ]
        assert asked[-1] == nb201.ops_to_index(drawn[int(np.argmax(ratios))])
        proposals += 1
    assert proposals > 15


def _rungs(count: int) -> Iterable[tuple[int, bool]]:
    """Rung of each query, and whether its cell is new."""
    bracket = [(0, True)] * 9 + [(1, False)] * 3 + [(2, False)]
    bracket += [(1, True)] * 3 + [(2, False)] + [(2, True)] * 3
    return itertools.islice(itertools.cycle(bracket), count)
