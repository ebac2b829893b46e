"""What a quantity is, and the pass through a network that gives it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from jaxnas.proxies.subject import Subject


class Pass(Protocol):
    """One way to go through a network that gives several quantities; equal passes are one.

    A frozen dataclass.
    """

    def compute(self, quantities: Collection[Any], subject: Subject) -> dict[Quantity, Any]:
        """Quantities of this pass, traceable by JAX; what they share is computed once."""


class Quantity(Protocol):
    """A frozen dataclass that says what to compute of a network.

    Attributes:
        source: the pass that gives it.
        joint: the same of examples that share one batch and, with batch statistics, its
            normalisation; the quantity itself where they do already.
        cheaper_jointly: whether `joint` costs a fraction of it where examples do not meet in batch
            normalisation, so that both are the same numbers.
    """

    @property
    def source(self) -> Pass: ...

    @property
    def joint(self) -> Quantity: ...

    @property
    def cheaper_jointly(self) -> bool: ...


def compute(quantities: Sequence[Quantity], subject: Subject) -> list[Any]:
    """The values of quantities that one pass gives, in their order."""
    found = quantities[0].source.compute(quantities, subject)
    return [found[quantity] for quantity in quantities]
