"""What estimators with a temperature share: one sample, differentiated by its weights."""

from collections.abc import Callable
from typing import TypeAlias

import jax.numpy as jnp

from jaxnas.estimators.estimator import Estimator, Evaluations, Loss, Mixing, Sample, one
from jaxnas.estimators.temperature import Temperature, as_schedule, start
from jaxnas.types import Array

Draw: TypeAlias = Callable[[Array, Array, Array], Sample]
"""(key, logits [E, K], τ) → a sample, differentiable by the logits."""


def relaxation(temperature: Temperature, draw: Draw, mixing: Mixing = "weights") -> Estimator:
    """∇ L(Z̃) for one sample of a relaxed distribution. Biased; one evaluation.

    Args:
        temperature: τ, a number or a schedule over estimates.
        draw: the sample.
        mixing: what is asked of the loss.
    """
    schedule = as_schedule(temperature)

    def surrogate(
        state: Array, key: Array, logits: Array, loss: Loss
    ) -> tuple[Array, tuple[Array, Evaluations]]:
        z = draw(key, logits, jnp.asarray(schedule(state), logits.dtype))
        value = loss(z)
        return value, (state + jnp.int32(1), one(z, value))

    return Estimator(
        init=start,
        surrogate=surrogate,
        evaluations=lambda edges, ops: 1,
        mixing=mixing,
        unbiased=False,
    )
