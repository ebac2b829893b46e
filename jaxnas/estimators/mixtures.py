"""The softmax mixture of DARTS: nothing is drawn."""

import jax

from jaxnas.estimators.categorical import mode
from jaxnas.estimators.estimator import Estimator, Evaluations, Loss, Sample, State, one
from jaxnas.representation import shown_by_call
from jaxnas.types import Array


@shown_by_call
def softmax_mixture() -> Estimator:
    """Softmax mixture, the estimator of DARTS: the loss of all ops, weighted.

    ∇_α L(θ), θ = softmax(α) as weights. No variance; one evaluation of all ops.

    Biased wherever L(E[Z]) differs from E[L(Z)], as it does for a network. Where L is linear in
    each edge's weights, such as the multilinear extension of a table, it is the exact gradient.

    Source: Liu et al., "DARTS", ICLR 2019, eq. 2. Its second order is another loss: the validation
    loss after a step of the weights.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> estimator = estimators.softmax_mixture()
        >>> found = estimators.gradient(estimator, estimator.init(key, alpha), key, alpha, loss)
        >>> print(f"{found.gradient[0, 1]:.2f}")
        0.22
    """

    def surrogate(
        state: State, key: Array, logits: Array, loss: Loss
    ) -> tuple[Array, tuple[State, Evaluations]]:
        del key
        z = Sample(mode(logits), jax.nn.softmax(logits))
        value = loss(z)
        return value, (state, one(z, value))

    return Estimator(
        init=lambda key, logits: (),
        surrogate=surrogate,
        evaluations=lambda edges, ops: 1,
        mixing="weights",
        unbiased=False,
    )
