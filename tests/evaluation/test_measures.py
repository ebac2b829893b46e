"""Measures of ranking and their resamples: against scipy, brute force and enumeration."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas.evaluation import measures, metrics, replicates
from jaxnas.evaluation.pairs import pair_sums

# Few distinct values make ties, many make none.
VALUES = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        *(st.lists(st.integers(0, most), min_size=n, max_size=n) for most in (2, 1000)),
        st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any),
    )
)


def sign_sum(x: Any, y: Any, weights: Any) -> float:
    pairs = itertools.combinations(range(len(x)), 2)
    return sum(
        weights[i] * weights[j] * np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in pairs
    )


@given(VALUES)
def test_pair_sums_are_those_of_all_pairs(given: Any) -> None:
    x, y, weights = (np.array(values, np.float64) for values in given)
    ones = np.ones_like(weights)
    found = pair_sums(x, y, np.stack([weights, ones], axis=1))
    assert found.tolist() == [sign_sum(x, y, weights), sign_sum(x, y, ones)]
    assert pair_sums(y, x, weights[:, None])[0] == sign_sum(x, y, weights)


@pytest.mark.parametrize("distinct", [1, 3, 30, 2000])
def test_pair_sums_of_many_points_with_large_ties(distinct: int) -> None:
    random = np.random.default_rng(0)
    x, y = random.integers(0, distinct, 2000) * 1.0, random.normal(size=2000)
    x[:700] = 1.0
    expected = np.triu(np.sign(np.subtract.outer(x, x)) * np.sign(np.subtract.outer(y, y))).sum()
    assert pair_sums(x, y, np.ones((2000, 1)))[0] == expected


@given(VALUES)
def test_figures_are_scipys(given: Any) -> None:
    x, y, _ = (np.array(values, np.float64) for values in given)
    pairs = len(x) * (len(x) - 1) / 2
    assert metrics.monotonicity(x, y) == abs(sign_sum(x, y, np.ones_like(x))) / pairs
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert math.isnan(metrics.kendall(x, y))
        assert math.isnan(metrics.spearman(x, y))
        return
    # Independent of the ways taken: τ_b from the sum over pairs, ρ from ranks.
    ties = [pairs - sum(math.comb(n, 2) for n in np.unique(v, return_counts=True)[1].tolist())
            for v in (x, y)]  # fmt: skip
    tau_b = sign_sum(x, y, np.ones_like(x)) / math.sqrt(ties[0] * ties[1])
    assert metrics.kendall(x, y) == pytest.approx(tau_b, abs=1e-12)
    assert metrics.kendall(x, y) == scipy.stats.kendalltau(x, y).statistic
    rho = np.corrcoef(scipy.stats.rankdata(x), scipy.stats.rankdata(y))[0, 1]
    assert metrics.spearman(x, y) == pytest.approx(rho, abs=1e-12)
    assert metrics.slope(x, y) == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-9, abs=1e-9)


def test_monotonicity_of_the_papers_functions() -> None:
    x = np.linspace(-10, 10, 101)
    assert metrics.monotonicity(x, np.exp(x)) == 1
    assert metrics.monotonicity(x, -np.exp(x)) == 1
    assert metrics.monotonicity(x, np.abs(np.round(x, 6))) == 0
    assert metrics.monotonicity(x, np.zeros(101)) == 0
    assert math.isnan(metrics.monotonicity([1.0], [2.0]))


def test_slope_scales() -> None:
    inside, outside = np.array([0.0, 0.5, 0.99]), np.array([0.0, 0.5, 1.0])
    name, scale = metrics.slope_scale(inside)
    assert name == "log(1 - score)"
    np.testing.assert_allclose(scale, np.log(1 - inside))
    name, scale = metrics.slope_scale(outside)
    assert name == "standardised score"
    np.testing.assert_allclose([scale.mean(), scale.std()], [0, 1], atol=1e-12)
    assert np.isnan(metrics.slope_scale(np.full(3, 7.0))[1]).all()


def test_best_percentile_is_the_rank_from_the_top() -> None:
    accuracy = np.array([1.0, 5, 3, 2])
    assert metrics.best_percentile(np.array([1.0, 9, 3, 2]), accuracy) == 25
    assert metrics.best_percentile(np.array([1.0, 0, 3, 2]), accuracy) == 100
    # Ranks 1 and 2 are shared.
    assert metrics.best_percentile(np.array([1.0, 9, 9, 2]), accuracy) == 37.5


def test_subsets() -> None:
    assert metrics.above_median(np.array([1.0, 2, 3, 4])).tolist() == [False, False, True, True]
    assert metrics.above_median(np.array([1.0, 2, 2])).tolist() == [False] * 3
    accuracy = np.arange(25.0)
    assert np.flatnonzero(metrics.top_accuracy(accuracy)).tolist() == [22, 23, 24]
    assert metrics.top_accuracy(np.zeros(5)).all()


# Resamples.


@given(VALUES)
@settings(deadline=None)
def test_a_resample_has_the_figures_of_its_points_repeated(given: Any) -> None:
    x, y, weights = (np.array(values, np.float64) for values in given)
    column = np.stack([weights, np.ones_like(weights)], axis=1)
    repeated = np.repeat(np.arange(len(x)), weights.astype(int))
    params = x % 7
    found = measures.resampled([x, y / 2000], y, params, column)
    for score, resample in zip((x, y / 2000), found, strict=True):
        plain = measures.values(score[repeated], y[repeated], params[repeated])
        # Which scale a score has is decided by the whole of it.
        if metrics.slope_scale(score)[0] != metrics.slope_scale(score[repeated])[0]:
            plain[9:11] = resample[0, 9:11]
        np.testing.assert_allclose(resample[0], plain, atol=1e-9)
        np.testing.assert_allclose(resample[1], measures.values(score, y, params), atol=1e-9)


def test_the_figures_have_their_names() -> None:
    random = np.random.default_rng(0)
    x, y, params = random.normal(size=(3, 200))
    found = dict(zip(measures.FIGURES, measures.values(x, y, params), strict=True))
    above, top = x > np.median(x), y >= np.sort(y)[-20]
    assert found["spearman_above_median"] == scipy.stats.spearmanr(x[above], y[above]).statistic
    assert found["kendall_top_10_percent"] == scipy.stats.kendalltau(x[top], y[top]).statistic
    assert found["monotonicity_all"] == pytest.approx(abs(scipy.stats.kendalltau(x, y).statistic))
    z = (x - x.mean()) / x.std()
    assert found["slope_above_median"] == pytest.approx(np.polyfit(z[above], y[above], 1)[0])
    expected = scipy.stats.kendalltau(x, y).statistic - scipy.stats.kendalltau(params, y).statistic
    assert found["kendall_all_minus_params"] == pytest.approx(expected)


def test_functions_are_resampled_with_all_their_cells() -> None:
    group = np.array([0, 1, 1, 2, 2, 2])
    drawn = replicates.resample(group, 4000, seed=0)
    assert (drawn.sum(axis=0) == 3).all()
    # Multinomial: mean 1, variance 1 - 1/3.
    np.testing.assert_allclose(drawn.mean(axis=1), 1, atol=0.05)
    np.testing.assert_allclose(drawn.var(axis=1), 2 / 3, atol=0.05)
    cells = drawn[group]
    assert (cells[1] == cells[2]).all()
    assert (cells[3] == cells[5]).all()
