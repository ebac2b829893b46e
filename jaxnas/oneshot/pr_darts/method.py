"""PR-DARTS whole: gates and regularisers as one estimator."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxnas.estimators import (
    Estimator,
    Evaluations,
    Loss,
    Sample,
    Temperature,
    activation_probability,
    stochastic_gates,
    straight_through_top_k,
)
from jaxnas.estimators.gates import LOWER, UPPER
from jaxnas.estimators.temperature import as_schedule
from jaxnas.oneshot.pr_darts.cell import Kinds
from jaxnas.oneshot.pr_darts.regularisers import (
    THRESHOLD,
    Strengths,
    check_strengths,
    penalty,
    released_penalty,
)
from jaxnas.types import Array

_STRENGTHS = Strengths()


def pr_darts(
    kinds: Kinds,
    temperature: Temperature,
    strengths: Strengths = _STRENGTHS,
    lower: float = LOWER,
    upper: float = UPPER,
) -> Estimator:
    """∇_β of L(g) + λ1 L_skip + λ2 L_non-skip - λ3 L_path, biased; see the gates.

    `stochastic_gates` with `penalty` at the same temperature. The surrogate's value, and the loss
    in `Evaluations`, are L alone.

    Args:
        kinds: the kinds of cell whose edges the rows of β are.
        temperature: τ, a number or a schedule over estimates; released: linearly from 1 to 0.1.
        strengths: λ1 to λ3.
        lower: a, of the gates.
        upper: b, of the gates.

    Raises:
        ValueError: a setting is out of its range, or at the first estimate, β of another shape.
    """
    gates = stochastic_gates(temperature, lower, upper)
    return _regularised(
        gates, temperature, strengths, lower, upper, lambda p, z: penalty(p, kinds, strengths)
    )


def released_pr_darts(
    kinds: Kinds,
    temperature: Temperature,
    strengths: Strengths = _STRENGTHS,
    threshold: float = THRESHOLD,
    kept: int = 2,
    dropout: float = 0.4,
    lower: float = LOWER,
    upper: float = UPPER,
) -> Estimator:
    """PR-DARTS as released: `straight_through_top_k` with `released_penalty`. Biased.

    Args:
        kinds: the kinds of cell whose edges the rows of β are.
        temperature: τ, a number or a schedule over estimates; released: linearly from 1 to 0.1.
        strengths: λ1 to λ3.
        threshold: of the regularisers' groups.
        kept: ops an edge.
        dropout: chance with which an op is passed over.
        lower: a, of the gates.
        upper: b, of the gates.

    Raises:
        ValueError: as `pr_darts`.
    """
    gates = straight_through_top_k(temperature, kept, dropout, lower, upper)
    return _regularised(
        gates,
        temperature,
        strengths,
        lower,
        upper,
        lambda p, z: released_penalty(p, z.weights, kinds, strengths, threshold),
    )


def _regularised(
    gates: Estimator,
    temperature: Temperature,
    strengths: Strengths,
    lower: float,
    upper: float,
    term: Callable[[Array, Sample], Array],
) -> Estimator:
    """Gates whose surrogate has the gradient of a term more, and the same value."""
    check_strengths(strengths)
    schedule = as_schedule(temperature)

    def surrogate(
        state: Array, key: Array, logits: Array, loss: Loss
    ) -> tuple[Array, tuple[Array, Evaluations]]:
        tau = jnp.asarray(schedule(state), logits.dtype)
        probabilities = activation_probability(logits, tau, lower, upper)

        def regularised(z: Sample) -> Array:
            added = term(probabilities, z)
            return loss(z) + (added - jax.lax.stop_gradient(added))

        return gates.surrogate(state, key, logits, regularised)

    return gates._replace(surrogate=surrogate)
