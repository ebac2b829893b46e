"""REINFORCE, against enumeration, automatic differentiation and optax."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.special
import scipy.stats
from search_cells import (
    OPS,
    asks,
    rng,
)

from jaxnas import search as s
from jaxnas.search.policy_gradient import Adam, score_function, softmax
from jaxnas.spaces import nb201


def log_probability(logits: np.ndarray, ops: Iterable[int]) -> float:
    return float(sum(row[op] - scipy.special.logsumexp(row) for row, op in zip(logits, ops)))  # noqa: B905


def finite_differences(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    gradient = np.empty_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = 1e-5
        gradient[place] = (function(at + step) - function(at - step)) / 2e-5
    return gradient


def test_score_function_is_the_gradient_of_the_log_probability() -> None:
    logits = rng(0).normal(size=(6, 5)) * 3
    for ops in OPS[:20].astype(int):
        by_differences = finite_differences(lambda at, ops=ops: log_probability(at, ops), logits)
        np.testing.assert_allclose(score_function(softmax(logits), ops), by_differences, atol=1e-9)


def test_policy_gradient_is_unbiased_by_enumeration() -> None:
    """E[(R - b) ∇ log π] over all 27 outcomes of three edges is ∇ E[R], whatever the baseline."""
    logits = rng(1).normal(size=(3, 3))
    outcomes = list(itertools.product(range(3), repeat=3))
    rewards = rng(2).uniform(10, 90, len(outcomes))

    def expected_reward(at: np.ndarray) -> float:
        return sum(
            math.exp(log_probability(at, ops)) * reward
            for ops, reward in zip(outcomes, rewards, strict=True)
        )

    for baseline in (0.0, 55.5):
        estimate = sum(
            math.exp(log_probability(logits, ops))
            * (reward - baseline)
            * score_function(softmax(logits), np.array(ops))
            for ops, reward in zip(outcomes, rewards, strict=True)
        )
        np.testing.assert_allclose(estimate, finite_differences(expected_reward, logits), atol=1e-7)


def test_softmax_of_large_logits() -> None:
    logits = np.array([[1000.0, 999.0, -1000.0]])
    np.testing.assert_allclose(softmax(logits), scipy.special.softmax(logits, axis=1), rtol=1e-12)


def test_adam_is_optax_adam(x64: None) -> None:
    optimiser = optax.adam(0.03)
    ours, theirs = np.zeros((6, 5)), jnp.zeros((6, 5))
    adam, state = Adam((6, 5), 0.03), optimiser.init(theirs)
    for step in range(30):
        gradient = rng(step).normal(size=(6, 5)) * 10 ** rng(step, 1).uniform(-6, 2)
        ours = ours + adam.step(gradient)
        updates, state = optimiser.update(-jnp.asarray(gradient), state)
        theirs = optax.apply_updates(theirs, updates)
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_reinforce_step_by_step(x64: None) -> None:
    """The same cells as automatic differentiation, optax and a baseline of past rewards give."""
    rewards = rng(5).uniform(10, 90, nb201.NUM_CELLS)
    asked = asks(s.reinforce(rng(9), learning_rate=0.3), rewards.__getitem__, 60)

    random = rng(9)
    logits = jnp.asarray(1e-3 * random.standard_normal((6, 5)))
    optimiser = optax.adam(0.3)
    state = optimiser.init(logits)
    past: list[float] = []
    for cell in asked:
        cumulative = np.cumsum(jax.nn.softmax(logits, axis=1), axis=1)
        draw = random.random((6, 1))
        ops = [int(np.searchsorted(row[:-1], u)) for row, u in zip(cumulative, draw[:, 0])]  # noqa: B905
        assert cell == nb201.ops_to_index(ops)
        reward, t = rewards[cell], len(past) + 1
        weights = 0.9 ** np.arange(len(past))[::-1]
        advantage = reward - np.average(past, weights=weights) if past else 0.0
        scale = 0.9 * (1 - 0.9 ** (t - 1)) / (1 - 0.9**t)  # as the docstring says

        def loss(at: jax.Array, ops: list[int] = ops, weight: float = scale * advantage) -> Any:
            return -weight * jax.nn.log_softmax(at)[jnp.arange(6), jnp.array(ops)].sum()

        updates, state = optimiser.update(jax.grad(loss)(logits), state)
        logits = optax.apply_updates(logits, updates)
        past.append(reward)
    assert len(set(asked)) > 20
