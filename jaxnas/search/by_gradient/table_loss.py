"""A benchmark's table as the loss of an estimator; imports JAX, as `jaxnas.search` does not.

A table knows L at architectures alone. Soft weights w are given its multilinear extension
T(w) = Σ_z Π_e w_e,z_e L(z): the expectation of L under independent edges with the probabilities
w. It agrees with L at every architecture. One evaluation of it reads the whole table, which no
search that trains cells could do.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from numpy.typing import NDArray

from jaxnas.estimators import Loss, Mixing, Sample, add_bare
from jaxnas.spaces import DEFAULT, Space
from jaxnas.types import Array


def shape_of(space: Space) -> tuple[int, int]:
    """The number of a code's entries, E, and of each one's values, K.

    Raises:
        ValueError: the space has no indices, or its entries differ in their number of values.
    """
    if not space.indexed:
        raise ValueError(
            f"space {space.name}: expected one whose architectures have official indices, got "
            f"{space.title}, which has none; search it on a supernet"
        )
    if len(set(space.choices)) > 1:
        raise ValueError(
            f"space {space.name}: expected entries with equally many values, got "
            f"{space.choices}; search it by another method"
        )
    return len(space.choices), space.choices[0]


def by_ops(
    values: NDArray[np.generic], dtype: DTypeLike | None = None, space: Space = DEFAULT
) -> Array:
    """Values [space.size] at official indices, as an array [K, …, K] by code.

    Raises:
        ValueError: as `shape_of`.
    """
    entries, count = shape_of(space)
    codes = np.array([space.encode(space.arch(index)) for index in range(space.size)])
    dense = np.empty((count,) * entries, values.dtype)
    dense[tuple(codes.T)] = values
    return jnp.asarray(dense, dtype)


def at(dense: Array, ops: Array) -> Array:
    """Values [...] of codes, int [..., E]."""
    return dense[tuple(jnp.moveaxis(ops, -1, 0))]


def table_loss(dense: Array, mixing: Mixing) -> Loss:
    """The loss that an estimator may differentiate, see `Mixing`.

    Each edge in turn is contracted with its weights. As GDAS's code has it ("selected"), the
    drawn op's part is kept and the bare weights of the others are added.

    Args:
        dense: losses [K, …, K] by ops, from `by_ops`.
        mixing: of the estimator.
    """

    def extension(z: Sample) -> Array:
        rest = dense
        for weights in z.weights:
            rest = jnp.tensordot(weights, rest, axes=1)
        return rest

    def selected(z: Sample) -> Array:
        rest = dense
        for weights, op in zip(z.weights, z.ops, strict=True):
            rest = add_bare(weights, op, rest[op])
        return rest

    losses: dict[Mixing, Loss] = {
        "ops": lambda z: at(dense, z.ops),
        "weights": extension,
        "selected": selected,
    }
    return losses[mixing]
