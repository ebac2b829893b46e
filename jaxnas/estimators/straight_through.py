"""Straight-through Gumbel-softmax, as it is defined and as GDAS's code has it."""

import jax
import jax.numpy as jnp

from jaxnas.estimators.categorical import discrete, mode, relaxed
from jaxnas.estimators.estimator import Estimator, Mixing, Sample
from jaxnas.estimators.relaxation import relaxation
from jaxnas.estimators.temperature import Temperature
from jaxnas.types import Array


def straight_through(temperature: Temperature) -> Estimator:
    """L at one op an edge, differentiated as if its weights were the soft ones. Biased.

    Z = onehot(argmax Z̃) + Z̃ - stop_gradient(Z̃) with Z̃ a Gumbel-softmax sample, so the estimate is
    ∂L/∂Z(Z) ∂Z̃/∂α. One evaluation, but of all ops: a derivative by the weight of an op that was not
    drawn needs that op's output.

    Sources: Jang et al., ICLR 2017, section 2.2; Dong & Yang, "GDAS", CVPR 2019, eq. 4 to 6 as
    printed.

    Args:
        temperature: τ, a number or a schedule over estimates.
    """
    return _hard(temperature, "weights")


def gdas(temperature: Temperature) -> Estimator:
    """GDAS as released: straight-through, but only the drawn op of each edge is computed. Biased.

    The loss combines an edge's ops by `add_bare`, so the weights of the others get the gradient
    they would have if each op's output were 1 everywhere: not that of straight-through, and not
    one of E[L(Z)] at any temperature. One evaluation, of one op an edge.

    Source: Dong & Yang, CVPR 2019, by their code, AutoDL-Projects; τ from 10 to 0.1.

    Args:
        temperature: τ, a number or a schedule over estimates.
    """
    return _hard(temperature, "selected")


def add_bare(weights: Array, op: Array, output: Array) -> Array:
    """An edge's output by GDAS's code: w_op output + Σ_{k ≠ op} w_k.

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
