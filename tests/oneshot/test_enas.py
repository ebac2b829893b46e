"""The ENAS controller against enumeration of the cells it can choose."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from jax.flatten_util import ravel_pytree
from scipy.special import expit

from jaxnas import estimators as e
from jaxnas.estimators.score_functions import Average
from jaxnas.oneshot import enas
from jaxnas.search.by_gradient.table_loss import table_loss

KEY = jax.random.key
EDGES, OPS = 3, 3
CELLS = np.array(list(itertools.product(range(OPS), repeat=EDGES)))
LOSSES = np.random.default_rng(1).random(len(CELLS)) ** 2
WEIGHT = 0.2


def small(scale: float = 20) -> tuple[enas.Controller, Any]:
    """A controller far from uniform: colder than the published, its initial weights enlarged."""
    controller = enas.Controller(OPS, hidden=4, temperature=1)
    params = jax.jit(lambda key: enas.initial(controller, key))(KEY(0))
    return controller, jax.tree.map(lambda leaf: scale * leaf, params)


def table() -> e.Loss:
    return table_loss(jnp.asarray(LOSSES.reshape((OPS,) * EDGES), jnp.float32), "ops")


class Policy(NamedTuple):
    """Of the small controller, float64, by enumeration of its N cells; P parameters.

    Attributes:
        controller: itself.
        params: its parameters.
        logs: [N], log-probabilities.
        slopes: [N, P], theirs.
        entropies: [N], of the distributions met on the way.
        entropy_slopes: [N, P], theirs.
        gradient: [P], of E[L] - w H, H the entropy of the distribution over cells.
    """

    controller: enas.Controller
    params: Any
    logs: np.ndarray
    slopes: np.ndarray
    entropies: np.ndarray
    entropy_slopes: np.ndarray
    gradient: np.ndarray


@pytest.fixture(scope="module")
def policy() -> Policy:
    controller, params = small()
    flat, unravel = ravel_pytree(params)

    def one(flat: Any, ops: Any) -> Any:
        decisions = enas.given(controller, unravel(flat), ops)
        return jnp.stack([decisions.log_probability, decisions.entropy])

    def both(flat: Any, ops: Any) -> Any:
        return one(flat, ops), jax.jacrev(one)(flat, ops)

    values, slopes = jax.jit(jax.vmap(both, (None, 0)))(flat, jnp.asarray(CELLS))
    values, slopes = np.asarray(values, np.float64), np.asarray(slopes, np.float64)
    logs = values[:, 0]
    # Of Σ p (L + w log p), p's own slope and that of the logarithm.
    gradient = (np.exp(logs) * (LOSSES + WEIGHT * logs + WEIGHT)) @ slopes[:, 0]
    return Policy(controller, params, logs, slopes[:, 0], values[:, 1], slopes[:, 1], gradient)


# The policy.


def in_numpy(params: Any, cell: np.ndarray, settings: enas.Controller) -> list[np.ndarray]:
    """The chances [K] met on the way to a cell, in float64, from the definition of an LSTM."""
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    states = [(np.zeros(settings.hidden), np.zeros(settings.hidden))] * settings.layers
    before, chances = settings.ops, []
    for op in cell:
        x = p["embed"]["embedding"][before]
        for layer, (cell_state, h) in enumerate(states):
            w = p[f"lstm{layer}"]
            gate = {
                name: x @ w[f"i{name}"]["kernel"]
                + h @ w[f"h{name}"]["kernel"]
                + w[f"h{name}"]["bias"]
                for name in "ifgo"
            }
            c = expit(gate["f"]) * cell_state + expit(gate["i"]) * np.tanh(gate["g"])
            x = expit(gate["o"]) * np.tanh(c)
            states[layer] = (c, x)
        logits = x @ p["logits"]["kernel"] + p["logits"]["bias"]
        weights = np.exp(settings.tanh_constant * np.tanh(logits / settings.temperature))
        chances.append(weights / weights.sum())
        before = op
    return chances


def test_probabilities_by_the_definition() -> None:
    controller, params = small()
    compute = jax.jit(lambda ops: enas.given(controller, params, ops))
    for cell in CELLS[::5]:
        chances = in_numpy(params, cell, controller)
        expected = sum(math.log(row[op]) for row, op in zip(chances, cell, strict=True))
        decisions = compute(jnp.asarray(cell))
        assert float(decisions.log_probability) == pytest.approx(expected, abs=1e-5)
        entropy = sum(scipy.stats.entropy(row) for row in chances)
        assert float(decisions.entropy) == pytest.approx(entropy, abs=1e-5)


def test_probabilities_of_all_cells_sum_to_one() -> None:
    """NAS-Bench-201's 15,625, with the controller as published."""
    controller = enas.Controller(5)
    params = jax.jit(lambda key: enas.initial(controller, key))(KEY(1))
    params = jax.tree.map(lambda leaf: 10 * leaf, params)
    cells = jnp.asarray(list(itertools.product(range(5), repeat=6)))
    one = lambda ops: enas.given(controller, params, ops)  # noqa: E731
    decisions = jax.jit(lambda cells: jax.lax.map(one, cells, batch_size=3125))(cells)
    p = np.exp(np.asarray(decisions.log_probability, np.float64))
    assert p.sum() == pytest.approx(1, abs=1e-5)
    assert p.max() > 2 * p.min()  # not the uniform one, to which all this were trivial
    entropy = -(p * np.log(p)).sum()
    assert p @ np.asarray(decisions.entropy) == pytest.approx(entropy, rel=1e-5)


def test_samples_have_those_probabilities(policy: Policy) -> None:
    controller, params, log = policy.controller, policy.params, policy.logs
    draw = jax.jit(jax.vmap(lambda key: enas.sample(controller, params, key, EDGES)))
    drawn = draw(jax.random.split(KEY(2), 20_000))
    index = np.asarray(drawn.ops) @ [9, 3, 1]
    np.testing.assert_allclose(drawn.log_probability, log[index], atol=1e-5)
    counts, expected = np.bincount(index, minlength=27), len(index) * np.exp(log)
    rare = expected < 20
    counts = np.array([*counts[~rare], counts[rare].sum()])
    expected = np.array([*expected[~rare], expected[rare].sum()]) + 1e-9
    expected *= counts.sum() / expected.sum()
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3
    uniform = np.full(len(counts), counts.sum() / len(counts))
    assert scipy.stats.chisquare(counts, uniform).pvalue < 1e-9


def test_logits_are_bounded() -> None:
    """However large the weights, two ops' chances are at most exp(2c) apart."""
    controller, params = small(scale=1e4)
    compute = jax.jit(lambda ops: enas.given(controller, params, ops).log_probability)
    apart = []
    for cell in CELLS[:3]:
        chances = in_numpy(params, cell, controller)
        expected = sum(math.log(row[op]) for row, op in zip(chances, cell, strict=True))
        assert float(compute(jnp.asarray(cell))) == pytest.approx(expected, rel=1e-4)
        apart += [math.log(row.max() / row.min()) for row in chances]
    assert max(apart) == pytest.approx(2 * 2.5, rel=1e-3)


def test_initial_weights() -> None:
    controller = enas.Controller(5)
    params = jax.jit(lambda key: enas.initial(controller, key))(KEY(0))
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        largest = float(abs(leaf).max())
        assert largest == 0 if "bias" in str(path) else 0.08 < largest <= 0.1
        assert "bias" in str(path) or float(leaf.min()) < -0.08
    # Of each layer eight kernels and four biases; embedding; output.
    size = 2 * (8 * 32 * 32 + 4 * 32) + 6 * 32 + 32 * 5 + 5
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == size


# The estimator.


def draws(estimator: e.Estimator, state: Any, params: Any, number: int) -> np.ndarray:
    """Estimates [N, P]."""
    one = lambda key: e.gradient(estimator, state, key, params, table()).gradient  # noqa: E731
    many = jax.jit(
        lambda keys: jax.lax.map(lambda k: ravel_pytree(one(k))[0], keys, batch_size=500)
    )
    return np.asarray(many(jax.random.split(KEY(0), number)), np.float64)


def chance(samples: np.ndarray, expected: np.ndarray, directions: np.ndarray) -> float:
    """Of a mean as far from the expected one, or farther, by χ², in the directions [P, D]."""
    error = (samples.mean(axis=0) - expected) @ directions
    covariance = np.cov((samples @ directions).T)
    statistic = len(samples) * error @ np.linalg.solve(covariance, error)
    return float(scipy.stats.chi2.sf(statistic, len(error)))


@pytest.fixture(scope="module")
def estimates(policy: Policy) -> tuple[np.ndarray, np.ndarray]:
    """Estimates [N, P] from a state with a baseline, and directions [P, 10] to compare them in."""
    estimator = enas.enas(policy.controller, EDGES, entropy_weight=WEIGHT)
    assert estimator.unbiased
    samples = draws(estimator, Average(jnp.float32(0.2), jnp.float32(0.5)), policy.params, 20_000)
    # Parameters outnumber cells: of the span of the scores the largest directions.
    scores = np.exp(policy.logs / 2)[:, None] * policy.slopes
    return samples, np.linalg.svd(scores)[2][:10].T


def test_unbiased(policy: Policy, estimates: Any) -> None:
    samples, directions = estimates
    assert chance(samples, policy.gradient, directions) > 1e-3


@pytest.mark.parametrize("control", ["no entropy", "constant entropy", "own loss"])
def test_wrong_gradients_are_found_out(policy: Policy, estimates: Any, control: str) -> None:
    """Of E[L] alone; of the authors' reward; and of a baseline with the present loss in it."""
    p = np.exp(policy.logs)
    wrong = {
        "no entropy": (p * LOSSES) @ policy.slopes,
        "constant entropy": (p * (LOSSES - WEIGHT * policy.entropies)) @ policy.slopes,
        "own loss": 0.9 * policy.gradient,
    }[control]
    samples, directions = estimates
    assert chance(samples, wrong, directions) < 1e-9


def test_the_baseline_is_of_past_rewards(policy: Policy) -> None:
    estimator = enas.enas(policy.controller, EDGES, entropy_weight=WEIGHT, baseline_decay=0.8)
    step = jax.jit(lambda state, key: e.gradient(estimator, state, key, policy.params, table()))
    state, past = estimator.init(KEY(0), policy.params), []
    for seed in range(4):
        estimate = step(state, KEY(seed))
        cell = int(np.asarray(estimate.evaluations.ops[0]) @ [9, 3, 1])
        assert float(estimate.value) == float(estimate.evaluations.losses[0])
        assert float(estimate.value) == pytest.approx(LOSSES[cell])
        seen = LOSSES[cell] - WEIGHT * policy.entropies[cell]
        baseline = np.average(past, weights=0.8 ** np.arange(len(past))[::-1]) if past else 0
        expected = (seen - baseline) * policy.slopes[cell] - WEIGHT * policy.entropy_slopes[cell]
        np.testing.assert_allclose(ravel_pytree(estimate.gradient)[0], expected, atol=1e-5)
        past.append(seen)
        state = estimate.state


def test_it_finds_the_best_cell() -> None:
    """Its most probable cell, and most of the probability, where ops that agree are the best."""
    worth = jnp.asarray([0.6, 0.3, 0.9])

    def loss(z: e.Sample) -> Any:
        same = (z.ops[1:] == z.ops[:-1]).mean()
        return worth[z.ops].mean() + 0.5 * (1 - same)

    controller = enas.Controller(OPS, hidden=8)
    estimator = enas.enas(controller, EDGES)
    adam = optax.adam(0.01)

    @jax.jit
    def search(key: Any) -> Any:
        params = enas.initial(controller, key)

        def step(carry: Any, key: Any) -> Any:
            params, moments, state = carry
            estimate = e.gradient(estimator, state, key, params, loss)
            updates, moments = adam.update(estimate.gradient, moments)
            return (optax.apply_updates(params, updates), moments, estimate.state), None

        first = (params, adam.init(params), estimator.init(key, params))
        return jax.lax.scan(step, first, jax.random.split(key, 1000))[0][0]

    params = search(KEY(0))
    best = enas.given(controller, params, jnp.ones(EDGES, jnp.int32))
    assert float(jnp.exp(best.log_probability)) > 0.7


def test_in_float64(x64: None) -> None:
    controller = enas.Controller(OPS, hidden=4, dtype=jnp.float64)
    params, decisions = jax.eval_shape(
        lambda key: (p := enas.initial(controller, key), enas.sample(controller, p, key, EDGES)),
        KEY(0),
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float64")}
    assert decisions.log_probability.dtype == jnp.float64


def test_bad_settings() -> None:
    controller = enas.Controller(OPS)
    with pytest.raises(
        ValueError, match="baseline_decay: expected a finite number from 0 below 1, got 1"
    ):
        enas.enas(controller, EDGES, baseline_decay=1)
    with pytest.raises(ValueError, match="entropy_weight: expected a finite number from 0, got -1"):
        enas.enas(controller, EDGES, entropy_weight=-1)
    for name in ("ops", "hidden", "layers", "temperature", "tanh_constant"):
        with pytest.raises(ValueError, match=f"{name}: expected a .* got 0"):
            enas.Controller(**{"ops": OPS, name: 0})
