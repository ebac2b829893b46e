"""The step of a search: its gradients against plain ones, enumeration and differences."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_search import (
    assert_close,
    batch,
    cross_entropy,
    method_of,
    minus,
    one_cell_supernet,
    one_step,
    plain_steps,
    tiny_supernet,
)

from jaxnas import estimators
from jaxnas.estimators import Sample, add_bare
from jaxnas.networks.supernet import Supernet
from jaxnas.oneshot import recipes
from jaxnas.oneshot.method import Method, uniform
from jaxnas.oneshot.optimisers import optimisers, weight_rate
from jaxnas.oneshot.recipe import Recipe
from jaxnas.oneshot.step import Batch, initial_state, search_step
from jaxnas.spaces import nb201
from jaxnas.spaces.nb201 import EDGES, Op

# Gradients of the step.


def enumerated(space: Supernet, params: Any, alpha: Any, data: Batch) -> jax.Array:
    """E[L(Z)] of the tiny space, written out."""
    total = jnp.zeros(())
    for a in range(3):
        for b in range(3):
            weights = jax.nn.one_hot(jnp.array([a, b]), 3, dtype=alpha.dtype)
            logits = space.logits(params, data.x, weights)
            probability = jax.nn.softmax(alpha[0])[a] * jax.nn.softmax(alpha[1])[b]
            total += probability * cross_entropy(logits, data.y)
    return total


@pytest.mark.usefixtures("x64")
def test_gradients_of_a_single_level_step_are_those_of_the_enumerated_expectation() -> None:
    space = tiny_supernet(10, jnp.float64)
    method = method_of(space, estimators.exact(), alternation="together")
    before, after, _, loss = one_step(space, method)
    value, wanted = jax.value_and_grad(
        lambda params, alpha: enumerated(space, params, alpha, batch(0)), (0, 1)
    )(before.params, before.alpha)
    assert_close(minus(before.params, after.params), wanted[0])
    assert_close(minus(before.alpha, after.alpha), wanted[1])
    assert loss == pytest.approx(float(value))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("alternation", ["alpha-first", "weights-first"])
def test_a_bilevel_step_takes_alpha_by_validation_and_weights_by_training(
    alternation: str,
) -> None:
    space = tiny_supernet(10, jnp.float64)
    method = method_of(space, estimators.exact(), alternation=alternation)
    before, after, (for_weights, _), loss = one_step(space, method)
    alpha_first = alternation == "alpha-first"

    drawn_from = after.alpha if alpha_first else before.alpha
    ops = method.distribution.sample(for_weights, drawn_from)
    weights = jax.nn.one_hot(ops, 3, dtype=jnp.float64)
    value, slope = jax.value_and_grad(
        lambda params: cross_entropy(space.logits(params, batch(0).x, weights), batch(0).y)
    )(before.params)
    assert_close(minus(before.params, after.params), slope)
    assert loss == pytest.approx(float(value))

    params = before.params if alpha_first else after.params
    wanted = jax.grad(lambda alpha: enumerated(space, params, alpha, batch(1)))(before.alpha)
    assert_close(minus(before.alpha, after.alpha), wanted)
    assert int(after.step) == 1


@pytest.mark.usefixtures("x64")
def test_mixtures_teach_both() -> None:
    space = tiny_supernet(10, jnp.float64)
    method = method_of(space, estimators.softmax_mixture())
    rules = plain_steps()
    state = initial_state(space, method, rules, seed=3, image_size=8)
    step = jax.jit(search_step(space, method, rules))
    after, _ = step(state, jax.random.key(7), batch(0), batch(1))

    def loss(params: Any, alpha: Any, data: Batch) -> jax.Array:
        return cross_entropy(space.logits(params, data.x, jax.nn.softmax(alpha)), data.y)

    by_alpha = jax.grad(loss, 1)(state.params, state.alpha, batch(1))
    assert_close(minus(state.alpha, after.alpha), by_alpha)
    by_params = jax.grad(loss)(state.params, after.alpha, batch(0))
    assert_close(minus(state.params, after.params), by_params)


@pytest.mark.usefixtures("x64")
def test_without_an_estimator_alpha_stays_and_architectures_are_the_spaces_own() -> None:
    space = tiny_supernet(10, jnp.float64)
    before, after, (for_weights, _), _ = one_step(space, Method(uniform(space), None))
    assert after.alpha == before.alpha == ()
    weights = jax.nn.one_hot(space.draw(for_weights), 3, dtype=jnp.float64)
    slope = jax.grad(
        lambda params: cross_entropy(space.logits(params, batch(0).x, weights), batch(0).y)
    )(before.params)
    assert_close(minus(before.params, after.params), slope)


# The layers of NAS-Bench-201 below it.


def written_out(params: Any, x: jax.Array, weights: jax.Array, ops: list[int]) -> jax.Array:
    """Logits of `OneCell` with one op an edge, by XLA's own layers and GDAS's rule."""

    def convolved(x: jax.Array, kernel: jax.Array) -> jax.Array:
        y = jax.lax.conv_general_dilated(
            jax.nn.relu(x), kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        mean, variance = y.mean((0, 1, 2)), y.var((0, 1, 2))
        return (y - mean) / jnp.sqrt(variance + 1e-5)

    nodes = [x @ params["stem"][0, 0]] + [jnp.zeros((*x.shape[:3], 2))] * 3
    for e, ((source, target), op) in enumerate(zip(EDGES, ops, strict=True)):
        x = nodes[source]
        match Op(op):
            case Op.NONE:
                y = jnp.zeros_like(x)
            case Op.SKIP:
                y = x
            case Op.POOL:
                y = nn.avg_pool(x, (3, 3), padding=((1, 1), (1, 1)), count_include_pad=False)
            case _:
                y = convolved(x, params["cell"][f"edge{e}_{nb201.OPS[op]}"])
        nodes[target] = nodes[target] + add_bare(weights[e], jnp.int32(op), y)
    features = jnp.tanh(nodes[3]).mean((1, 2))
    return features @ params["classifier"]["kernel"] + params["classifier"]["bias"]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("estimator", ["sf", "gdas"])
def test_sampled_steps_of_a_cell_are_plain_autodiff_of_the_one_drawn(estimator: str) -> None:
    """GDAS differentiates by the weights of all ops, the score function's needs no derivative."""
    space = one_cell_supernet()
    made = {"sf": estimators.score_function(None), "gdas": estimators.gdas(2.0)}[estimator]
    method = method_of(space, made, alternation="together")
    before, after, (_, key), loss = one_step(space, method)
    found: list[Sample] = []

    def keep(z: Sample) -> jax.Array:
        found.append(z)
        return jnp.zeros(())

    made.surrogate(before.estimator, key, before.alpha, keep)
    ops = found[0].ops.tolist()
    assert len(set(ops)) > 2

    def plain(params: Any, alpha: Any) -> jax.Array:
        seen: list[Sample] = []
        made.surrogate(before.estimator, key, alpha, lambda z: seen.append(z) or jnp.zeros(()))
        return cross_entropy(written_out(params, batch(0).x, seen[0].weights, ops), batch(0).y)

    value, (by_params, by_alpha) = jax.jit(jax.value_and_grad(plain, (0, 1)))(
        before.params, before.alpha
    )
    if estimator == "sf":
        by_alpha = value * (found[0].weights - jax.nn.softmax(before.alpha))
    assert loss == pytest.approx(float(value), rel=1e-10)
    assert_close(minus(before.params, after.params), by_params, atol=1e-10)
    assert_close(minus(before.alpha, after.alpha), by_alpha, atol=1e-10)
    assert np.abs(by_alpha).max() > 1e-3


# The second order.


def after_sgd(params: Any, momentum: Any, slope: Any, recipe: Recipe, rate: float) -> Any:
    """A step of DARTS' code: w - rate (m buffer + gradient + decay w)."""
    return jax.tree.map(
        lambda w, m, g: w - rate * (recipe.momentum * m + g + recipe.weight_decay * w),
        params,
        momentum,
        slope,
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["tiny", pytest.param("cell", marks=pytest.mark.slow)])
def test_second_order_against_finite_differences(kind: str) -> None:
    """Of the validation loss after a step with momentum and decay, in float64."""
    space = tiny_supernet(10, jnp.float64) if kind == "tiny" else one_cell_supernet()
    recipe = recipes.Darts(weight_decay=0.1, weight_rate=0.2, weight_clip=1e-6, epochs=4)
    method = method_of(space, estimators.softmax_mixture(), second_order=True)
    rules = optimisers(recipe, steps_per_epoch=1)._replace(alpha=optax.sgd(1.0))
    state = initial_state(space, method, rules, seed=3, image_size=8)
    # With a momentum, and in the second epoch, where the rate is another.
    random = np.random.default_rng(0)
    momentum = jax.tree.map(lambda w: jnp.asarray(random.standard_normal(w.shape)), state.params)
    moved = jax.tree.map(lambda leaf: leaf, state.weights_optimiser)
    trace, schedule = moved[2]
    moved = (*moved[:2], (trace._replace(trace=momentum), schedule._replace(count=jnp.int32(1))))
    state = state._replace(weights_optimiser=moved)
    step = jax.jit(search_step(space, method, rules))
    after, _ = step(state, jax.random.key(7), batch(0), batch(1))
    got = minus(state.alpha, after.alpha)

    rate = float(weight_rate(recipe, 1))
    assert rate < 0.2

    def loss(params: Any, alpha: Any, data: Batch) -> jax.Array:
        return cross_entropy(space.logits(params, data.x, jax.nn.softmax(alpha)), data.y)

    @jax.jit
    def ahead(alpha: Any) -> jax.Array:
        slope = jax.grad(loss)(state.params, alpha, batch(0))
        return loss(after_sgd(state.params, momentum, slope, recipe, rate), alpha, batch(1))

    first_order = jax.grad(loss, 1)(state.params, state.alpha, batch(1))
    for seed in range(3):
        direction = np.random.default_rng(seed).standard_normal(state.alpha.shape)
        # Short: the gradient of a network with ReLU jumps.
        h = 1e-5 if kind == "tiny" else 1e-8
        ends = [float(ahead(state.alpha + sign * h * direction)) for sign in (1, -1)]
        wanted = (ends[0] - ends[1]) / (2 * h)
        assert float(np.vdot(got, direction)) == pytest.approx(wanted, rel=1e-5, abs=1e-7)
        assert abs(float(np.vdot(first_order, direction)) - wanted) > 1e-3 * abs(wanted)
