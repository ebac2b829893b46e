"""The score function estimator (REINFORCE), alone and with a constant control variate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnas.checks import checked, ranges
from jaxnas.estimators.categorical import discrete, draw, score
from jaxnas.estimators.estimator import Estimator, Evaluations, Loss, one, with_gradient
from jaxnas.representation import shown_by_call
from jaxnas.types import Array


class Average(NamedTuple):
    """An exponential moving average of past losses, not yet divided by its weight.

    Attributes:
        total: scalar.
        weight: scalar, 1 - d^t after t losses.
    """

    total: Array
    weight: Array

    def mean(self) -> Array:
        """The average of the losses; 0 where there are none."""
        return jnp.where(self.weight > 0, self.total / jnp.maximum(self.weight, 1e-30), 0)

    def after(self, loss: Array, decay: float) -> "Average":
        """The average with one loss more."""
        total = decay * self.total + (1 - decay) * loss
        return Average(total.astype(self.total.dtype), decay * self.weight + (1 - decay))


@shown_by_call
def score_function(baseline_decay: float | None = 0.9) -> Estimator:
    """Score function estimator, REINFORCE, with a moving average as its baseline.

    (L(Z) - c) ∇_α log p_α(Z) for one Z ~ p_α. Unbiased; one evaluation, of one op an edge.

    c is the moving average of the losses of past estimates, divided by its weight; the present
    loss must not be in it, else the estimate were biased. The first c is 0.

    Sources: Williams, "Simple statistical gradient-following algorithms", Machine Learning 1992;
    Huang, "Improved gradient-based neural architecture search", 2019, eq. 2 (c = 0) and eq. 10.

    Args:
        baseline_decay: of the average, in [0, 1); None for no control variate, c = 0.

    Raises:
        ValueError: the decay is not in that range.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> estimator = estimators.score_function()
        >>> found = estimators.gradient(estimator, estimator.init(key, alpha), key, alpha, loss)
        >>> print(f"{found.gradient[0, 1]:.2f}")
        1.33
    """
    if baseline_decay is not None:
        check_decay(baseline_decay)

    def init(key: Array, logits: Array) -> Average:
        del key
        return Average(jnp.zeros((), logits.dtype), jnp.zeros((), logits.dtype))

    def surrogate(
        state: Average, key: Array, logits: Array, loss: Loss
    ) -> tuple[Array, tuple[Average, Evaluations]]:
        z = discrete(draw(key, logits), logits)
        value = loss(z)
        seen = jax.lax.stop_gradient(value)
        estimate = (seen - state.mean()) * score(z.ops, logits)
        if baseline_decay is not None:
            state = state.after(seen, baseline_decay)
        return with_gradient(value, logits, estimate), (state, one(z, value))

    return Estimator(
        init=init,
        surrogate=surrogate,
        evaluations=lambda edges, ops: 1,
        mixing="ops",
        unbiased=True,
    )


def check_decay(decay: float) -> None:
    """Raises ValueError if no moving average has it."""
    checked("baseline_decay", decay, ranges.Fraction)
