"""Evaluations of whole tables: their rows, their intervals, what they stand beside."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pytest
import scipy.stats  # type: ignore[import-untyped]
from score_tables import (
    ACCURACY,
    ARCHS,
    CONNECTED,
    rows,
    score_table,
    with_settings,
)

from jaxnas import evaluation
from jaxnas.evaluation import baselines
from jaxnas.results import ResultsError
from jaxnas.spaces import SPACES, Sizes, nb201


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


# Intervals.


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


# Rows.


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
