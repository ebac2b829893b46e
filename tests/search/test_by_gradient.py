"""Searches by gradient on a table, against enumeration and random search by formula."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnas import estimators as e
from jaxnas import oracle, search
from jaxnas.search.by_gradient.curves import curve_rows
from jaxnas.search.by_gradient.searching import (
    Curves,
    concatenate,
    search_by_gradient,
    steps_of,
)
from jaxnas.search.by_gradient.table_loss import at, by_ops, table_loss
from jaxnas.search.chance import best_of_random
from jaxnas.search.methods import Descent
from jaxnas.spaces import SPACES, nb201

NB201 = Path(__file__).parents[3] / "shared" / "data" / "nb201.npz"
OPS = nb201.cell_ops()


def rewards(seed: int = 0) -> np.ndarray:
    """Percent [15625], a sum over edges, with one best cell."""
    worth = np.random.default_rng(seed).random((6, 5))
    return 100 * np.take_along_axis(worth.T, OPS.astype(int), axis=0).mean(axis=1)


def searched(
    estimator: e.Estimator, queries: int, runs: int, seed: int = 0, **settings: Any
) -> Curves:
    seconds = np.arange(nb201.NUM_CELLS) % 7.0
    asked = Descent(queries, **settings)
    return concatenate(
        list(search_by_gradient(estimator, rewards(), seconds, asked, range(runs), seed, 4))
    )


# The table as a loss.


def test_cells_by_their_ops() -> None:
    cells = by_ops(np.arange(nb201.NUM_CELLS))
    np.testing.assert_array_equal(at(cells, jnp.asarray(OPS, jnp.int32)), np.arange(len(OPS)))
    assert cells[3, 1, 2, 4, 0, 2] == nb201.ops_to_index((3, 1, 2, 4, 0, 2))


def test_the_extension_is_the_expectation_and_all_agree_on_cells(x64: None) -> None:
    values = rewards()
    dense = by_ops(values)
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=6)
    chances = np.prod(np.take_along_axis(weights.T, OPS.astype(int), axis=0), axis=1)
    soft = table_loss(dense, "weights")(e.Sample(jnp.zeros(6, int), jnp.asarray(weights)))
    assert float(soft) == pytest.approx(chances @ values, rel=1e-12)
    for cell in (0, 77, 15624):
        z = e.discrete(jnp.asarray(OPS[cell], jnp.int32), jnp.zeros((6, 5)))
        for mixing in ("ops", "weights", "selected"):
            assert float(table_loss(dense, mixing)(z)) == pytest.approx(values[cell], rel=1e-12)


# Searches.


@pytest.mark.parametrize(
    ("estimator", "learning_rate"),
    [
        (e.score_function(), 0.1),
        (e.relax(), 0.1),
        (e.ram(2, batch_size=8), 0.1),
        (e.straight_through(1.0), 0.1),
    ],
    ids=["sf", "relax", "ram-2", "st"],
)
def test_searches_find_the_best_cell(estimator: e.Estimator, learning_rate: float) -> None:
    """Of a reward that adds up over edges; a random cell is never that one."""
    curves = searched(estimator, 3000, 4, learning_rate=learning_rate)
    values = rewards()
    found = values[curves.mode[:, -1]]
    assert (values > found.min()).sum() < 20
    assert curves.queries[-1] == 3000 // estimator.evaluations(6, 5) * estimator.evaluations(6, 5)
    assert (np.diff(curves.queries) > 0).all()
    assert (curves.entropy[:, -1] < 0.5 * curves.entropy[:, 0]).all()
    if estimator.mixing == "weights":
        assert (curves.best == -1).all()
        assert np.isnan(curves.seconds).all()
    else:
        best = values[curves.best]
        assert (np.diff(best, axis=1) >= 0).all()
        assert (np.diff(curves.seconds, axis=1) >= 0).all()


@pytest.mark.parametrize("estimator", [e.score_function(), e.ram(1, batch_size=4)])
def test_what_is_accounted_for(estimator: e.Estimator) -> None:
    """The first steps again by hand: cells trained, their time, the best of them."""
    each = estimator.evaluations(6, 5)
    asked: list[np.ndarray] = []

    def watched(state: Any, key: Any, logits: Any, loss: e.Loss) -> Any:
        value, (state, evaluations) = estimator.surrogate(state, key, logits, loss)
        jax.debug.callback(lambda ops: asked.append(np.asarray(ops)), evaluations.ops)
        return value, (state, evaluations)

    curves = searched(estimator._replace(surrogate=watched), 3 * each, 1)
    jax.effects_barrier()
    # Each step is followed by 8 draws for the variance.
    steps = [[nb201.ops_to_index(ops) for ops in asked[i]] for i in range(0, len(asked), 9)]
    assert len(asked) == 27
    trained = list(itertools.chain(*steps))
    assert curves.queries.tolist() == [each, 2 * each, 3 * each]
    assert curves.seconds[0, -1] == pytest.approx(sum(cell % 7 for cell in trained))
    assert curves.best[0, -1] == max(trained, key=lambda cell: rewards()[cell])
    assert curves.best[0, 0] == max(steps[0], key=lambda cell: rewards()[cell])


def test_a_run_depends_on_its_number_alone() -> None:
    estimator = e.score_function()
    settings = Descent(40)
    seconds = np.ones(nb201.NUM_CELLS)

    def modes(numbers: list[int], at_once: int, seed: int = 0) -> np.ndarray:
        groups = search_by_gradient(estimator, rewards(), seconds, settings, numbers, seed, at_once)
        return concatenate(list(groups)).best

    together = modes([0, 1, 2, 3, 4], 5)
    np.testing.assert_array_equal(together, modes([0, 1, 2, 3, 4], 2))
    np.testing.assert_array_equal(together[[3]], modes([3, 0], 2)[:1])
    assert (together[0] != together[1]).any()
    assert (together != modes([0, 1, 2, 3, 4], 2, seed=1)).any()


def test_variance_of_the_estimate_at_the_start() -> None:
    """Against the score function's by enumeration, at α = 0 and the first step's baseline, none."""
    loss = 1 - rewards() / 100
    estimator = e.score_function(None)
    curves = searched(estimator, 1, 2000, learning_rate=1e-9)
    exact = 4.8 * (loss**2).mean() - sum(
        ((loss[OPS[:, edge] == op].mean() - loss.mean()) / 5) ** 2
        for edge in range(6)
        for op in range(5)
    )
    assert curves.variance.mean() == pytest.approx(exact, rel=0.02)
    darts = searched(e.softmax_mixture(), 1, 2)
    assert darts.variance.max() < 1e-14 * curves.variance.min()
    np.testing.assert_allclose(curves.entropy[:, 0], 6 * np.log(5), rtol=1e-4)


def test_settings() -> None:
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="learning_rate: expected a finite number above 0"):
            Descent(10, wrong)
    with pytest.raises(
        ValueError, match="queries: expected a whole number from 1 to 100000000, got 0"
    ):
        Descent(0)
    with pytest.raises(ValueError, match="24 queries are too few: one estimate takes 25"):
        steps_of(Descent(24), e.ram())


@pytest.mark.skipif(not NB201.exists(), reason="no nb201.npz")
def test_the_score_function_on_the_benchmark() -> None:
    """2,000 queries of the 200-epoch test accuracy itself end at 94.3 of 94.37 %."""
    accuracy = oracle.read(NB201).accuracy("cifar10", "test", 200)
    groups = search_by_gradient(
        e.score_function(), accuracy, np.ones(len(accuracy)), Descent(2000), range(20)
    )
    curves = concatenate(list(groups))
    assert accuracy[curves.mode[:, -1]].mean() > 94.2
    assert accuracy[curves.best[:, -1]].mean() > 94.3


def test_spaces_that_no_table_can_hold() -> None:
    with pytest.raises(ValueError, match="space darts: expected one .*has none; search it on"):
        steps_of(Descent(30), e.ram(), SPACES["darts"])


# Random search by formula, and curves.


def test_random_search_by_formula() -> None:
    random = np.random.default_rng(0)
    scores, values = np.array([3.0, 1.0, 3.0, 2.0, 0.0]), random.random(5)
    for count in (1, 2, 3, 4):
        best = [
            values[min(cells, key=lambda cell: (-scores[cell], cell))]
            for cells in itertools.product(range(5), repeat=count)
        ]
        mean, deviation = best_of_random(scores, values, count)
        assert float(mean) == pytest.approx(np.mean(best), rel=1e-12)
        assert float(deviation) == pytest.approx(np.std(best), rel=1e-9)
    mean, deviation = best_of_random(scores, values, [1, 10**9])
    assert mean[1] == pytest.approx(values[0])
    assert deviation.tolist()[1] == pytest.approx(0, abs=1e-7)


def test_random_search_by_formula_is_the_strategys() -> None:
    scores, values = rewards(), rewards(1)
    query = search.tabular(scores, np.ones(len(scores)))
    one = search.searching(search.random_search, query, 30)
    found = [values[nb201.arch_to_index(run.arch)] for run in search.repeat(one, 1000, 0)]
    mean, deviation = best_of_random(scores, values, 30)
    assert np.mean(found) == pytest.approx(float(mean), abs=4 * float(deviation) / 1000**0.5)


def test_curves_are_means_over_runs() -> None:
    curves = searched(e.score_function(), 30, 3)
    valid, test = rewards(1), rewards(2)
    rows = curve_rows(curves, rewards(), valid, test)
    assert {len(column) for column in rows.values()} == {len(curves.queries)}
    at_20 = np.flatnonzero(curves.queries == 20)[0]
    assert rows["mode_test"][at_20] == pytest.approx(test[curves.mode[:, at_20]].mean())
    assert rows["best_valid"][at_20] == pytest.approx(valid[curves.best[:, at_20]].mean())
    assert rows["best_valid_std"][at_20] == pytest.approx(valid[curves.best[:, at_20]].std())
    assert rows["random_test"][at_20] == pytest.approx(
        float(best_of_random(rewards(), test, 20)[0])
    )
    soft = curve_rows(searched(e.softmax_mixture(), 10, 2), rewards(), valid, test)
    assert np.isnan(soft["best_test"]).all()
