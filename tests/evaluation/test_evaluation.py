"""Rank figures, picks and their bootstrap: against scipy, brute force and enumeration."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pytest
import scipy.stats  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas import evaluation, oracle, plots
from jaxnas.cli.commands import evaluate as evaluating
from jaxnas.cli.main import run
from jaxnas.evaluation import Protocol, baselines, measures, metrics, picking, replicates
from jaxnas.evaluation.pairs import pair_sums
from jaxnas.results import SCORES_FILE, ResultsError
from jaxnas.results.table import write_table
from jaxnas.spaces import SPACES, Sizes, nb201

CELLS = np.arange(nb201.NUM_CELLS)
CONNECTED = nb201.is_connected(nb201.cell_ops())
ARCHS = np.array([nb201.index_to_arch(cell) for cell in CELLS])
SETTINGS = {"space": "nb201", "channels": 16, "depth": 5, "num_classes": 10, "image_size": 32}

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
    found = baselines.counts(archs)
    np.testing.assert_array_equal(found["num_tensors"], [98, 8, 38, np.nan])
    expected = [-(5.1e6 + 1.5e6) / 98, -5.1e6 / 8, -(5.1e6 + 2 * 1.5e6) / 38, np.nan]
    np.testing.assert_allclose(found["tensor_count"], expected, rtol=1e-15)
    small = baselines.counts(archs, sizes=Sizes(4, 1))
    np.testing.assert_array_equal(small["num_tensors"], [26, 8, 14, np.nan])
    expected = [-1e5 * (15 + 3) / 26, -1e5 * 15 / 8, -1e5 * (15 + 6) / 14, np.nan]
    np.testing.assert_allclose(small["tensor_count"], expected, rtol=1e-15)


def test_a_cells_random_score_is_the_same_whatever_the_others() -> None:
    few = baselines.chance(ARCHS[[3, 700]], 2, seed=1)
    assert (few == baselines.chance(ARCHS, 2, seed=1)[:, [3, 700]]).all()
    assert len(set(few.ravel().tolist())) == 4
    archs = SPACES["darts"].draw(300, seed=0)
    all_of_them = baselines.chance(archs, 2, seed=1, space=SPACES["darts"])
    few = baselines.chance(archs[7:9], 2, seed=1, space=SPACES["darts"])
    assert (few == all_of_them[:, 7:9]).all()
    assert scipy.stats.kstest(all_of_them.ravel(), "uniform").pvalue > 1e-3


# Picks.


def pick(score: Any, accuracy: Any, function: Any, cells: int, runs: int = 2000) -> Any:
    drawn = picking.draws(len(accuracy), Protocol(runs, cells), seed=0)
    values = None if score is None else np.array(score, np.float64)
    return picking.pick(drawn, values, np.array(accuracy), np.array(function), seed=0)


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
        "arch": ARCHS[cells].tolist() * seeds,
        "function": np.tile(nb201.representatives()[cells], seeds),
        "seed": np.repeat(np.arange(seeds), len(cells)),
        "status": np.tile(np.where(CONNECTED[cells], "ok", "disconnected"), seeds),
    }
    scored = {name: np.ravel(values) for name, values in scores.items()}
    return with_settings(pa.table({**columns, **scored}))


def with_settings(table: pa.Table, **changes: Any) -> pa.Table:
    """The table with the metadata that a run leaves, as far as an evaluation reads them."""
    return table.replace_schema_metadata({"jaxnas.settings": json.dumps(SETTINGS | changes)})


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


def test_accuracies_may_be_given_by_arch() -> None:
    table = score_table(np.arange(60), js=np.sin(np.arange(60.0)))
    by_arch = dict(zip(ARCHS[:60].tolist(), ACCURACY[:60].tolist(), strict=True))
    one, other = (evaluation.evaluate(table, a, resamples=5) for a in (ACCURACY, by_arch))
    assert str(one.table.to_pylist()) == str(other.table.to_pylist())
    with pytest.raises(evaluation.EvaluationError, match="1 of the 60 scored cells .* cell 59"):
        evaluation.evaluate(table, dict(list(by_arch.items())[:-1]))


def test_counts_are_of_the_network_that_was_scored() -> None:
    table = with_settings(score_table(np.arange(60)), channels=4, depth=1)
    found = evaluation.evaluate(table, ACCURACY, resamples=2)
    expected = nb201.num_params(nb201.cell_ops()[:60], 10, 4, 1)
    np.testing.assert_array_equal(found.scores[0].values[0], expected)
    with pytest.raises(ResultsError, match="no settings"):
        evaluation.evaluate(table.replace_schema_metadata(), ACCURACY)


def test_a_space_without_indices() -> None:
    space = SPACES["darts"]
    archs = space.draw(40, seed=3)
    truth = {arch: 90 + number / 10 for number, arch in enumerate(archs)}
    table = pa.table(
        {
            "cell": pa.nulls(40, pa.int64()),
            "arch": list(archs),
            "function": list(space.functions(archs)),
            "seed": np.zeros(40, int),
            "status": ["ok"] * 40,
            "js": np.arange(40.0),
        }
    )
    table = with_settings(table, space="darts", channels=4, depth=3)
    found = evaluation.evaluate(table, truth, resamples=5)
    assert found.cells is None
    assert found.archs == tuple(sorted(archs))
    assert rows(found)["js"]["kendall_all"] == 1
    params = space.counts(archs, Sizes(4, 3), 10, 32).params
    expected = scipy.stats.kendalltau(params, np.arange(40)).statistic
    assert rows(found)["params"]["kendall_all"] == pytest.approx(expected)
    assert evaluation.described(found)["best_arch"] == archs[-1]
    with pytest.raises(evaluation.EvaluationError, match="expected a mapping from arch"):
        evaluation.evaluate(table, np.zeros(40))
    del truth[archs[5]]
    with pytest.raises(evaluation.EvaluationError, match=r"1 of the 40 .*, Genotype\(.* the first"):
        evaluation.evaluate(table, truth)


# Combinations.


def test_a_combination_is_a_row_of_the_values_of_functions() -> None:
    """Against ranks over functions, written out anew."""
    cells = np.arange(400)
    random = np.random.default_rng(0)
    js = random.normal(size=(2, 400))
    js[1, [4, 8]] = np.nan
    table = score_table(cells, 2, js=js, other=random.normal(size=(2, 400)))
    found = evaluation.evaluate(table, ACCURACY, combinations=["js + params"], resamples=5)
    row = rows(found)["js+params, mean of 2 seeds"]
    assert (row["averaged"], row["seeds"], row["cells"]) == (2, 1, 400)
    functions = nb201.representatives()[cells]
    _, heads, group = np.unique(functions, return_index=True, return_inverse=True)
    means, params = js.mean(axis=0), nb201.num_params(nb201.cell_ops()[cells])
    values = np.full(len(heads), np.nan)
    ranked = np.isfinite(means[heads])
    for scores in (means, params):
        ranks = scipy.stats.rankdata(scores[heads][ranked])
        values[ranked] = np.nan_to_num(values[ranked]) + np.log(ranks / ranked.sum())
    expected = values[group]
    np.testing.assert_allclose(found.scores[-1].values[0], expected, rtol=1e-12)
    kept = np.isfinite(expected)
    assert row["missing"] == (~kept).sum() >= 1
    tau = scipy.stats.kendalltau(expected[kept], ACCURACY[cells][kept]).statistic
    assert row["kendall_all"] == pytest.approx(tau)


@pytest.mark.parametrize(
    ("by", "words"),
    [("js+", "an empty name"), ("js+js", "js twice"), ("js+pjs", "score 'pjs'")],
)
def test_combinations_that_are_none(by: str, words: str) -> None:
    table = score_table(np.arange(20), js=np.arange(20.0))
    with pytest.raises(ResultsError, match=words):
        evaluation.evaluate(table, ACCURACY, combinations=[by], resamples=2)


# The command.


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Runs `jaxnas evaluate` in this process, in an empty folder: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")

    def called(folder: object, **options: object) -> tuple[int, str, str]:
        given = {
            "oracle": "truth.npz",
            "dataset": "cifar10",
            "split": "test",
            "epochs": 200,
            "out": "report",
            **options,
        }
        pairs = [[f"--{name}", str(value)] for name, value in given.items() if value is not None]
        status = run(["evaluate", str(folder), *itertools.chain(*pairs)])
        return status, *capsys.readouterr()

    return called


def write_run(table: pa.Table, path: str = "run") -> Path:
    Path(path).mkdir()
    settings = {"num_classes": 10, "image_size": 32, "stem_channels": 16, "cells_per_stage": 5}
    write_table(table, Path(path) / SCORES_FILE, settings=settings)
    return Path(path)


def write_truth(**columns: Any) -> None:
    np.savez("truth.npz", cell=CELLS, **(columns or {"cifar10_test_200": ACCURACY}))


def test_a_report_of_a_run(call: Any) -> None:
    write_truth()
    cells = np.arange(1100)
    kernel = np.exp(ACCURACY[cells] / 9)
    kernel[~CONNECTED[cells]] = np.nan
    table = score_table(cells, 2, gradient_kernel=[kernel, kernel * 1.5], js=-np.ones((2, 1100)))
    status, out, err = call(write_run(table))
    assert (status, err) == (0, "")
    for words in ("gradient_kernel, mean of 2 seeds", "tensor_count", "random", "1,100 cells"):
        assert words in out
    pictures = {path.name for path in Path("report").glob("*.png")}
    assert pictures == {
        "gradient_kernel.png", "monotonicity.png", "monotonicity_of_familiar_functions.png",
        "picked.png", "scores_and_accuracy.png", "slope.png",
    }  # fmt: skip
    assert not list(Path("report").glob(".*"))
    conditions = json.loads(Path("report/evaluation.json").read_text())
    assert (conditions["dataset"], conditions["split"], conditions["epochs"]) == (
        "cifar10", "test", 200,
    )  # fmt: skip
    assert conditions["seeds"] == [0, 1]
    assert conditions["cells"] == 1100
    assert conditions["best_accuracy"] == ACCURACY[cells].max()
    read = pyarrow.csv.read_csv("report/evaluation.csv").to_pylist()
    expected = evaluation.evaluate(table, ACCURACY).table.to_pylist()
    assert [row["score"] for row in read] == [row["score"] for row in expected]
    for found, row in zip(read, expected, strict=True):
        for name, value in row.items():
            assert found[name] == (None if str(value) == "nan" else value), name
    js = next(row for row in read if row["score"] == "js")
    assert js["kendall_all"] is None


def test_a_scored_run_is_evaluated_with_its_seconds(call: Any) -> None:
    settings = {
        "num_classes": 10, "image_size": 32, "stem_channels": 16, "cells_per_stage": 5,
        "merge": True,
    }  # fmt: skip
    write_truth()
    function = nb201.representatives()
    cells = [int(c) for c in np.flatnonzero((function == CELLS) & CONNECTED)[:30]]
    with Folder.open("run", settings) as folder:
        folder.request(cells, [0], ["js"])
        folder.append([Record(c, 0, {"js": ACCURACY[c]}, {"js": 0.25}) for c in cells])
        table = assemble(
            folder.scores(), folder.requests, ["js"], merged=True, num_classes=10, image_size=32,
            stem_channels=16, cells_per_stage=5,
        )  # fmt: skip
    write_table(table, Path("run") / SCORES_FILE, settings=settings)
    status, _, err = call("run")
    assert (status, err) == (0, "")
    read = {row["score"]: row for row in pyarrow.csv.read_csv("report/evaluation.csv").to_pylist()}
    assert read["js"]["kendall_all"] == 1
    assert read["js"]["seconds_per_cell"] == 0.25
    assert read["params"]["seconds_per_cell"] is None

    with Folder.open("run", settings) as folder:
        folder.request([*cells, 5000], [0], ["js"])
    assert_refused(call("run"), "not finished", "jaxnas score")
    (Path("run") / SCORES_FILE).unlink()
    assert_refused(call("run"), "not finished", "jaxnas score")


def assert_refused(result: tuple[int, str, str], *words: str) -> None:
    status, out, err = result
    assert status == 2
    assert out == ""
    assert err.startswith("jaxnas: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_bad_input_gets_one_line(call: Any) -> None:
    write_truth()
    good = write_run(score_table(np.arange(50), js=np.arange(50.0)))
    assert_refused(call("nowhere"), "nowhere has no scores.parquet", "--out")
    assert_refused(call(good, out="truth.npz"), "truth.npz is a file")
    assert_refused(call(good, oracle="none.npz"), "none.npz")
    assert_refused(call(good, dataset="cifar100"), "cifar100 test 200-epoch")
    assert_refused(call(good, split=None), "--split")
    assert_refused(call(good, epochs=90), "90", "12", "200")
    few = write_run(score_table(np.arange(9), js=np.arange(9.0)), "few")
    assert_refused(call(few), "only 9 cells", "at least 10")
    lacking = np.where(CELLS == 7, np.nan, ACCURACY)
    write_truth(cifar10_test_200=lacking)
    assert_refused(call(good), "1 of the 50 scored cells", "cell 7")
    write_truth()
    twice = write_run(
        pa.concat_tables([score_table(np.arange(20), js=np.arange(20.0))] * 2), "twice"
    )
    assert_refused(call(twice), "cell 0 with seed 0 2 times")
    strange = write_run(score_table(np.arange(20)).drop_columns(["function"]), "strange")
    assert_refused(call(strange), "no function")
    (good / SCORES_FILE).write_bytes(b"PAR1 and no more")
    assert_refused(call(good), "is damaged", "Parquet")
    assert not Path("report").exists()


def test_choices_are_the_oracles() -> None:
    assert evaluating.DATASETS == oracle.DATASETS
    assert evaluating.SPLITS == oracle.SPLITS
    assert list(map(int, evaluating.EPOCHS)) == list(oracle.EPOCHS)


@pytest.mark.parametrize("cells", [10, 400])
def test_pictures_of_any_scores(tmp_path: Path, cells: int) -> None:
    random = np.random.default_rng(0)
    table = score_table(
        np.arange(cells),
        within=random.random(cells),
        wide=np.exp(9 * random.normal(size=cells)),
        gradient_kernel=np.where(np.arange(cells) % 2, random.normal(size=cells), np.nan),
        same=np.ones(cells),
        none=np.full(cells, np.nan),
    )
    found = evaluation.evaluate(table, ACCURACY, resamples=5)
    before = dict(mpl.rcParams)
    first = [path.read_bytes() for path in plots.plot_evaluation(found, tmp_path, "accuracy (%)")]
    second = [path.read_bytes() for path in plots.plot_evaluation(found, tmp_path, "accuracy (%)")]
    assert len(first) == 6
    assert first == second
    assert all(picture.startswith(b"\x89PNG") for picture in first)
    assert dict(mpl.rcParams) == before


NB201 = Path(__file__).parents[3] / "shared" / "data" / "nb201.npz"


@pytest.mark.skipif(not NB201.exists(), reason="the benchmark's accuracies are not here")
def test_baselines_of_the_real_table_are_those_published() -> None:
    """NASWOT (Mellor et al., ICML 2021), table 2: random 86.61 ± 13.46 (test), of all cells."""
    with np.load(NB201) as file:
        accuracy = file["cifar10_test_200"].astype(np.float64)
        valid = file["cifar10valid_val_200"].astype(np.float64)
    table = score_table(CELLS)
    found = rows(evaluation.evaluate(table, accuracy, resamples=2))
    assert found["random"]["picked_500x10"] == pytest.approx(86.61, abs=1.5)
    assert found["random"]["picked_500x10_std"] == pytest.approx(13.46, abs=1.5)
    assert found["params"]["picked_500x100"] == pytest.approx(93.22, abs=0.15)
    assert found["params"]["picked_500x1000"] == pytest.approx(93.47, abs=0.15)
    connected = score_table(CELLS[CONNECTED])
    found = rows(evaluation.evaluate(connected, valid, resamples=2))
    # As measured for the project's definitions.
    for name, tau in {"tensor_count": 0.57, "num_tensors": 0.56, "params": 0.54}.items():
        assert found[name]["kendall_all"] == pytest.approx(tau, abs=0.005)
