"""Gumbel-softmax: the gradient of a relaxed objective, as SNAS follows it."""

from jaxnas.estimators.categorical import mode, relaxed
from jaxnas.estimators.estimator import Estimator, Sample
from jaxnas.estimators.relaxation import relaxation
from jaxnas.estimators.temperature import Temperature
from jaxnas.representation import shown_by_call
from jaxnas.types import Array


@shown_by_call
def gumbel_softmax(temperature: Temperature) -> Estimator:
    """Gumbel-softmax estimator: the gradient of a relaxed objective.

    ∇_α L(softmax((log θ + G) / τ)), G Gumbel noise. Biased; one evaluation of all ops.

    The gradient, without bias, of E[L(Z̃)] with soft weights Z̃, which is another objective than
    E[L(Z)]. As τ → 0 the bias goes to 0 and the variance to infinity. L is differentiated by its
    weights.

    Sources: Jang et al., ICLR 2017; Maddison et al., ICLR 2017; Xie et al., "SNAS", ICLR 2019,
    eq. 5, with τ from 1 to 0.03 in its released script; Huang, "Improved gradient-based neural
    architecture search", 2019, eq. 4 and 5.

    Args:
        temperature: τ, a number or a schedule over estimates.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> estimator = estimators.gumbel_softmax(temperature=1.0)
        >>> found = estimators.gradient(estimator, estimator.init(key, alpha), key, alpha, loss)
        >>> print(f"{found.gradient[0, 1]:.2f}")
        0.24
    """

    def draw(key: Array, logits: Array, tau: Array) -> Sample:
        weights = relaxed(key, logits, tau)
        return Sample(mode(weights), weights)

    return relaxation(temperature, draw)
