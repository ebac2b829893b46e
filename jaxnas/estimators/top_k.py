"""The gates of PR-DARTS as released: the largest few of an edge, straight-through."""

import jax
import jax.numpy as jnp

from jaxnas.checks import checked, ranges
from jaxnas.estimators.categorical import mode
from jaxnas.estimators.estimator import Estimator, Sample
from jaxnas.estimators.gates import LOWER, UPPER, check_interval, stretched
from jaxnas.estimators.relaxation import relaxation
from jaxnas.estimators.temperature import Temperature
from jaxnas.representation import shown_by_call
from jaxnas.types import Array


@shown_by_call
def straight_through_top_k(
    temperature: Temperature,
    kept: int = 2,
    dropout: float = 0.4,
    lower: float = LOWER,
    upper: float = UPPER,
) -> Estimator:
    """Straight-through gates, the estimator of PR-DARTS as released.

    L where each edge's `kept` largest gates are 1 and the others 0; biased.

    A kept op's weight has the gradient of its gate g of `stochastic_gates`, 1 + g - stop_gradient
    (g); an op that is not kept is not computed there, and so has none. Before the choice each gate
    loses 1 with the chance `dropout`; equal gates, such as all that are 1 or 0, are ordered at
    random. A closed gate is kept where too few are open. One evaluation.

    The paper's gates, `stochastic_gates`, have none of this.

    Source: Zhou et al., PR-DARTS, NeurIPS 2020, by their code, salesforce/PR-DARTS, with its
    constants.

    Args:
        temperature: τ, a number or a schedule over estimates; released: linearly from 1 to 0.1.
        kept: ops an edge.
        dropout: chance, in [0, 1).
        lower: a, below 0.
        upper: b, above 1.

    Raises:
        ValueError: a setting is out of its range, or at the first estimate, `kept` above K.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> estimator = estimators.straight_through_top_k(temperature=1.0)
        >>> found = estimators.gradient(estimator, estimator.init(key, alpha), key, alpha, loss)
        >>> print(f"{found.gradient[0, 1]:.2f}")
        0.22
    """
    check_interval(lower, upper)
    kept = checked("kept", kept, ranges.Count)
    checked("dropout", dropout, ranges.Fraction)

    def draw(key: Array, logits: Array, tau: Array) -> Sample:
        ops = logits.shape[1]
        if kept > ops:
            raise ValueError(f"kept: expected 1 to {ops}, the ops of an edge, got {kept}")
        gate_key, drop_key, order_key = jax.random.split(key, 3)
        gates = jnp.clip(stretched(gate_key, logits, tau, lower, upper), 0, 1)
        dropped = jax.random.bernoulli(drop_key, float(dropout), gates.shape)
        hard = _largest(order_key, jax.lax.stop_gradient(gates) - dropped, kept)
        # In this order the weights are 0 and 1 exactly.
        return Sample(mode(hard), hard + hard * (gates - jax.lax.stop_gradient(gates)))

    return relaxation(temperature, draw)


def _largest(key: Array, values: Array, number: int) -> Array:
    """Indicators [E, K] of the largest values of each row, equal ones in random order."""
    order = jnp.lexsort((jax.random.uniform(key, values.shape), -values), axis=-1)
    return jax.nn.one_hot(order[:, :number], values.shape[1], dtype=values.dtype).sum(axis=1)
