"""Straight-through Gumbel-softmax, as it is defined and as GDAS's code has it."""

import jax
import jax.numpy as jnp

from jaxnas.estimators.categorical import discrete, mode, relaxed
from jaxnas.estimators.estimator import Estimator, Mixing, Sample
from jaxnas.estimators.relaxation import relaxation
from jaxnas.estimators.temperature import Temperature
from jaxnas.representation import shown_by_call
from jaxnas.types import Array


@shown_by_call
def straight_through(temperature: Temperature) -> Estimator:
    """Straight-through estimator: one op an edge, differentiated as if its weights were soft.

    Biased.

    Z = onehot(argmax Z̃) + Z̃ - stop_gradient(Z̃) with Z̃ a Gumbel-softmax sample, so the estimate is
    ∂L/∂Z(Z) ∂Z̃/∂α. One evaluation, but of all ops: a derivative by the weight of an op that was not
    drawn needs that op's output.

    Sources: Jang et al., ICLR 2017, section 2.2; Dong & Yang, "GDAS", CVPR 2019, eq. 4 to 6 as
    printed.

    Args:
        temperature: τ, a number or a schedule over estimates.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> estimator = estimators.straight_through(temperature=1.0)
        >>> found = estimators.gradient(estimator, estimator.init(key, alpha), key, alpha, loss)
        >>> print(f"{found.gradient[0, 1]:.2f}")
        0.24
    """
    return _hard(temperature, "weights")


@shown_by_call
def gdas(temperature: Temperature) -> Estimator:
    """GDAS estimator as released: straight-through, but only the drawn op is computed. Biased.

    The loss combines an edge's ops by `add_bare`, so the weights of the others get the gradient
    they would have if each op's output were 1 everywhere: not that of straight-through, and not
    one of E[L(Z)] at any temperature. One evaluation, of one op an edge.

    Source: Dong & Yang, CVPR 2019, by their code, AutoDL-Projects; τ from 10 to 0.1.

    Args:
        temperature: τ, a number or a schedule over estimates.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> estimator = estimators.gdas(temperature=1.0)
        >>> found = estimators.gradient(estimator, estimator.init(key, alpha), key, alpha, loss)
        >>> print(f"{found.gradient[0, 1]:.2f}")
        0.24
    """
    return _hard(temperature, "selected")


def add_bare(weights: Array, op: Array, output: Array) -> Array:
    """Output of an edge by GDAS's code: w_op output + Σ_{k ≠ op} w_k.

    Its value is `output`, as the weights of the others are 0.

    Args:
        weights: [K], of the edge, `Sample.weights[e]`.
        op: int scalar, `Sample.ops[e]`.
        output: of that op, of any shape.
    """
    others = jnp.where(jnp.arange(len(weights)) == op, 0, weights)
    return weights[op] * output + others.sum()


def _hard(temperature: Temperature, mixing: Mixing) -> Estimator:
    def draw(key: Array, logits: Array, tau: Array) -> Sample:
        soft = relaxed(key, logits, tau)
        hard = discrete(mode(soft), logits)
        # In this order the weights are 0 and 1 exactly.
        return Sample(hard.ops, hard.weights + (soft - jax.lax.stop_gradient(soft)))

    return relaxation(temperature, draw, mixing)
