"""RAM: reparameterisation and marginalisation, edge by edge."""

import jax
import jax.numpy as jnp

from jaxnas.checks import checked, ranges
from jaxnas.estimators.categorical import discrete, draw
from jaxnas.estimators.estimator import Estimator, Evaluations, Loss, State, with_gradient
from jaxnas.representation import shown_by_call
from jaxnas.types import Array


@shown_by_call
def ram(edges_per_step: int | None = None, batch_size: int | None = None) -> Estimator:
    r"""RAM estimator: each edge is marginalised over its ops, the others stay as drawn.

    θ_ek (L_ek - Σ_j θ_ej L_ej) with L_ek the loss where edge e takes op k, all else as drawn.

    Unbiased; E (K - 1) + 1 evaluations of one op an edge, no derivative of L. All edges share one
    Z ~ p_α, which is itself one of the K alternatives of every edge. Each edge's expectation over
    its own op is exact; only that over the other edges is sampled.

    With `edges_per_step` = m, m edges chosen at random get E / m times their gradient and the
    others none: still unbiased, of more variance, m (K - 1) + 1 evaluations.

    Sources: Tokui & Sato, "Evaluating the variance of likelihood-ratio gradient estimators", ICML
    2017; Huang, "Improved gradient-based neural architecture search", 2019, eq. 14 to 16, whose
    double sum over a and b is this.

    Args:
        edges_per_step: m; None for all edges.
        batch_size: losses evaluated at once, as of `jax.lax.map`. By default one after the other,
            so that a loss that switches on `Sample.ops` computes one op an edge.

    Raises:
        ValueError: m is below 1, or at the first estimate above E.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxnas import estimators
        >>> key, alpha, loss = jax.random.key(1), jnp.zeros((2, 3)), lambda z: 1 + z.weights[0, 1]
        >>> estimator = estimators.ram()
        >>> found = estimators.gradient(estimator, estimator.init(key, alpha), key, alpha, loss)
        >>> print(f"{found.gradient[0, 1]:.2f}")
        0.22
    """
    edges_per_step = checked("edges_per_step", edges_per_step, ranges.Count | None)
    batch_size = checked("batch_size", batch_size, ranges.Queries | None)

    def surrogate(
        state: State, key: Array, logits: Array, loss: Loss
    ) -> tuple[Array, tuple[State, Evaluations]]:
        edges, ops = logits.shape
        taken = edges if edges_per_step is None else edges_per_step
        if taken > edges:
            raise ValueError(f"edges_per_step: expected 1 to {edges}, the edges, got {taken}")
        base_key, edge_key = jax.random.split(key)
        base = draw(base_key, logits)
        value = loss(discrete(base, logits))
        chosen = jax.random.permutation(edge_key, edges)[:taken]
        # Row i: the ops of edge chosen[i], from the one drawn onwards.
        around = (base[chosen, None] + jnp.arange(ops, dtype=jnp.int32)) % ops
        others = _replaced(base, chosen, around[:, 1:])
        losses = jax.lax.map(lambda z: loss(discrete(z, logits)), others, batch_size=batch_size)
        seen, losses = jax.lax.stop_gradient((value, losses))
        by_op = jnp.concatenate(
            [jnp.full((taken, 1), seen), losses.reshape(taken, ops - 1)], axis=1
        )
        theta = jax.nn.softmax(logits)[chosen[:, None], around]
        marginal = theta * (by_op - jnp.sum(theta * by_op, axis=1, keepdims=True))
        estimate = jnp.zeros_like(logits).at[chosen[:, None], around].set(marginal)
        evaluations = Evaluations(
            jnp.concatenate([base[None], others]), jnp.concatenate([seen[None], losses])
        )
        surrogate = with_gradient(value, logits, estimate * (edges / taken))
        return surrogate, (state, evaluations)

    def evaluations(edges: int, ops: int) -> int:
        return (edges if edges_per_step is None else edges_per_step) * (ops - 1) + 1

    return Estimator(
        init=lambda key, logits: (),
        surrogate=surrogate,
        evaluations=evaluations,
        mixing="ops",
        unbiased=True,
    )


def _replaced(base: Array, edges: Array, ops: Array) -> Array:
    """Architectures [M J, E]: base [E] with edge edges[i] set to ops[i, j]."""
    many = jnp.broadcast_to(base, (*ops.shape, len(base)))
    rows, columns = jnp.indices(ops.shape)
    return many.at[rows, columns, edges[:, None]].set(ops).reshape(-1, len(base))
