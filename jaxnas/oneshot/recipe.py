"""The constants that every search on a supernet has."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from jaxnas.results import JSON

Alternation = Literal["alpha-first", "weights-first", "together"]
"""The order of a step. Bilevel, α on a batch of the validation half and the weights on one of the
training half, one after the other; or both at once on one batch of the training images."""

Rule = Literal["every-edge", "top-edges", "top-pairs"]
"""Which edges and operations of the DARTS space stay, see `jaxnas.spaces.darts.discretise`; cells
of NAS-Bench-201 have all edges, each with its heaviest operation, `none` among them."""

_COUNTS = ("epochs", "batch_size", "channels", "depth", "alpha_estimates", "eval_batch_size")
_POSITIVE = ("alpha_rate", "alpha_epsilon", "weight_rate")
_FRACTIONS = ("momentum", "alpha_beta1", "alpha_beta2")


@dataclass(frozen=True)
class Recipe:
    """How a supernet is searched; the defaults are those of DARTS (Liu et al., ICLR 2019).

    Attributes:
        epochs: passes over the images that train the weights.
        batch_size: images of a batch; what is left of an epoch is left out.
        channels: channels of the supernet's first stage or cell.
        depth: cells, counted as the space does.
        weight_rate: learning rate of the weights in the first epoch, by SGD.
        final_weight_rate: to which a cosine takes it, epoch by epoch.
        momentum: of SGD.
        nesterov: whether it is Nesterov's.
        weight_decay: times a weight, added to its gradient after clipping.
        weight_clip: largest norm of the gradient by the weights; None for any.
        alpha_rate: learning rate of α, by Adam.
        alpha_beta1: Adam's.
        alpha_beta2: Adam's.
        alpha_epsilon: Adam's.
        alpha_estimates: estimates of the gradient that a step of Adam is the mean of, one a batch.
        alpha_decay: times α, added to its gradient after clipping.
        alpha_clip: as `weight_clip`, of the gradient by α.
        alpha_mean: of the normal distribution that α begins with.
        alpha_deviation: likewise.
        alternation: see `Alternation`.
        rule: see `Rule`.
        valid_fraction: part of each class of the training images that is held out: α's in a
            bilevel search, and in any the images of the validation loss and accuracy.
        eval_batch_size: validation images normalised together.
        candidates: where above 0, so many sampled architectures are scored at the end, each on one
            batch of validation images, and the best is what is found.

    Raises:
        ValueError: a constant is not what it should be.
    """

    epochs: int = 50
    batch_size: int = 64
    channels: int = 16
    depth: int = 8
    weight_rate: float = 0.025
    final_weight_rate: float = 0.001
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    weight_clip: float | None = 5.0
    alpha_rate: float = 3e-4
    alpha_beta1: float = 0.5
    alpha_beta2: float = 0.999
    alpha_epsilon: float = 1e-8
    alpha_estimates: int = 1
    alpha_decay: float = 1e-3
    alpha_clip: float | None = None
    alpha_mean: float = 0.0
    alpha_deviation: float = 1e-3
    alternation: Alternation = "alpha-first"
    rule: Rule = "top-edges"
    valid_fraction: float = 0.5
    eval_batch_size: int = 512
    candidates: int = 0

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in fields(self):
            _check_type(field.name, getattr(self, field.name), hints[field.name])
        for name in _COUNTS:
            self.require(name, 1)
        for name in _POSITIVE:
            self.require(name, 0, open_low=True)
        for name in ("weight_clip", "alpha_clip"):
            if getattr(self, name) is not None:
                self.require(name, 0, open_low=True)
        for name in _FRACTIONS:
            self.require(name, 0, 1)
        self.require("valid_fraction", 0, 1, open_low=True)
        for name in ("final_weight_rate", "weight_decay", "alpha_decay", "alpha_deviation"):
            self.require(name, 0)
        self.require("candidates", 0)
        if self.batch_size < 2:
            raise ValueError("batch_size: expected 2 or more, as batches are normalised, got 1")

    def require(
        self, name: str, low: float, high: float = math.inf, *, open_low: bool = False
    ) -> None:
        """Raises ValueError unless low ≤ the constant < high; low < the constant if `open_low`."""
        value = getattr(self, name)
        if not (low < value if open_low else low <= value) or not value < high:
            words = f"above {low:g}" if open_low else f"from {low:g}"
            words += "" if high == math.inf else f", below {high:g}"
            raise ValueError(f"{name}: expected a number {words}, got {value:g}")

    def identity(self) -> dict[str, JSON]:
        """What the folder of a search compares."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def upgraded(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a folder holds, under the names that they have now."""
    return {"depth" if name == "cells" else name: value for name, value in stored.items()}


def _check_type(name: str, value: Any, hint: Any) -> None:
    if typing.get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(f"{name}: expected {' or '.join(get_args(hint))}, got {value!r}")
        return
    kinds = get_args(hint) or (hint,)
    if value is None and type(None) in kinds:
        return
    if bool in kinds:
        right = isinstance(value, bool)
    else:
        numbers = (int, float) if float in kinds else (int,)
        right = isinstance(value, numbers) and not isinstance(value, bool)
        right = right and math.isfinite(value)
    if not right:
        words = {bool: "true or false", int: "a whole number", float: "a finite number"}
        expected = next(words[kind] for kind in words if kind in kinds)
        optional = " or none" if type(None) in kinds else ""
        raise ValueError(f"{name}: expected {expected}{optional}, got {value!r}")


def parse(recipe: type[Recipe], name: str, text: str) -> Any:
    """The value of a constant as it is written: a number, true or false, none, or a word.

    Raises:
        ValueError: the recipe has no such constant; a wrong value is the recipe's to refuse.
    """
    hints = typing.get_type_hints(recipe)
    known = [field.name for field in fields(recipe)]
    if name not in known:
        raise ValueError(f"constant {name!r}: expected one of {', '.join(known)}")
    kinds = get_args(hints[name]) or (hints[name],)
    if typing.get_origin(hints[name]) is Literal:
        return text
    word = text.strip().lower()
    if word == "none" and type(None) in kinds:
        return None
    if bool in kinds:
        return {"true": True, "false": False}.get(word, text)
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return text
