"""The gradient itself, by enumeration."""

import jax
import jax.numpy as jnp

from jaxnas.checks import checked, ranges
from jaxnas.estimators.categorical import discrete
from jaxnas.estimators.estimator import Estimator, Evaluations, Loss, State
from jaxnas.representation import shown_by_call
from jaxnas.types import Array

_MOST = 2**20


@shown_by_call
def exact(batch_size: int | None = None) -> Estimator:
    """Exact gradient by enumeration of all architectures.

    No bias, no variance; K^E evaluations.

    ∇_α Σ_z p_α(z) L(z), what every other estimator is compared with. Its surrogate's value is
    E[L(Z)].

    Args:
        batch_size: losses evaluated at once, as of `jax.lax.map`; by default one after the other.

    Raises:
        ValueError: the batch size is out of its range, or at the first estimate, there are more
            than 2^20 architectures.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> estimator = estimators.exact()
        >>> found = estimators.gradient(estimator, estimator.init(key, alpha), key, alpha, loss)
        >>> print(f"{found.gradient[0, 1]:.2f}")
        0.22
    """
    batch_size = checked("batch_size", batch_size, ranges.Queries | None)

    def surrogate(
        state: State, key: Array, logits: Array, loss: Loss
    ) -> tuple[Array, tuple[State, Evaluations]]:
        del key
        edges, ops = logits.shape
        if ops**edges > _MOST:
            raise ValueError(
                f"exact enumeration: expected at most {_MOST:,} architectures, {edges} edges of "
                f"{ops} ops have {float(ops**edges):.3g}; use an estimator that samples"
            )
        every = jnp.indices((ops,) * edges, jnp.int32).reshape(edges, -1).T
        losses = jax.lax.map(lambda z: loss(discrete(z, logits)), every, batch_size=batch_size)
        logs = jax.nn.log_softmax(logits)[jnp.arange(edges), every].sum(axis=1)
        return jnp.vdot(jnp.exp(logs), losses), (
            state,
            Evaluations(every, jax.lax.stop_gradient(losses)),
        )

    return Estimator(
        init=lambda key, logits: (),
        surrogate=surrogate,
        evaluations=lambda edges, ops: ops**edges,
        mixing="ops",
        unbiased=True,
    )
