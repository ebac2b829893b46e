"""Stochastic gates against quadrature, finite differences and their chances in closed form."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from scipy.special import expit, logit

from jaxnas import estimators as e
from jaxnas.estimators.estimator import Estimator

KEY = jax.random.key
LOWER, UPPER = -0.1, 1.1
LOGITS = np.array([[0.3, -1.0, 2.0], [-0.4, 0.8, -2.5]])
LOSSES = np.random.default_rng(1).random((3, 3)) ** 2


def extension(z: e.Sample) -> Any:
    """Σ_z L(z) Π_e w_e,z_e, of independent gates a loss whose mean is that of the mean gates."""
    return z.weights[0] @ jnp.asarray(LOSSES, z.weights.dtype) @ z.weights[1]


def mean_gate(beta: float, temperature: float) -> float:
    """E[g], the integral over U of the noise logit U."""

    def gate(u: float) -> float:
        stretched = LOWER + (UPPER - LOWER) * expit((beta + logit(u)) / temperature)
        return min(1.0, max(0.0, stretched))

    shift = temperature * math.log(-LOWER / UPPER)
    kinks = sorted(float(expit(sign * shift - beta)) for sign in (1, -1))
    return scipy.integrate.quad(gate, 0, 1, points=kinks, epsabs=1e-11, limit=200)[0]


def mean_gates(logits: np.ndarray, temperature: float) -> np.ndarray:
    return np.array([[mean_gate(beta, temperature) for beta in row] for row in logits])


def slopes(logits: np.ndarray, temperature: float) -> np.ndarray:
    """dE[g] / dβ."""
    step = 1e-4
    above, below = (mean_gates(logits + sign * step, temperature) for sign in (1, -1))
    return (above - below) / (2 * step)


def expected_gradient(logits: np.ndarray, temperature: float) -> np.ndarray:
    """∇_β E[extension(g)]."""
    first, second = mean_gates(logits, temperature)
    return np.stack([LOSSES @ second, first @ LOSSES]) * slopes(logits, temperature)


def draws(estimator: Estimator, logits: np.ndarray, loss: e.Loss, number: int) -> np.ndarray:
    logits32 = jnp.asarray(logits, jnp.float32)
    state = estimator.init(KEY(1), logits32)
    one = lambda key: e.gradient(estimator, state, key, logits32, loss).gradient  # noqa: E731
    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(KEY(0), number)), np.float64)


def weights(estimator: Estimator, logits: np.ndarray, number: int) -> np.ndarray:
    """The weights [N, E, K] that a loss is given."""
    logits32 = jnp.asarray(logits, jnp.float32)
    state = estimator.init(KEY(1), logits32)

    def one(key: Any) -> Any:
        seen = []
        estimator.surrogate(state, key, logits32, lambda z: (seen.append(z), z.weights.sum())[1])
        return seen[0].weights

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(KEY(0), number)))


def chance(samples: np.ndarray, expected: np.ndarray) -> float:
    """Of a mean as far from the expected one, or farther, by χ²."""
    flat = samples.reshape(len(samples), -1)
    error = flat.mean(axis=0) - expected.ravel()
    statistic = len(flat) * error @ np.linalg.solve(np.cov(flat.T), error)
    return float(scipy.stats.chi2.sf(statistic, len(error)))


# The chance of an open gate.


def frequency(noise: str, beta: float, temperature: float, number: int = 100_000) -> float:
    """How often a gate is open, in numpy float64, by one form of the noise or the other."""
    u = np.random.default_rng(0).random(number)
    score = {"logistic": beta + logit(u), "printed": u + math.log(expit(beta))}[noise]
    return float((LOWER + (UPPER - LOWER) * expit(score / temperature) > 0).mean())


@pytest.mark.parametrize(("beta", "temperature"), [(0.0, 1.0), (-2.0, 0.1), (-1.0, 2.0), (-3, 0.5)])
def test_the_activation_probability_is_of_logistic_noise(beta: float, temperature: float) -> None:
    expected = float(e.activation_probability(jnp.asarray(beta), temperature))
    assert expected == pytest.approx(expit(beta - temperature * math.log(0.1 / 1.1)), rel=1e-6)
    error = math.sqrt(expected * (1 - expected) / 100_000)
    assert abs(frequency("logistic", beta, temperature) - expected) < 4.5 * error
    # The slide's formula does not give the slide's probability.
    assert abs(frequency("printed", beta, temperature) - expected) > 20 * error


def test_the_printed_noise_opens_always_or_never() -> None:
    assert frequency("printed", 0, 1) == 1
    assert float(e.activation_probability(jnp.asarray(0.0), 1.0)) == pytest.approx(11 / 12)
    assert frequency("printed", -2, 0.1) == 0
    assert float(e.activation_probability(jnp.asarray(-2.0), 0.1)) == pytest.approx(
        0.1468, abs=1e-4
    )


@pytest.mark.parametrize(("lower", "upper"), [(-0.1, 1.1), (-0.5, 1.2)])
def test_gates_open_with_that_probability(lower: float, upper: float) -> None:
    opened = weights(e.stochastic_gates(0.7, lower, upper), LOGITS, 20_000) > 0
    expected = np.asarray(e.activation_probability(jnp.asarray(LOGITS), 0.7, lower, upper))
    assert chance(opened.astype(float), expected) > 1e-3
    wrong = np.asarray(e.activation_probability(jnp.asarray(LOGITS), 0.6, lower, upper))
    assert chance(opened.astype(float), wrong) < 1e-9


def test_cold_gates_are_bernoulli() -> None:
    gates = weights(e.stochastic_gates(1e-4), LOGITS, 20_000)
    assert ((gates == 0) | (gates == 1)).mean() > 0.998
    assert chance(gates.astype(float), expit(LOGITS)) > 1e-3


def test_gates_are_independent_of_each_other() -> None:
    """Another logit of the edge changes nothing, where a softmax would; draws do not correlate."""
    estimator = e.stochastic_gates(0.7)
    other = LOGITS.copy()
    other[0, 1] += 3
    before, after = (weights(estimator, logits, 5000) for logits in (LOGITS, other))
    rest = np.ones(LOGITS.shape, bool)
    rest[0, 1] = False
    np.testing.assert_array_equal(before[:, rest], after[:, rest])
    correlation = np.corrcoef(before.reshape(5000, -1).T) - np.eye(6)
    assert abs(correlation).max() < 4.5 / math.sqrt(5000)


# Gradients.


def test_the_gradient_is_that_of_the_relaxed_objective() -> None:
    expected = expected_gradient(LOGITS, 0.7)
    samples = draws(e.stochastic_gates(0.7), LOGITS, extension, 100_000)
    assert chance(samples, expected) > 1e-3


def test_a_gradient_through_the_cut_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same test sees gates that are cut in value but differentiated as if they were not."""
    cut = jnp.clip
    straight = lambda x, low, high: x + jax.lax.stop_gradient(cut(x, low, high) - x)  # noqa: E731
    monkeypatch.setattr(jnp, "clip", straight)
    samples = draws(e.stochastic_gates(0.7), LOGITS, extension, 100_000)
    assert chance(samples, expected_gradient(LOGITS, 0.7)) < 1e-9


def test_it_is_no_gradient_of_the_discrete_expectation() -> None:
    """That of one op an edge, to which open gates of the same edge are no alternatives."""
    estimator = e.stochastic_gates(0.7)
    assert not estimator.unbiased
    theta = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    worth = np.stack([LOSSES @ theta[1], theta[0] @ LOSSES])
    discrete = theta * (worth - (theta * worth).sum(axis=1, keepdims=True))
    samples = draws(estimator, LOGITS, extension, 5000)
    assert chance(samples, discrete) < 1e-9
    # Every gate raises this loss, while of one categorical choice a gradient's row sums to 0.
    assert (samples.mean(axis=0) > 0).all()


def test_each_draw_is_differentiated_exactly(x64: None) -> None:
    """Against finite differences with the noise held; 0 where gates are cut."""
    estimator, logits = e.stochastic_gates(0.7), jnp.asarray(LOGITS)
    loss = lambda z: jnp.sin(3 * z.weights).sum() ** 2  # noqa: E731
    value = jax.jit(lambda key, at: estimator.surrogate(jnp.int32(0), key, at, loss)[0])
    cut = 0
    slopes = jax.jit(lambda key: e.gradient(estimator, jnp.int32(0), key, logits, loss).gradient)
    for seed in range(5):
        estimate = slopes(KEY(seed))
        for place in np.ndindex(LOGITS.shape):
            step = np.zeros_like(LOGITS)
            step[place] = 1e-6
            slope = (value(KEY(seed), logits + step) - value(KEY(seed), logits - step)) / 2e-6
            assert float(estimate[place]) == pytest.approx(float(slope), abs=1e-7)
            cut += float(estimate[place]) == 0
    assert 0 < cut < 30


def test_gates_far_open_and_far_closed() -> None:
    logits = np.array([[200.0, -200.0], [1e4, -1e4]])
    assert weights(e.stochastic_gates(0.7), logits, 100).tolist() == [[[1, 0], [1, 0]]] * 100
    loss = lambda z: z.weights.sum()  # noqa: E731
    for make in (e.stochastic_gates, e.straight_through_top_k):
        assert not draws(make(0.7), logits, loss, 100).any()


@pytest.mark.parametrize("make", [e.stochastic_gates, e.straight_through_top_k])
def test_temperature_follows_its_schedule(make: Any) -> None:
    """The n-th estimate has the n-th temperature: those of two constants, in their order."""
    logits = jnp.asarray(LOGITS, jnp.float32)
    estimator = make(lambda n: jnp.where(n == 0, 2.0, 0.3))
    state = estimator.init(KEY(0), logits)
    for constant in (2.0, 0.3):
        estimate = e.gradient(estimator, state, KEY(2), logits, extension)
        alone = e.gradient(make(constant), jnp.int32(0), KEY(2), logits, extension)
        np.testing.assert_array_equal(estimate.gradient, alone.gradient)
        assert float(abs(estimate.gradient).max()) > 0
        state = estimate.state


# As released.


def test_top_k_keeps_k_of_each_edge() -> None:
    for kept in (1, 2, 3):
        hard = weights(e.straight_through_top_k(0.7, kept), LOGITS, 500)
        assert set(np.unique(hard)) <= {0.0, 1.0}
        assert (hard.sum(axis=2) == kept).all()


def test_top_k_without_dropout_keeps_the_largest() -> None:
    """Cold gates with logits far apart: the order is known, but for those closed or open alike."""
    logits = np.array([[0.0, 50.0, -50.0], [-50.0, 0.0, 60.0]])
    hard = weights(e.straight_through_top_k(5.0, 1, dropout=0), logits, 50)
    np.testing.assert_array_equal(hard, np.broadcast_to([[0, 1, 0], [0, 0, 1]], hard.shape))


def test_top_k_drops_and_breaks_ties_at_random() -> None:
    """One open gate of four and three closed. Dropped, the open one is 0, equal to closed ones."""
    dropout, kept = 0.4, 2
    logits = np.array([[100.0, -100.0, -100.0, -100.0]])
    hard = weights(e.straight_through_top_k(1.0, kept, dropout), logits, 20_000)[:, 0]
    left = scipy.stats.binom.pmf(np.arange(4), 3, 1 - dropout)
    expected = 1 - dropout + dropout * left @ np.minimum(1, kept / (np.arange(4) + 1))
    shares = np.array([expected, *[(kept - expected) / 3] * 3])
    error = np.sqrt(shares * (1 - shares) / len(hard))
    assert (abs(hard.mean(axis=0) - shares) < 4.5 * error).all()
    never = weights(e.straight_through_top_k(1.0, kept, 0), logits, 500)[:, 0]
    assert never[:, 0].all()
    assert (never[:, 1:].mean(axis=0) > 0.2).all()


def test_top_k_of_all_has_the_gates_gradient() -> None:
    """Kept, an op has its gate's derivative, so of a linear loss the mean is known."""
    worth = np.array([[1.0, -2.0, 0.5], [3.0, 1.5, -1.0]])
    linear = lambda z: jnp.vdot(jnp.asarray(worth, jnp.float32), z.weights)  # noqa: E731
    estimator = e.straight_through_top_k(0.7, kept=3, dropout=0)
    assert chance(draws(estimator, LOGITS, linear, 50_000), worth * slopes(LOGITS, 0.7)) > 1e-3


def test_top_k_leaves_others_without_gradient() -> None:
    """Where an op is not kept; the same key gives the same choice to both."""
    estimator = e.straight_through_top_k(0.7)
    slopes = draws(estimator, LOGITS, lambda z: z.weights.sum(), 200)
    hard = weights(estimator, LOGITS, 200)
    assert not slopes[hard == 0].any()
    assert (slopes[hard == 1] > 0).mean() > 0.2


def test_bad_settings() -> None:
    for make in (e.stochastic_gates, e.straight_through_top_k):
        with pytest.raises(ValueError, match="lower: expected a finite number below 0, got 0"):
            make(1.0, lower=0.0)
        with pytest.raises(ValueError, match="upper: expected a finite number above 1, got nan"):
            make(1.0, upper=math.nan)
        with pytest.raises(
            ValueError, match="temperature: expected a finite number from 1e-06 .* got 0"
        ):
            make(0.0)
    with pytest.raises(ValueError, match="kept: expected a whole number from 1 .* got 0"):
        e.straight_through_top_k(1.0, 0)
    with pytest.raises(ValueError, match="dropout: expected a finite number from 0 below 1, got 1"):
        e.straight_through_top_k(1.0, dropout=1.0)
    with pytest.raises(ValueError, match="kept: expected 1 to 3, the ops of an edge, got 4"):
        draws(e.straight_through_top_k(1.0, 4), LOGITS, extension, 1)
