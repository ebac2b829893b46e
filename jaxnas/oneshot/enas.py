"""The ENAS controller: a recurrent policy that chooses the ops of a cell one after the other.

Source: Pham et al., "Efficient neural architecture search via parameter sharing" (ENAS), ICML 2018,
with the constants of NAS-Bench-201's search code (Dong & Yang, ICLR 2020), whose cells have fixed
edges: only ops are chosen.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxnas.checks import checked, ranges
from jaxnas.estimators import Estimator, Evaluations, Loss, Sample, estimator
from jaxnas.estimators.score_functions import Average, check_decay
from jaxnas.oneshot.recipes import BASELINE_DECAY, ENTROPY_WEIGHT
from jaxnas.types import Array, Params

_INITIAL_BOUND = 0.1

Memory: TypeAlias = tuple[tuple[Array, Array], ...]
"""The cell and hidden state [hidden] of each layer."""


class Decisions(NamedTuple):
    """The ops of a cell, and how they came about.

    Attributes:
        ops: int32 [E].
        log_probability: scalar, of all of them, in nats.
        entropy: scalar, the sum over edges of the entropies of the distributions met on the way,
            in nats; its mean over cells is the entropy of the policy.
    """

    ops: Array
    log_probability: Array
    entropy: Array


class Controller(nn.Module):
    """The logits of one edge: c tanh(linear(LSTM(embedding of the op before)) / T).

    They lie within ±c, so no op of K has a chance above 1 / (1 + (K - 1) exp(-2c)).

    Attributes:
        ops: K.
        hidden: units of each layer and of the embedding.
        layers: of the LSTM.
        temperature: T.
        tanh_constant: c.
        dtype: of parameters and computation.
    """

    ops: int
    hidden: int = 32
    layers: int = 2
    temperature: float = 5.0
    tanh_constant: float = 2.5
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        checked("ops", self.ops, ranges.Count)
        checked("hidden", self.hidden, ranges.Units)
        checked("layers", self.layers, ranges.Layers)
        checked("temperature", self.temperature, ranges.Temperature)
        checked("tanh_constant", self.tanh_constant, ranges.Positive)
        super().__post_init__()

    @nn.compact
    def __call__(self, memory: Memory, before: Array) -> tuple[Memory, Array]:
        """The memory after an edge, and the logits [K] of its op.

        Args:
            memory: `start` at the first edge.
            before: int scalar, the op of the edge before; at the first edge K.
        """
        kinds: dict[str, Any] = {"dtype": self.dtype, "param_dtype": self.dtype}
        embed = nn.Embed(self.ops + 1, self.hidden, embedding_init=_uniform, name="embed", **kinds)
        x, after = embed(before), []
        for layer, carry in enumerate(memory):
            lstm = nn.OptimizedLSTMCell(
                self.hidden,
                kernel_init=_uniform,
                recurrent_kernel_init=_uniform,
                name=f"lstm{layer}",
                **kinds,
            )
            state, x = lstm(carry, x)
            after.append(state)
        logits = nn.Dense(self.ops, kernel_init=_uniform, name="logits", **kinds)(x)
        return tuple(after), self.tanh_constant * jnp.tanh(logits / self.temperature)

    def start(self) -> Memory:
        """Zeros."""
        zeros = jnp.zeros(self.hidden, self.dtype)
        return ((zeros, zeros),) * self.layers


def initial(controller: Controller, key: Array) -> Params:
    """Parameters of a controller: weights uniform in ±0.1, biases 0."""
    return controller.init(key, controller.start(), jnp.int32(0))["params"]


def sample(controller: Controller, params: Params, key: Array, edges: int) -> Decisions:
    """Draws a cell; the log-probability and the entropy can be differentiated by the parameters."""

    def draw(logits: Array, key: Array) -> Array:
        return jax.random.categorical(key, logits).astype(jnp.int32)

    return _decide(controller, params, draw, jax.random.split(key, edges))


def given(controller: Controller, params: Params, ops: Array) -> Decisions:
    """The same of a cell given, ops int [E]."""
    return _decide(controller, params, lambda logits, op: op, jnp.asarray(ops, jnp.int32))


def _decide(
    controller: Controller,
    params: Params,
    choose: Callable[[Array, Array], Array],
    inputs: Array,
) -> Decisions:
    """Goes through the edges; `choose` has the op from the logits and the edge's input."""

    apply: Any = controller.apply

    def edge(
        carry: tuple[Memory, Array], chosen_by: Array
    ) -> tuple[tuple[Memory, Array], tuple[Array, Array, Array]]:
        memory, logits = apply({"params": params}, *carry)
        logs = jax.nn.log_softmax(logits)
        op = choose(jax.lax.stop_gradient(logits), chosen_by)
        return (memory, op), (op, logs[op], -jnp.vdot(jnp.exp(logs), logs))

    first = (controller.start(), jnp.int32(controller.ops))
    _, (ops, logs, entropies) = jax.lax.scan(edge, first, inputs)
    return Decisions(ops, logs.sum(), entropies.sum())


def enas(
    controller: Controller,
    edges: int,
    entropy_weight: float = ENTROPY_WEIGHT,
    baseline_decay: float = BASELINE_DECAY,
) -> Estimator:
    r"""∇_φ (E[L(Z)] - w H) for Z drawn by a controller of parameters φ. Unbiased; one evaluation.

    (L - w H_Z - c) ∇ log p(Z) - w ∇ H_Z with H_Z the entropies met on the way to Z, whose mean is
    the policy's entropy H, and c the moving average of L - w H_Z of past estimates, divided by its
    weight; the first c is 0. An `Estimator` but for its logits: they are φ, from `initial`. The
    surrogate's value is L alone.

    The authors' code leaves out the last term, taking H_Z for a part of the reward that does not
    depend on φ, and adds up 20 estimates a step (`optax.MultiSteps`). NAS-Bench-201's search code
    freezes the baseline in an epoch: every one of its 50 x 20 estimates sees that of the epoch
    before, and in the first epoch each its own reward, an advantage of 0 but for the entropy. Here
    c follows every estimate and never has the present loss in it, else the estimate were biased.

    Args:
        controller: of the space's K ops.
        edges: E.
        entropy_weight: w, in units of the loss per nat.
        baseline_decay: of the moving average, in [0, 1).

    Raises:
        ValueError: a setting is out of its range.
    """
    check_decay(baseline_decay)
    checked("entropy_weight", entropy_weight, ranges.NotNegative)

    def init(key: Array, params: Params) -> Average:
        del key, params
        return Average(jnp.zeros((), controller.dtype), jnp.zeros((), controller.dtype))

    def surrogate(
        state: Average, key: Array, params: Params, loss: Loss
    ) -> tuple[Array, tuple[Average, Evaluations]]:
        drawn = sample(controller, params, key, edges)
        z = Sample(drawn.ops, jax.nn.one_hot(drawn.ops, controller.ops, dtype=controller.dtype))
        value = loss(z)
        seen = jax.lax.stop_gradient(value - entropy_weight * drawn.entropy)
        term = (seen - state.mean()) * drawn.log_probability - entropy_weight * drawn.entropy
        after = state.after(seen, baseline_decay)
        return value + (term - jax.lax.stop_gradient(term)), (after, estimator.one(z, value))

    return Estimator(
        init=init,
        surrogate=surrogate,
        evaluations=lambda edges, ops: 1,
        mixing="ops",
        unbiased=True,
    )


def _uniform(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    return jax.random.uniform(key, shape, dtype, -_INITIAL_BOUND, _INITIAL_BOUND)
