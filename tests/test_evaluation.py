"""Rank figures, picks and their bootstrap: against scipy, brute force and enumeration."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
import scipy.stats  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas import evaluation
from jaxnas.evaluation import Protocol, baselines, choosing, figures, metrics, replicates
from jaxnas.evaluation.pairs import pair_sums
from jaxnas.spaces import nb201

CELLS = np.arange(nb201.NUM_CELLS)
CONNECTED = nb201.is_connected(nb201.cell_ops())

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


# Figures of one sample.


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
    found = figures.resampled([x, y / 2000], y, params, column)
    for score, resample in zip((x, y / 2000), found, strict=True):
        plain = figures.values(score[repeated], y[repeated], params[repeated])
        # Which scale a score has is decided by the whole of it.
        if metrics.slope_scale(score)[0] != metrics.slope_scale(score[repeated])[0]:
            plain[9:11] = resample[0, 9:11]
        np.testing.assert_allclose(resample[0], plain, atol=1e-9)
        np.testing.assert_allclose(resample[1], figures.values(score, y, params), atol=1e-9)


def test_the_figures_have_their_names() -> None:
    random = np.random.default_rng(0)
    x, y, params = random.normal(size=(3, 200))
    found = dict(zip(figures.FIGURES, figures.values(x, y, params), strict=True))
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


def test_interval_is_as_wide_as_the_theory_of_spearman_says() -> None:
    """Without correlation and copies ρ has the standard deviation 1/√(n - 1)."""
    random = np.random.default_rng(0)
    functions = np.unique(nb201.representatives())[:800]
    table = score_table(functions, noise=random.normal(size=800))
    accuracy = np.full(nb201.NUM_CELLS, np.nan)
    accuracy[functions] = 50 + random.normal(size=800)
    found = rows(evaluation.evaluate(table, accuracy))["noise"]
    width = found["spearman_all_high"] - found["spearman_all_low"]
    assert width == pytest.approx(2 * 1.96 / math.sqrt(799), rel=0.15)


def test_copies_widen_the_interval() -> None:
    """Forty copies of each of forty functions tell as much as one of each, not forty times."""
    random = np.random.default_rng(0)
    cells, of_function = np.arange(1600), np.tile(np.arange(40), 40)
    x, y = random.normal(size=(2, 40))
    accuracy = np.zeros(nb201.NUM_CELLS)
    accuracy[cells] = y[of_function]
    copied, distinct = (
        rows(
            evaluation.evaluate(
                table.set_column(2, "function", [of_function[: len(table)]]), accuracy
            )
        )
        for table in (score_table(cells, s=x[of_function]), score_table(cells[:40], s=x))
    )
    for end in ("_low", "", "_high"):
        assert copied["s"][f"spearman_all{end}"] == pytest.approx(
            distinct["s"][f"spearman_all{end}"]
        )


# Baselines.


def test_tensor_counts_by_hand() -> None:
    archs = [
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "|skip_connect~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
        # Node 2 leads nowhere: its convolutions are dead.
        "|nor_conv_1x1~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_1x1~1|none~2|",
        "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    ]  # fmt: skip
    cells = np.array([nb201.arch_to_index(arch) for arch in archs])
    found = baselines.counts(cells)
    np.testing.assert_array_equal(found["num_tensors"], [98, 8, 38, np.nan])
    expected = [-(5.1e6 + 1.5e6) / 98, -5.1e6 / 8, -(5.1e6 + 2 * 1.5e6) / 38, np.nan]
    np.testing.assert_allclose(found["tensor_count"], expected, rtol=1e-15)
    small = baselines.counts(cells, stem_channels=4, cells_per_stage=1)
    np.testing.assert_array_equal(small["num_tensors"], [26, 8, 14, np.nan])
    expected = [-1e5 * (15 + 3) / 26, -1e5 * 15 / 8, -1e5 * (15 + 6) / 14, np.nan]
    np.testing.assert_allclose(small["tensor_count"], expected, rtol=1e-15)


def test_a_cells_random_score_is_the_same_whatever_the_others() -> None:
    few = baselines.chance(np.array([3, 700]), 2, seed=1)
    assert (few == baselines.chance(CELLS, 2, seed=1)[:, [3, 700]]).all()
    assert len(set(few.ravel().tolist())) == 4


# Picks.


def pick(score: Any, accuracy: Any, function: Any, cells: int, runs: int = 2000) -> Any:
    drawn = choosing.draws(len(accuracy), Protocol(runs, cells), seed=0)
    values = None if score is None else np.array(score, np.float64)
    return choosing.pick(drawn, values, np.array(accuracy), np.array(function), seed=0)


def test_the_best_of_a_draw_is_picked() -> None:
    """Over all pairs of 4 cells the better by score has accuracy 3 in three of six, ..."""
    accuracy = [0.0, 1.0, 2.0, 3.0]
    found = pick([10, 11, 12, 13], accuracy, [0, 1, 2, 3], cells=2)
    best = [max(pair) for pair in itertools.combinations(accuracy, 2)]
    assert found.mean == pytest.approx(np.mean(best), abs=0.06)
    assert found.std == pytest.approx(np.std(best), abs=0.06)


def test_a_function_with_many_copies_is_not_picked_more_often() -> None:
    accuracy, function = [10.0, 10, 10, 20], [5, 5, 5, 9]
    assert pick([1, 1, 1, 1], accuracy, function, cells=4).mean == pytest.approx(15, abs=0.4)
    assert pick(None, accuracy, function, cells=2).mean == pytest.approx(12.5, abs=0.4)


def test_cells_without_a_score_are_never_picked() -> None:
    assert pick([np.nan, -5, np.nan], [90.0, 1, 90], [0, 1, 2], cells=3).mean == 1
    assert math.isnan(pick([np.nan] * 3, [90.0, 1, 90], [0, 1, 2], cells=2).mean)


def test_draws_of_all_cells_have_no_spread_and_too_few_cells_no_value() -> None:
    all_one = pick([1, 2, 3], [1.0, 2, 3], [0, 1, 2], cells=3)
    assert all_one.mean == 3
    assert math.isnan(all_one.std)
    assert math.isnan(pick([1, 2, 3], [1.0, 2, 3], [0, 1, 2], cells=4).mean)


# The whole of it.


def score_table(cells: Any, seeds: int = 1, **scores: Any) -> pa.Table:
    """A table of scores, each [n], or [S, n] where there are several seeds."""
    cells = np.asarray(cells)
    columns = {
        "cell": np.tile(cells, seeds),
        "arch": [""] * (len(cells) * seeds),
        "function": np.tile(nb201.representatives()[cells], seeds),
        "seed": np.repeat(np.arange(seeds), len(cells)),
        "status": np.tile(np.where(CONNECTED[cells], "ok", "disconnected"), seeds),
    }
    return pa.table({**columns, **{name: np.ravel(values) for name, values in scores.items()}})


def rows(found: evaluation.Evaluation) -> dict[str, dict[str, Any]]:
    return dict(zip(found.labels, found.table.to_pylist(), strict=True))


ACCURACY = 60 + 30 * np.random.default_rng(5).random(nb201.NUM_CELLS)


def test_missing_scores_are_counted_and_left_out() -> None:
    cells = np.arange(100)
    score = ACCURACY[cells] ** 2
    score[[3, 50]] = np.nan, np.inf
    found = evaluation.evaluate(score_table(cells, good=score), ACCURACY, resamples=20)
    good = rows(found)["good"]
    assert (good["cells"], good["missing"], good["seeds"]) == (100, 2, 1)
    assert good["kendall_all"] == 1
    assert good["spearman_top_10_percent"] == pytest.approx(1)
    kept = np.delete(cells, [3, 50])
    params = nb201.num_params(nb201.cell_ops()[kept])
    less = 1 - scipy.stats.kendalltau(params, ACCURACY[kept]).statistic
    assert good["kendall_all_minus_params"] == pytest.approx(less)
    assert rows(found)["params"]["kendall_all_minus_params"] == 0
    assert found.disconnected == (~CONNECTED[cells]).sum()


def test_every_baseline_stands_beside_the_scores() -> None:
    table = score_table(np.arange(60), js=np.arange(60.0), params=np.arange(60))
    found = evaluation.evaluate(table, ACCURACY, resamples=20)
    assert found.labels == [*baselines.NAMES, "js"]
    params = nb201.num_params(nb201.cell_ops()[:60])
    assert rows(found)["params"]["kendall_all"] == (
        scipy.stats.kendalltau(params, ACCURACY[:60]).statistic
    )
    assert rows(found)["num_tensors"]["missing"] == (~CONNECTED[:60]).sum()


def test_seeds_are_averaged_over_and_shown() -> None:
    cells = np.arange(80)
    random = np.random.default_rng(0)
    scores = ACCURACY[cells] + 10 * random.normal(size=(3, 80))
    found = rows(evaluation.evaluate(score_table(cells, 3, js=scores), ACCURACY, resamples=50))
    each = [scipy.stats.kendalltau(score, ACCURACY[cells]).statistic for score in scores]
    assert found["js"]["seeds"] == 3
    assert found["js"]["kendall_all"] == pytest.approx(np.mean(each))
    assert found["js"]["kendall_all_seed_std"] == pytest.approx(np.std(each, ddof=1))
    averaged = found["js, mean of 3 seeds"]
    expected = scipy.stats.kendalltau(scores.mean(axis=0), ACCURACY[cells]).statistic
    assert averaged["kendall_all"] == pytest.approx(expected)
    assert (averaged["averaged"], averaged["seeds"]) == (3, 1)
    assert math.isnan(averaged["kendall_all_seed_std"])


def test_intervals_hold_the_value_and_are_the_same_every_time() -> None:
    table = score_table(np.arange(300), js=ACCURACY[:300] + np.arange(300) % 17)
    first, second = (evaluation.evaluate(table, ACCURACY, resamples=200) for _ in range(2))
    assert str(first.table.to_pylist()) == str(second.table.to_pylist())
    js = rows(first)["js"]
    for name in ("kendall_all", "spearman_above_median", "slope_all"):
        assert js[f"{name}_low"] < js[name] < js[f"{name}_high"]


def test_scores_never_asked_for_are_not_missing() -> None:
    values = pa.array([1.0] * 20 + [None] * 20)
    table = score_table(np.arange(40)).append_column("js", values)
    found = rows(evaluation.evaluate(table, ACCURACY, resamples=10))["js"]
    assert (found["cells"], found["missing"]) == (20, 0)
    assert math.isnan(found["kendall_all"])


def test_refuses_what_does_not_fit() -> None:
    table = score_table(np.arange(40), js=np.arange(40.0))
    lacking = ACCURACY.copy()
    lacking[[7, 9]] = np.nan
    with pytest.raises(evaluation.EvaluationError, match="2 of the 40 scored cells .* cell 7"):
        evaluation.evaluate(table, lacking)
    with pytest.raises(evaluation.EvaluationError, match="only 9 cells"):
        evaluation.evaluate(table.slice(0, 9), ACCURACY)
    with pytest.raises(evaluation.EvaluationError, match="15,625"):
        evaluation.evaluate(table, ACCURACY[:100])
