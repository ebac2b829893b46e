"""Why a score is NaN, told in a warning: which gradients have rows of which nothing can be said."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import printable
from jaxnas.proxies.quantities import GradientSums, Tensors
from jaxnas.types import Tensor

_SHOWN = 8  # rows named one by one


class UndefinedScore(UserWarning):
    """A score is NaN; the message names the scores, the tensors or examples, and their rows."""


def warn(values: Mapping[str, Any], order: Sequence[Tensor], stacklevel: int) -> None:
    """Warns once of all scores that are undefined.

    Args:
        values: name of each score that is NaN → the gradient it is made of.
        order: the tensors with two or more axes, as the subject's.
        stacklevel: as of `warnings.warn`, for the caller of this function.
    """
    names: dict[str, list[str]] = {}
    for name, value in values.items():
        told = "; ".join(reasons(value, order)) or "it is undefined for this batch"
        names.setdefault(told, []).append(name)
    text = "\n".join(f"{', '.join(members)}: NaN, since {why}" for why, members in names.items())
    if " is constant in " in text:
        text += "\nconstant_rows='drop', as in pjs(constant_rows='drop'), leaves such rows out"
    warnings.warn(printable(text), UndefinedScore, stacklevel=stacklevel + 1)


@singledispatch
def reasons(gradient: Any, order: Sequence[Tensor]) -> list[str]:
    """What makes the scores of a gradient undefined, each in a few words; none where it is unknown.

    Args:
        gradient: a quantity's value: a matrix of a row an example, `Tensors`, or `GradientSums`.
        order: the tensors with two or more axes, as the subject's.
    """
    rows = np.asarray(gradient)
    what = "the gradient by x"
    if not np.isfinite(rows).all():
        return [f"{what} is not finite"]
    if not rows.any():
        return [f"{what} is zero: the output does not depend on the input"]
    return _listed(what, "constant in", "examples", _constant(rows)) if rows.ndim == 2 else []


@reasons.register
def _(gradient: GradientSums, order: Sequence[Tensor]) -> list[str]:
    norms = np.diagonal(np.asarray(gradient.gram))
    what = "the gradient by the parameters"
    if not np.isfinite(norms).all():
        return [f"{what} is not finite"]
    return _listed(what, "zero in", "examples", norms == 0)


@reasons.register
def _(gradient: Tensors, order: Sequence[Tensor]) -> list[str]:
    live = np.asarray(gradient.live)
    matrices: dict[int, NDArray[Any]] = {}
    for rows, places in zip(gradient.rows, gradient.places, strict=True):
        stacked = np.asarray(rows).reshape(-1, *rows.shape[-2:])
        matrices.update(zip(places, stacked, strict=True))
    used = {_label(order[place]): matrices[place] for place in sorted(matrices) if live[place]}
    if not used:
        return ["no parameter with two or more axes is in use"]
    found = [
        reason
        for label, rows in used.items()
        for reason in (
            _listed(f"the gradient by {label}", "constant in", "rows", _constant(rows))
            if np.isfinite(rows).all()
            else [f"the gradient by {label} is not finite"]
        )
    ]
    single = [label for label, rows in used.items() if len(rows) == 1]
    return found or [f"the gradient by {label} has one row, which has no pair" for label in single]


def _label(tensor: Tensor) -> str:
    path = "/".join(tensor.path) or "params"
    return path if tensor.place is None else f"{path}[{tensor.place}]"


def _constant(rows: NDArray[Any]) -> NDArray[np.bool_]:
    return rows.max(axis=1) == rows.min(axis=1)


def _listed(what: str, how: str, kind: str, which: NDArray[np.bool_]) -> list[str]:
    """Which rows of a matrix are so, in words; nothing where none is."""
    at = np.flatnonzero(which)
    if not len(at):
        return []
    shown = ", ".join(map(str, at[:_SHOWN])) + (", ..." if len(at) > _SHOWN else "")
    return [f"{what} is {how} {len(at)} of {len(which)} {kind}: {shown}"]
