"""The constants that every search on a supernet has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from jaxnas.checks import check_fields, kinds_of, quoted, ranges
from jaxnas.results import JSON

_WHOLE = re.compile(r"[+-]?[0-9]+")

Alternation = Literal["alpha-first", "weights-first", "together"]
"""The order of a step. Bilevel, α on a batch of the validation half and the weights on one of the
training half, one after the other; or both at once on one batch of the training images."""

Rule = Literal["every-edge", "top-edges", "top-pairs"]
"""Which edges and operations of the DARTS space stay, see `jaxnas.spaces.darts.discretise`; cells
of NAS-Bench-201 have all edges, each with its heaviest operation, `none` among them."""


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

    epochs: ranges.Epochs = 50
    batch_size: ranges.NormalisedBatchSize = 64
    channels: ranges.Channels = 16
    depth: ranges.Depth = 8
    weight_rate: ranges.Positive = 0.025
    final_weight_rate: ranges.NotNegative = 0.001
    momentum: ranges.Fraction = 0.9
    nesterov: bool = False
    weight_decay: ranges.NotNegative = 3e-4
    weight_clip: ranges.Positive | None = 5.0
    alpha_rate: ranges.Positive = 3e-4
    alpha_beta1: ranges.Fraction = 0.5
    alpha_beta2: ranges.Fraction = 0.999
    alpha_epsilon: ranges.Positive = 1e-8
    alpha_estimates: ranges.Count = 1
    alpha_decay: ranges.NotNegative = 1e-3
    alpha_clip: ranges.Positive | None = None
    alpha_mean: ranges.Finite = 0.0
    alpha_deviation: ranges.NotNegative = 1e-3
    alternation: Alternation = "alpha-first"
    rule: Rule = "top-edges"
    valid_fraction: ranges.Part = 0.5
    eval_batch_size: ranges.BatchSize = 512
    candidates: ranges.CountOrNone = 0

    def __post_init__(self) -> None:
        check_fields(self)

    def identity(self) -> dict[str, JSON]:
        """What the folder of a search compares."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def upgraded(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a folder holds, under the names that they have now."""
    return {"depth" if name == "cells" else name: value for name, value in stored.items()}


def parse(recipe: type[Recipe], name: str, text: str) -> Any:
    """The value of a constant as it is written: a number, true or false, none, or a word.

    Raises:
        ValueError: the recipe has no such constant, or the text is none of its values.
    """
    kinds = kinds_of(recipe)
    if name not in kinds:
        raise ValueError(f"constant {quoted(name)}: expected one of {', '.join(kinds)}")
    value = kinds[name].parse(name, text)
    # A whole number stays one: to a folder that was begun so, 0 and 0.0 are two settings.
    return int(text) if isinstance(value, float) and _WHOLE.fullmatch(text.strip()) else value
