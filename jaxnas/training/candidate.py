"""A candidate: a network to be trained, by its name, as pure functions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import optax  # type: ignore[import-untyped]

from jaxnas.types import Array, Params


class Loss(Protocol):
    """What training minimises."""

    def __call__(
        self,
        params: Params,
        batch_stats: Params,
        x: Array,
        y: Array,
        key: Array,
        done: Array,
        /,
    ) -> tuple[Array, tuple[Array, Params]]:
        """The loss [], the logits [B, classes], and the running statistics moved by the batch.

        Args:
            params: of the network.
            batch_stats: its running statistics.
            x: images [B, H, W, 3], augmented and normalised.
            y: labels int [B].
            key: of what is drawn in the network.
            done: [], the part of the epochs that is over, from 0, the same through an epoch.
        """


@dataclass(frozen=True)
class Candidate:
    """A network that can be trained.

    Attributes:
        name: of its folder and its rows, the same whenever the network is: the official index of a
            cell, or a word for a genotype.
        arch: the architecture in its space's notation.
        params: trainable parameters, what only training uses left out.
        loss: of training.
        logits: (parameters, running statistics, x [B, H, W, 3]) -> [B, classes], once trained.
        initial: draws the parameters of a seed.
    """

    name: str
    arch: str
    params: int
    loss: Loss
    logits: Callable[[Params, Params, Array], Array]
    initial: Callable[[int], Params]


def label(name: str) -> str:
    """A candidate's name as a sentence has it: "cell 855" or "darts-v1"."""
    return f"cell {name}" if name.isdecimal() else name


def cross_entropy(logits: Array, y: Array) -> Array:
    """Mean cross-entropy in nats, []."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
