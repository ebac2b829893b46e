"""How alike the rows of a matrix are: the two functionals of the Jacobian scores.

Everything in float64; a matrix is [rows, columns]. A constant row has no correlation and a row of
zeros no cosine, so that one of them makes the score NaN; `ConstantRows` says whether such rows are
left out instead ("drop"). How many there are is only known when a program runs, so they stay in the
matrix, where they are kept from counting.

Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.2.
"""

from typing import Literal, get_args

import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxnas.precision import to_float64
from jaxnas.types import Array

K = 1e-5  # the constant of the eigenvalue score (Mellor et al. 2020)
ROOT = 20  # the root of the cosine score

ConstantRows = Literal["keep", "drop"]
CONSTANT_ROWS: tuple[ConstantRows, ...] = get_args(ConstantRows)


def is_constant(a: Array) -> Array:
    """For each row [..., rows] of matrices [..., rows, columns] whether its entries are equal."""
    low, high = a.min(axis=-1), a.max(axis=-1)
    return (low == high) & jnp.isfinite(high)


def is_zero(a: Array) -> Array:
    """For each row [..., rows] of matrices [..., rows, columns] whether its entries are zero."""
    return jnp.all(a == 0, axis=-1)


def _centred(a: Array) -> Array:
    return a - a.mean(axis=1, keepdims=True)


def _unit_rows(a: Array) -> Array:
    return a / jnp.linalg.norm(a, axis=1, keepdims=True)


def correlation(a: Array) -> Array:
    """Pearson correlation of the rows [rows, rows]."""
    a = _unit_rows(_centred(to_float64(a)))
    return a @ a.T


def spectrum(a: Array) -> Array:
    """Eigenvalues of the rows' correlation [rows], ascending; NaN if a row is constant."""
    return jnp.linalg.eigvalsh(correlation(a))


def spectrum_without(a: Array, left_out: Array) -> Array:
    """As `spectrum`, of the rows that are not left out; the first eigenvalues are -1, one for each.

    Args:
        a: matrix.
        left_out: which rows do not count [rows].
    """
    a = jnp.where(left_out[:, None], 0, _unit_rows(_centred(to_float64(a))))
    # Below all eigenvalues of a correlation, whose zeros may come out as -1e-17.
    return jnp.linalg.eigvalsh(a @ a.T - jnp.diag(left_out.astype(a.dtype)))


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


def cosine_score(a: Array, root: int = ROOT, left_out: Array | None = None) -> Array:
    r"""One minus the mean over pairs of rows of :math:`|\cos|^{1/20}`; rows are not centred.

    Args:
        a: matrix.
        root: 20.
        left_out: which rows do not count [rows]; none by default.
    """
    a = _unit_rows(to_float64(a))
    rows: int | Array = a.shape[0]
    same = jnp.eye(a.shape[0], dtype=bool)
    if left_out is not None:
        a = jnp.where(left_out[:, None], 0, a)
        rows = jnp.sum(~left_out)
    powers = jnp.abs(a @ a.T) ** (1 / root)
    off_diagonal = jnp.sum(jnp.where(same, 0, powers))
    return 1 - off_diagonal / (rows * rows - rows)
