"""Gumbel-softmax: the gradient of a relaxed objective, as SNAS follows it."""

import jax.numpy as jnp

from jaxnas.estimators.categorical import mode, relaxed
from jaxnas.estimators.estimator import Estimator, Evaluations, Loss, Sample, one
from jaxnas.estimators.temperature import Temperature, as_schedule, start
from jaxnas.types import Array


def gumbel_softmax(temperature: Temperature) -> Estimator:
    """∇_α L(softmax((log θ + G) / τ)), G Gumbel noise. Biased; one evaluation of all ops.

    The gradient, without bias, of E[L(Z̃)] with soft weights Z̃, which is another objective than
    E[L(Z)]. As τ → 0 the bias goes to 0 and the variance to infinity. L is differentiated by its
    weights.

    Sources: Jang et al., ICLR 2017; Maddison et al., ICLR 2017; Xie et al., "SNAS", ICLR 2019,
    eq. 5 (seeds 001, eq. 4 and 5), with τ from 1 to 0.03 in its released script.

    Args:
        temperature: τ, a number or a schedule over estimates.
    """
    schedule = as_schedule(temperature)

    def surrogate(
        state: Array, key: Array, logits: Array, loss: Loss
    ) -> tuple[Array, tuple[Array, Evaluations]]:
        weights = relaxed(key, logits, jnp.asarray(schedule(state), logits.dtype))
        z = Sample(mode(weights), weights)
        value = loss(z)
        return value, (state + jnp.int32(1), one(z, value))

    return Estimator(
        init=start,
        surrogate=surrogate,
        evaluations=lambda edges, ops: 1,
        mixing="weights",
        unbiased=False,
    )
