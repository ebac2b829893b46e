"""How alike the rows of a matrix are: the two functionals of the Jacobian scores.

Everything in float64; a matrix is [rows, columns].
Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.2.
"""

import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxnas.precision import to_float64
from jaxnas.types import Array

K = 1e-5  # the constant of the eigenvalue score (Mellor et al. 2020)
ROOT = 20  # the root of the cosine score


def _unit_rows(a: Array) -> Array:
    return a / jnp.linalg.norm(a, axis=1, keepdims=True)


def correlation(a: Array) -> Array:
    """Pearson correlation of the rows [rows, rows]."""
    a = to_float64(a)
    a = _unit_rows(a - a.mean(axis=1, keepdims=True))
    return a @ a.T


def spectrum(a: Array) -> Array:
    """Eigenvalues of the rows' correlation [rows], ascending; NaN if a row is constant."""
    return jnp.linalg.eigvalsh(correlation(a))


def eigenvalue_score(eigenvalues: Array, k: float = K, skip: ArrayLike = 0) -> Array:
    r"""Minus the sum over eigenvalues of :math:`\log(\sigma + k) + 1/(\sigma + k)`.

    Args:
        eigenvalues: ascending [n].
        k: keeps both terms finite.
        skip: how many of the smallest are left out.
    """
    # Rounding may leave an eigenvalue of zero at -1e-17, which no k of 1e-5 minds; a large
    # negative one could only come of a mistake and gives NaN in the logarithm.
    terms = jnp.log(eigenvalues + k) + 1 / (eigenvalues + k)
    return -jnp.sum(jnp.where(jnp.arange(eigenvalues.shape[0]) >= skip, terms, 0))


def cosine_score(a: Array, root: int = ROOT) -> Array:
    r"""One minus the mean over pairs of rows of :math:`|\cos|^{1/20}`; rows are not centred."""
    a = _unit_rows(to_float64(a))
    rows = a.shape[0]
    powers = jnp.abs(a @ a.T) ** (1 / root)
    off_diagonal = jnp.sum(jnp.where(jnp.eye(rows, dtype=bool), 0, powers))
    return 1 - off_diagonal / (rows * rows - rows)
