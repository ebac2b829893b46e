"""RELAX: a control variate learned for the least variance."""

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped]

from jaxnas.checks import checked, ranges
from jaxnas.estimators.categorical import discrete, score
from jaxnas.estimators.estimator import Estimator, Evaluations, Loss, one, with_gradient
from jaxnas.representation import shown_by_call
from jaxnas.types import Array

Weights: TypeAlias = dict[str, Array]

_FIRST_TEMPERATURE = 0.5


class Control(NamedTuple):
    """What is learned on the way.

    Attributes:
        weights: φ, of the control variate, see `control_variate`.
        optimizer: Adam's moments.
    """

    weights: Weights
    optimizer: Any


@shown_by_call
def relax(hidden: int = 64, learning_rate: float = 1e-3) -> Estimator:
    r"""RELAX estimator: the score function with a control variate that is learned.

    (L(b) - c(z̃)) ∇_α log p_α(b) + ∇_α c(z) - ∇_α c(z̃). Unbiased; one evaluation of L.

    One op an edge is evaluated and L need not be differentiable. z is α with Gumbel noise, b its
    largest entries, z̃ ~ p(z | b) drawn anew. c is a small network of the softmax of its argument,
    `control_variate`; after each estimate g its weights go a step of Adam down the gradient of
    ‖g‖², which in the mean is the gradient of g's variance. It starts as 0: the first estimate is
    the score function's.

    Sources: Grathwohl et al., "Backpropagation through the void", ICLR 2018, algorithm 1 and
    appendix B (categorical); Huang, "Improved gradient-based neural architecture search",
    2019, eq. 11. z̃ is differentiated through θ, as the second term needs.

    Args:
        hidden: units of the network.
        learning_rate: Adam's, of the network; the paper's toy problem: 0.01.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> estimator = estimators.relax(hidden=4)
        >>> found = estimators.gradient(estimator, estimator.init(key, alpha), key, alpha, loss)
        >>> print(f"{found.gradient[0, 1]:.2f}")
        -0.33
    """
    hidden = checked("hidden", hidden, ranges.Units)
    learning_rate = checked("learning_rate", learning_rate, ranges.Positive)
    optimizer = optax.adam(learning_rate)

    def init(key: Array, logits: Array) -> Control:
        weights = initial_weights(key, logits, hidden)
        return Control(weights, optimizer.init(weights))

    def surrogate(
        state: Control, key: Array, logits: Array, loss: Loss
    ) -> tuple[Array, tuple[Control, Evaluations]]:
        here = jax.lax.stop_gradient(logits)
        exponential = jax.random.exponential(key, (2, *logits.shape), logits.dtype)
        b = jnp.argmax(unconditional(exponential[0], here), axis=-1).astype(jnp.int32)
        z = discrete(b, here)
        value = loss(z)
        seen = jax.lax.stop_gradient(value)

        def estimate(weights: Weights) -> Array:
            def difference(logits: Array) -> tuple[Array, Array]:
                given = control_variate(weights, conditional(exponential[1], b, logits))
                free = control_variate(weights, unconditional(exponential[0], logits))
                return free - given, given

            slope, given = jax.grad(difference, has_aux=True)(here)
            return (seen - given) * score(b, here) + slope

        def square(weights: Weights) -> tuple[Array, Array]:
            g = estimate(weights)
            return jnp.sum(g**2), g

        slope, g = jax.grad(square, has_aux=True)(state.weights)
        updates, moments = optimizer.update(slope, state.optimizer)
        weights = optax.apply_updates(state.weights, updates)
        after = Control(weights, moments)  # type: ignore[arg-type]
        return with_gradient(value, logits, g), (after, one(z, value))

    return Estimator(
        init=init,
        surrogate=surrogate,
        evaluations=lambda edges, ops: 1,
        mixing="ops",
        unbiased=True,
    )


def unconditional(exponential: Array, logits: Array) -> Array:
    """z = log θ - log(-log u) [E, K], of the exponential variates -log u."""
    return jax.nn.log_softmax(logits) - jnp.log(exponential)


def conditional(exponential: Array, ops: Array, logits: Array) -> Array:
    """z̃ ~ p(z | argmax z = ops) [E, K].

    Of v's own exponentials e = -log v: -log e_b at the largest, -log(e_k / θ_k + e_b) elsewhere,
    differentiable by the logits. θ is normalised, without which z̃ has another distribution.

    Args:
        exponential: variates [E, K], independent of z's.
        ops: int [E].
        logits: [E, K].
    """
    log_e = jnp.log(exponential)
    top = jnp.take_along_axis(log_e, ops[:, None], axis=1)
    below = -jnp.logaddexp(log_e - jax.nn.log_softmax(logits), top)
    chosen = jnp.arange(logits.shape[1]) == ops[:, None]
    return jnp.where(chosen, -top, below)


def initial_weights(key: Array, logits: Array, hidden: int) -> Weights:
    """φ: a network of one hidden layer, its strength 0, and log λ."""
    size, dtype = logits.size, logits.dtype
    into, out = jax.random.split(key)
    return {
        "into": jax.random.normal(into, (size, hidden), dtype) / size**0.5,
        "bias": jnp.zeros(hidden, dtype),
        "out": jax.random.normal(out, (hidden,), dtype) / hidden**0.5,
        "offset": jnp.ones((), dtype),
        "strength": jnp.zeros((), dtype),
        "log_temperature": jnp.log(jnp.asarray(_FIRST_TEMPERATURE, dtype)),
    }


def control_variate(weights: Weights, z: Array) -> Array:
    """c(z) = η network(softmax(z / λ)), a scalar; the strength η and λ are learned as the rest is.

    Both as in the paper's code, where the temperature starts at 0.5 and the network at 0.
    """
    soft = jax.nn.softmax(z / jnp.exp(weights["log_temperature"]))
    # Twice less one, as published, is for two ops; this has mean 0 for any number of them.
    centred = soft * z.shape[-1] - 1
    layer = jnp.tanh(centred.ravel() @ weights["into"] + weights["bias"])
    return weights["strength"] * (layer @ weights["out"] + weights["offset"])
