"""Stochastic gates, one an op and independent of each other: stretched sigmoids, cut to [0, 1]."""

import jax
import jax.numpy as jnp

from jaxnas.checks import checked, ranges
from jaxnas.estimators.categorical import mode
from jaxnas.estimators.estimator import Estimator, Sample
from jaxnas.estimators.relaxation import relaxation
from jaxnas.estimators.temperature import Temperature
from jaxnas.representation import shown_by_call
from jaxnas.types import Array

LOWER, UPPER = -0.1, 1.1
"""The interval that a sigmoid is stretched to, by default: PR-DARTS's."""


@shown_by_call
def stochastic_gates(
    temperature: Temperature, lower: float = LOWER, upper: float = UPPER
) -> Estimator:
    r"""Stochastic gates, the estimator of PR-DARTS: stretched sigmoids, cut to [0, 1].

    ∇_β L(g), g_ek = min(1, max(0, a + (b - a) sigmoid((β_ek + G_ek) / τ))), G logistic noise.

    The exact pathwise gradient of its own objective E[L(g)]: no bias there, but neither that
    objective nor its gradient is one of E[L(Z)], at any temperature, since an edge may have any
    number of its gates open. One evaluation of all ops, L differentiated by its weights. A gate
    that is 0 or 1 has no gradient.

    The logits are β, not normalised: an op's gate leaves the others of its edge alone. A gate is
    not closed with the chance `activation_probability`.

    Noise: the authors' slides on PR-DARTS (step 1) print u = sigmoid((v_1 + ln v_2) / τ) with v_1
    uniform in (0, 1) and v_2 = sigmoid(β). That gives another chance than their own step 2: as
    v_1 + ln v_2 ∈ (ln v_2, 1 + ln v_2), a gate with β = 0 is open always at τ = 1, and one with
    β = -2 never at τ = 0.1. With logistic noise, logit U, U uniform, as the release has it and as
    written here, the chance is theirs, and u → Bernoulli(sigmoid(β)) as τ → 0.

    Sources: Zhou et al., "Theory-inspired path-regularized differential network architecture
    search" (PR-DARTS), NeurIPS 2020; Louizos et al., "Learning sparse neural networks through L0
    regularization", ICLR 2018, eq. 10 and 11.

    Args:
        temperature: τ, a number or a schedule over estimates; PR-DARTS's falls from 1 to 0.1.
        lower: a, below 0.
        upper: b, above 1.

    Raises:
        ValueError: a, b or a constant τ is out of its range.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> estimator = estimators.stochastic_gates(temperature=1.0)
        >>> found = estimators.gradient(estimator, estimator.init(key, alpha), key, alpha, loss)
        >>> print(f"{found.gradient[0, 1]:.2f}")
        0.30
    """
    check_interval(lower, upper)

    def draw(key: Array, logits: Array, tau: Array) -> Sample:
        uncut = stretched(key, logits, tau, lower, upper)
        # The largest before the cut, after which many are 1.
        return Sample(mode(uncut), jnp.clip(uncut, 0, 1))

    return relaxation(temperature, draw)


def activation_probability(
    logits: Array, temperature: Array | float, lower: float = LOWER, upper: float = UPPER
) -> Array:
    """Chance that a gate is open, P(g ≠ 0) = sigmoid(β - τ ln(-a / b)), of the shape of β.

    Source: Zhou et al., PR-DARTS, NeurIPS 2020; Louizos et al., ICLR 2018, eq. 12.
    """
    return jax.nn.sigmoid(logits - temperature * jnp.log(-lower / upper))


def stretched(key: Array, logits: Array, temperature: Array, lower: float, upper: float) -> Array:
    """Gates before they are cut to [0, 1], a + (b - a) u [E, K]."""
    noise = jax.random.logistic(key, logits.shape, logits.dtype)
    return lower + (upper - lower) * jax.nn.sigmoid((logits + noise) / temperature)


def check_interval(lower: float, upper: float) -> None:
    """Raises ValueError if no gate could be exactly 0, or none exactly 1."""
    checked("lower", lower, ranges.BelowZero)
    checked("upper", upper, ranges.AboveOne)
