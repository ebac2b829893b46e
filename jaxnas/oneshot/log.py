"""What a search tells of its epochs, and of its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from jaxnas.results import JSON


@dataclass(frozen=True)
class Epoch:
    """One pass over the images that train the weights.

    Attributes:
        epoch: counted from 1.
        train_loss: mean cross-entropy of what the weights learned from, each batch before its step.
        valid_loss: cross-entropy on the images held out, of `architecture` with shared weights.
        valid_accuracy: the same, percent.
        entropy: of the distribution over architectures, nats, the mean over edges; NaN where there
            is none.
        temperature: of the epoch's last step; NaN where there is none.
        skips: edges of `architecture` that are the identity.
        evaluations: networks evaluated on a batch so far, to learn α and the weights.
        seconds: of the epoch; of the first with compilation.
        architecture: what would be found now: the method's choice by α, or, where a method only
            samples, one drawn.
    """

    epoch: int
    train_loss: float
    valid_loss: float
    valid_accuracy: float
    entropy: float
    temperature: float
    skips: int
    evaluations: int
    seconds: float
    architecture: str


@dataclass(frozen=True)
class Outcome:
    """What a search has found.

    Attributes:
        method: name of the method.
        space: name of the space.
        dataset: name of the images.
        seed: the random seed.
        constants: of the method's recipe.
        architecture: an arch string or a genotype.
        ops: of each edge; of two that a genotype has on one edge the heavier.
        valid_accuracy: percent of the images held out, with shared weights.
        alpha: of the distribution, each array as nested lists.
        candidates: architectures sampled at the end with their percent on one batch, if any.
        epochs: the search's course.
    """

    method: str
    space: str
    dataset: str
    seed: int
    constants: Mapping[str, JSON]
    architecture: str
    ops: tuple[int, ...]
    valid_accuracy: float
    alpha: Any
    candidates: tuple[tuple[str, float], ...]
    epochs: tuple[Epoch, ...]

    def to_json(self) -> str:
        """All but the course, as text."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        del content["epochs"]
        return json.dumps(content, allow_nan=False, indent=1) + "\n"
