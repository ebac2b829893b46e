"""The one step of every search on a supernet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped]

from jaxnas.estimators import Mixing, Sample
from jaxnas.networks.supernet import Supernet
from jaxnas.oneshot.method import Alpha, Method
from jaxnas.oneshot.optimisers import Optimisers
from jaxnas.oneshot.unrolled import unrolled_loss
from jaxnas.types import Array, Params


class Batch(NamedTuple):
    """Images [B, H, W, 3], normalised, and their labels int [B]."""

    x: Array
    y: Array


class State(NamedTuple):
    """All that a step changes.

    Attributes:
        params: weights of the supernet.
        weights_optimiser: state of their optimiser.
        alpha: of the distribution over architectures.
        alpha_optimiser: state of its optimiser.
        estimator: the estimator's state.
        step: int32, steps made.
        key: data of the key that all chance comes from, uint32 [2]; it stays.
    """

    params: Params
    weights_optimiser: Any
    alpha: Alpha
    alpha_optimiser: Any
    estimator: Any
    step: Array
    key: Array


class Result(NamedTuple):
    """What a step tells: the loss that the weights learned from, and whether all is finite."""

    loss: Array
    finite: Array


Step: TypeAlias = Callable[[State, Array, Batch, Batch], tuple[State, Result]]
"""(state, key, training batch, validation batch) → state, result. A pure function."""


def initial_state(
    supernet: Supernet, method: Method, optimisers: Optimisers, seed: int, image_size: int
) -> State:
    """The state before the first step."""
    root = jax.random.key(seed)
    weights_key, alpha_key, estimator_key, key = jax.random.split(root, 4)
    params = supernet.init(weights_key, image_size)

    def rest(params: Params) -> State:
        alpha = method.distribution.init(alpha_key)
        estimator = method.estimator.init(estimator_key, alpha) if method.estimator else ()
        return State(
            params,
            optimisers.weights.init(params),
            alpha,
            optimisers.alpha.init(alpha) if method.estimator else (),
            estimator,
            jnp.int32(0),
            jax.random.key_data(key),
        )

    # Compiled as one: eagerly, every shape would be a program of its own.
    state: State = jax.jit(rest)(params)
    return state


def search_step(supernet: Supernet, method: Method, optimisers: Optimisers) -> Step:
    """The step of a method, to be compiled once.

    Args:
        supernet: what learns.
        method: by which.
        optimisers: of weights and α.
    """
    estimator = method.estimator
    mixing: Mixing = estimator.mixing if estimator else "ops"

    def network_loss(params: Params, z: Sample, batch: Batch) -> Array:
        logits = supernet.logits(params, batch.x, z.weights, None if mixing == "weights" else z.ops)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y)
        return jnp.mean(losses)

    def drawn_loss(params: Params, alpha: Alpha, state: State, key: Array, batch: Batch) -> Array:
        """The loss of one architecture, or of what else the estimator mixes."""
        if estimator is None or mixing == "ops":
            ops = method.distribution.sample(key, alpha)
            weights = jax.nn.one_hot(ops, supernet.ops, dtype=batch.x.dtype)
            return network_loss(params, Sample(ops, weights), batch)
        return estimator.surrogate(
            state.estimator, key, alpha, lambda z: network_loss(params, z, batch)
        )[0]

    def weights_step(state: State, key: Array, train: Batch) -> tuple[State, Array]:
        loss, slope = jax.value_and_grad(drawn_loss)(state.params, state.alpha, state, key, train)
        return _move_weights(state, slope), loss

    def alpha_step(state: State, key: Array, train: Batch, valid: Batch) -> State:
        if estimator is None:
            return state
        loss = lambda z: network_loss(state.params, z, valid)  # noqa: E731
        if method.second_order:
            loss = unrolled_loss(
                lambda params, z: network_loss(params, z, train),
                lambda params, z: network_loss(params, z, valid),
                lambda params, slope: _unrolled(state, params, slope),
                state.params,
            )

        def surrogate(alpha: Alpha) -> tuple[Array, Any]:
            value, (after, _) = estimator.surrogate(state.estimator, key, alpha, loss)
            return value, after

        slope, after = jax.grad(surrogate, has_aux=True)(state.alpha)
        return _move_alpha(state, slope)._replace(estimator=after)

    def both_steps(state: State, key: Array, train: Batch) -> tuple[State, Array]:
        assert estimator is not None

        def surrogate(params: Params, alpha: Alpha) -> tuple[Array, Any]:
            value, (after, _) = estimator.surrogate(
                state.estimator, key, alpha, lambda z: network_loss(params, z, train)
            )
            return value, after

        by_both = jax.value_and_grad(surrogate, (0, 1), has_aux=True)
        (loss, after), slopes = by_both(state.params, state.alpha)
        state = _move_alpha(_move_weights(state, slopes[0]), slopes[1])
        return state._replace(estimator=after), loss

    def _move_weights(state: State, slope: Params) -> State:
        update, rest = optimisers.weights.update(slope, state.weights_optimiser, state.params)
        params = optax.apply_updates(state.params, update)
        return state._replace(params=params, weights_optimiser=rest)

    def _unrolled(state: State, params: Params, slope: Params) -> Params:
        update, _ = optimisers.unrolled.update(slope, state.weights_optimiser, params)
        return optax.apply_updates(params, update)

    def _move_alpha(state: State, slope: Alpha) -> State:
        update, rest = optimisers.alpha.update(slope, state.alpha_optimiser, state.alpha)
        alpha = optax.apply_updates(state.alpha, update)
        return state._replace(alpha=alpha, alpha_optimiser=rest)

    def step(state: State, key: Array, train: Batch, valid: Batch) -> tuple[State, Result]:
        for_weights, for_alpha = jax.random.split(key)
        if estimator is not None and method.alternation == "together":
            state, loss = both_steps(state, for_alpha, train)
        elif method.alternation == "alpha-first":
            state = alpha_step(state, for_alpha, train, valid)
            state, loss = weights_step(state, for_weights, train)
        else:
            state, loss = weights_step(state, for_weights, train)
            state = alpha_step(state, for_alpha, train, valid)
        sound = jax.tree.map(lambda a: jnp.isfinite(a).all(), (loss, state.params, state.alpha))
        finite = jax.tree.reduce(jnp.logical_and, sound)
        return state._replace(step=state.step + 1), Result(loss, finite)

    return step
