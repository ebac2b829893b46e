r"""What a gradient estimator is, and what it asks of a loss.

There are E edges with K ops each. Edge e takes op k with probability θ_ek = softmax(α_e)_k,
independently of the others: Z ~ p_α. An estimator gives an estimate of ∇_α E[L(Z)], a sum over
K^E architectures, from a few evaluations of L.

It is written as a surrogate (Schulman et al., "Gradient estimation using stochastic computation
graphs", NeurIPS 2015, section 3.2): a scalar whose value is the loss of what was drawn, whose
gradient by α is the estimate, and whose gradient by anything that L closes over, such as a
network's weights, is L's own. One `jax.grad` by both gives both.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnas.types import Array


class Sample(NamedTuple):
    """An architecture as a loss is given it.

    Attributes:
        ops: int32 [E], the op of each edge; of soft weights the largest.
        weights: [E, K], the weight of each op. What a loss may do with them, and must, `Mixing`
            says.
    """

    ops: Array
    weights: Array


Loss: TypeAlias = Callable[[Sample], Array]
"""A scalar to be made small, such as a network's loss on a batch of images."""

Mixing: TypeAlias = Literal["ops", "weights", "selected"]
"""How an estimator's samples are to be evaluated.

- ops: one op an edge, that of `Sample.ops`; the weights are its indicator and have no gradient.
- weights: all ops of an edge, weighted; the loss is differentiated by the weights.
- selected: one op an edge, that of `Sample.ops`, by `add_bare`; differentiated by the weights.
"""

State: TypeAlias = Any  # a pytree of arrays


class Evaluations(NamedTuple):
    """What an estimate was made from.

    Attributes:
        ops: int32 [N, E] of each evaluation, `Sample.ops`.
        losses: [N], theirs; of soft weights that is no cell's loss.
    """

    ops: Array
    losses: Array


Surrogate: TypeAlias = Callable[
    [State, Array, Array, Loss], tuple[Array, tuple[State, Evaluations]]
]


class Estimator(NamedTuple):
    """A gradient estimator: pure functions, to be used under jit, vmap and scan.

    Attributes:
        init: (key, α [E, K]) → state.
        surrogate: (state, key, α, loss) → scalar, (next state, evaluations).
        evaluations: (E, K) → how many losses an estimate takes.
        mixing: what is asked of the loss.
        unbiased: whether the mean of the estimates is the gradient of E[L(Z)].
        shown: how it is shown, the call that made it.
    """

    init: Callable[[Array, Array], State]
    surrogate: Surrogate
    evaluations: Callable[[int, int], int]
    mixing: Mixing
    unbiased: bool
    shown: str = ""

    def __repr__(self) -> str:
        return self.shown or f"Estimator(mixing={self.mixing!r}, unbiased={self.unbiased})"

    def shown_as(self, text: str) -> "Estimator":
        """The same estimator, shown as `text`."""
        return self._replace(shown=text)


class Estimate(NamedTuple):
    """An estimate, and what it came from.

    Attributes:
        gradient: [E, K], by the logits.
        value: scalar, the loss of what was drawn; of several, of the first.
        state: for the next estimate.
        evaluations: all of them.
    """

    gradient: Array
    value: Array
    state: State
    evaluations: Evaluations


def gradient(estimator: Estimator, state: State, key: Array, logits: Array, loss: Loss) -> Estimate:
    """Estimates ∇_α E[L(Z)].

    Args:
        estimator: any.
        state: from `estimator.init` or the last estimate.
        key: of all chance.
        logits: α [E, K].
        loss: evaluates a sample as `estimator.mixing` says.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> found = estimators.gradient(estimators.exact(), (), key, alpha, loss)
        >>> print(f"{found.value:.2f}")
        1.33
    """

    def surrogate(logits: Array) -> tuple[Array, tuple[State, Evaluations]]:
        return estimator.surrogate(state, key, logits, loss)

    (value, (state, evaluations)), estimate = jax.value_and_grad(surrogate, has_aux=True)(logits)
    return Estimate(estimate, value, state, evaluations)


def with_gradient(value: Array, logits: Array, estimate: Array) -> Array:
    """A scalar with the value and derivatives given, and a gradient by the logits added to them."""
    here = jax.lax.stop_gradient(logits)
    return value + jnp.vdot(jax.lax.stop_gradient(estimate), logits - here)


def one(sample: Sample, loss: Array) -> Evaluations:
    """A single evaluation."""
    return Evaluations(sample.ops[None], jax.lax.stop_gradient(loss)[None])
