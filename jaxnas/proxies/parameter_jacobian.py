r"""Scores of the gradient in parameter space.

Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.2.

Each tensor's gradient is a matrix with one row per output; :math:`S_i` is its eigenvalue or cosine
score, i in forward order over the N tensors in use with two or more axes.

**Structural zeros.** A tensor with more rows than columns - 1 is singular once its rows are
centred, and so is the last layer, whose rows sum to zero. Each eigenvalue of zero adds
:math:`-(\log k + 1/k) \approx -99{,}988`, against tens to hundreds from all others, so that the
score as printed (`zeros="keep"`) is mostly a count of convolutions 1x1. With
`zeros="structural-removed"` those eigenvalues, whose number the shapes alone tell, are left out.

**Constant rows.** A unit that no example reaches, such as a dead ReLU, has a row of zeros, which
has no correlation: one of them makes the score NaN. With `constant_rows="drop"` such rows are left
out, as if the layer were narrower by those units; a tensor with none left counts as not in use.
The score's name then ends in `_nc`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import jax.numpy as jnp
from jax import lax

from jaxnas.checks import check_fields, ranges
from jaxnas.proxies.proxy import Proxy, name
from jaxnas.proxies.quantities import ParameterGradient, Tensors
from jaxnas.proxies.similarity import (
    ROOT,
    ConstantRows,
    K,
    cosine_score,
    eigenvalue_score,
    is_constant,
    is_zero,
    spectrum,
    spectrum_without,
)
from jaxnas.representation import shown_by_call
from jaxnas.types import Array

Zeros = Literal["keep", "structural-removed"]
ZEROS: tuple[Zeros, ...] = get_args(Zeros)


@shown_by_call
def pjs(*, zeros: Zeros = "keep", k: float = K, constant_rows: ConstantRows = "keep") -> Proxy:
    r"""Parameters Jacobian score: :math:`\frac1N \sum_i S_i`, eigenvalue scores.

    Source: Parameters Scoring, section 3.2 (PJS).

    Args:
        zeros: whether eigenvalues that are zero for the shapes' sake count; see the module.
        k: constant that keeps the logarithm and the reciprocal finite.
        constant_rows: whether rows that are constant make it NaN ("keep") or are left out ("drop");
            see the module.

    Raises:
        ValueError: a constant is not what it should be.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.pjs()(lambda w, x: x @ w, w, x, y):.3f}")
        -99991.624
    """
    return _by_eigenvalues("pjs", _mean, zeros, k, constant_rows)


@shown_by_call
def pjsc(*, root: int = ROOT, constant_rows: ConstantRows = "keep") -> Proxy:
    r"""Parameters Jacobian score by cosines: :math:`\frac1N \sum_i S_i`.

    Source: Parameters Scoring, section 3.2 (PJSC).

    Args:
        root: the root taken of the cosines' absolute values.
        constant_rows: whether rows of zeros make it NaN ("keep") or are left out ("drop"), and with
            them a tensor with fewer than two others.

    Raises:
        ValueError: a constant is not what it should be.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.pjsc()(lambda w, x: x @ w, w, x, y):.3f}")
        0.061
    """
    scores = CosineScores(root, constant_rows)
    label = name(_suffixed("pjsc", "keep", constant_rows), ("root", scores.root, ROOT))
    return Proxy(label, ParameterGradient(), _mean, scores)


@shown_by_call
def wpjs(*, zeros: Zeros = "keep", k: float = K, constant_rows: ConstantRows = "keep") -> Proxy:
    r"""Parameters Jacobian score weighted towards the output, as printed.

    It is :math:`\frac1N \frac{2}{N(N+1)} \sum_i i\,S_i`.

    Source: Parameters Scoring, section 3.2 (WPJS). Arguments as `pjs`'s.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.wpjs()(lambda w, x: x @ w, w, x, y):.3f}")
        -99991.624
    """
    return _by_eigenvalues(
        "wpjs",
        lambda scores: _weighted(scores, lambda i, n: i),
        zeros,
        k,
        constant_rows,
        ordered=True,
    )


@shown_by_call
def wpjsi(*, zeros: Zeros = "keep", k: float = K, constant_rows: ConstantRows = "keep") -> Proxy:
    r"""Parameters Jacobian score weighted towards the input.

    It is :math:`\frac1N \frac{2}{N(N+1)} \sum_i (N+1-i)\,S_i`.

    Source: Parameters Scoring, section 3.2 (WPJSI). Arguments as `pjs`'s.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.wpjsi(zeros='structural-removed')(lambda w, x: x @ w, w, x, y):.3f}")
        -3.137
    """
    return _by_eigenvalues(
        "wpjsi",
        lambda scores: _weighted(scores, lambda i, n: n + 1 - i),
        zeros,
        k,
        constant_rows,
        ordered=True,
    )


class TensorScores(NamedTuple):
    """S_i of every tensor [N], 0 where it is not in use, and which are [N]."""

    scores: Array
    live: Array


@dataclass(frozen=True)
class EigenvalueScores:
    """S_i by eigenvalues."""

    zeros: Zeros = "keep"
    k: ranges.Positive = K
    constant_rows: ConstantRows = "keep"

    def __post_init__(self) -> None:
        check_fields(self)

    def of(self, gradient: Tensors) -> TensorScores:
        if self.constant_rows == "keep":
            return _score_tensors(gradient, self._score)
        found = _score_tensors(gradient, self._score_of_those_that_vary)
        return _with_rows_left(found, gradient, is_constant, 1)

    def _score(self, rows: Array, is_output: Array) -> Array:
        if self.zeros == "keep":
            return eigenvalue_score(spectrum(rows), self.k)
        skip = jnp.where(
            is_output, structural_zeros(rows.shape, True), structural_zeros(rows.shape, False)
        )
        return eigenvalue_score(spectrum(rows), self.k, skip)

    def _score_of_those_that_vary(self, rows: Array, is_output: Array) -> Array:
        constant = is_constant(rows)
        skip = jnp.sum(constant)
        if self.zeros == "structural-removed":
            height, width = rows.shape
            # By how many rows are left, which only the run knows.
            zeros = [
                [structural_zeros((left, width), output) for left in range(height + 1)]
                for output in (False, True)
            ]
            skip = skip + jnp.asarray(zeros)[is_output.astype(int), height - skip]
        return eigenvalue_score(spectrum_without(rows, constant), self.k, skip)


@dataclass(frozen=True)
class CosineScores:
    """S_i by cosines."""

    root: ranges.Count = ROOT
    constant_rows: ConstantRows = "keep"

    def __post_init__(self) -> None:
        check_fields(self)

    def of(self, gradient: Tensors) -> TensorScores:
        if self.constant_rows == "keep":
            return _score_tensors(gradient, lambda rows, _: cosine_score(rows, self.root))
        found = _score_tensors(
            gradient, lambda rows, _: cosine_score(rows, self.root, is_zero(rows))
        )
        return _with_rows_left(found, gradient, is_zero, 2)


def structural_zeros(shape: tuple[int, ...], is_output: bool) -> int:
    """Zero eigenvalues that a gradient's correlation has whatever its values.

    Args:
        shape: (rows, columns) of the gradient.
        is_output: whether the rows are the logits': a softmax gradient's rows sum to zero.
    """
    rows, columns = shape
    rank = min(rows, columns - 1)
    return rows - (min(rank, rows - 1) if is_output else rank)


def _score_tensors(gradient: Tensors, score: Callable[[Array, Array], Array]) -> TensorScores:
    """Scores the tensors in use; those of one shape share one compiled loop.

    Args:
        gradient: of all tensors.
        score: from a tensor's rows and whether it is the output layer, the last in use.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, rows in enumerate(gradient.rows):
        groups.setdefault(rows.shape[-2:], []).append(i)
    position = jnp.arange(len(gradient.live))
    is_output = gradient.live & (
        position == jnp.max(jnp.where(gradient.live, position, -1), initial=-1)
    )
    scores = jnp.zeros(len(gradient.live), jnp.float64)

    def score_if_live(tensor: tuple[Array, Array, Array]) -> Array:
        live, is_output, rows = tensor
        zero = jnp.zeros((), jnp.float64)
        return lax.cond(live, lambda a: score(a, is_output), lambda _: zero, rows)

    for members in groups.values():
        at = jnp.asarray([place for i in members for place in gradient.places[i]])
        several = [gradient.rows[i] for i in members]
        if all(rows.ndim == 2 for rows in several):
            stacked = jnp.stack(several)
        else:
            stacked = jnp.concatenate([rows if rows.ndim == 3 else rows[None] for rows in several])
        found = lax.map(score_if_live, (gradient.live[at], is_output[at], stacked))
        scores = scores.at[at].set(found)
    return TensorScores(scores, gradient.live)


def _with_rows_left(
    found: TensorScores, gradient: Tensors, left_out: Callable[[Array], Array], least: int
) -> TensorScores:
    """The scores, with tensors of fewer rows than `least` that are not left out not in use."""
    left = [jnp.atleast_1d(jnp.sum(~left_out(rows), axis=-1)) >= least for rows in gradient.rows]
    at = [place for members in gradient.places for place in members]
    enough = jnp.ones(len(found.live), bool)
    if left:
        enough = enough.at[jnp.asarray(at)].set(jnp.concatenate(left))
    return found._replace(live=found.live & enough)


def _mean(tensors: TensorScores) -> Array:
    return jnp.sum(jnp.where(tensors.live, tensors.scores, 0)) / jnp.sum(tensors.live)


def _weighted(tensors: TensorScores, weight: Callable[[Array, Array], Array]) -> Array:
    n = jnp.sum(tensors.live)
    position = jnp.cumsum(tensors.live)
    weighted = jnp.where(tensors.live, weight(position, n) * tensors.scores, 0)
    return 2 * jnp.sum(weighted) / (n * n * (n + 1))


def _by_eigenvalues(
    score: str,
    reduce: Callable[[TensorScores], Array],
    zeros: Zeros,
    k: float,
    constant_rows: ConstantRows,
    *,
    ordered: bool = False,
) -> Proxy:
    """A proxy of the eigenvalue scores of all tensors."""
    scores = EigenvalueScores(zeros, k, constant_rows)
    label = name(_suffixed(score, zeros, constant_rows), ("k", scores.k, K))
    # Which tensor is the last tells which rows sum to zero.
    ordered = ordered or zeros != "keep"
    return Proxy(label, ParameterGradient(), reduce, scores, ordered=ordered)


def _suffixed(score: str, zeros: Zeros, constant_rows: ConstantRows) -> str:
    """A score's name with what is left out: _nz without zeros, _nc without constant rows."""
    removed = "" if zeros == "keep" else "_nz"
    return score + removed + ("" if constant_rows == "keep" else "_nc")
