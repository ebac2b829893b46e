"""Gumbel-softmax: the gradient of a relaxed objective, as SNAS follows it."""

from jaxnas.estimators.categorical import mode, relaxed
from jaxnas.estimators.estimator import Estimator, Sample
from jaxnas.estimators.relaxation import relaxation
from jaxnas.estimators.temperature import Temperature
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

    def draw(key: Array, logits: Array, tau: Array) -> Sample:
        weights = relaxed(key, logits, tau)
        return Sample(mode(weights), weights)

    return relaxation(temperature, draw)
