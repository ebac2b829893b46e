"""In which operations a network's parameters meet its data, as a trace tells it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

Key: TypeAlias = tuple[int, tuple[tuple[int, int], ...]]
"""A parameter's number, and (axis, place) along each axis of which one slice is meant."""


class Link(NamedTuple):
    """An axis of a parameter that lies along data's axis which another parameter's axis made."""

    axis: int
    other: Key
    other_axis: int


@dataclass(frozen=True)
class Use:
    """What the operations in which a tensor meets data do with its axes.

    Attributes:
        inputs: axes that are summed over with the data's, or picked by it.
        outputs: axes that go over to the result.
        stacked: axes along which each slice meets data of its own.
        links: of axes that only lie along the data's.
        rivals: tensors that are one value with this one when it first meets data, so that neither
            comes first.
    """

    inputs: frozenset[int] = frozenset()
    outputs: frozenset[int] = frozenset()
    stacked: frozenset[int] = frozenset()
    links: frozenset[Link] = frozenset()
    rivals: frozenset[Key] = frozenset()

    def along_with(self, other: Use) -> Use:
        """Both uses; the rivals are the first's."""
        return Use(
            self.inputs | other.inputs,
            self.outputs | other.outputs,
            self.stacked | other.stacked,
            self.links | other.links,
            self.rivals,
        )


@dataclass
class Uses:
    """The uses so far.

    Attributes:
        by_key: of each tensor, in the order of first uses.
        unclear: tensors that come in different orders in the branches of a condition.
        idle: parameters that the outputs do not need.
        added_up: parameters whose slices meet data entry by entry, in terms of one sum.
        in_turn: parameters of which a slice meets what another one has changed.
    """

    by_key: dict[Key, Use] = field(default_factory=dict)
    unclear: set[Key] = field(default_factory=set)
    idle: set[int] = field(default_factory=set)
    added_up: set[int] = field(default_factory=set)
    in_turn: set[int] = field(default_factory=set)

    def add(self, key: Key, use: Use) -> None:
        """One more use, of a tensor that may be new."""
        known = self.by_key.get(key)
        self.by_key[key] = use if known is None else known.along_with(use)

    def stack(self, key: Key, axis: int) -> None:
        """An axis of a tensor turns out to be one along which networks are side by side."""
        known = self.by_key.get(key)
        if known is not None:
            self.by_key[key] = replace(
                known, stacked=known.stacked | {axis}, outputs=known.outputs - {axis}
            )

    def add_branches(self, branches: Sequence[Uses]) -> None:
        """The uses of alternatives, each of which knows those before them."""
        before = len(self.by_key)
        orders = [list(branch.by_key)[before:] for branch in branches]
        order: list[Key] = []
        for other in orders:
            order, unclear = _joined(order, other)
            self.unclear |= unclear
        for branch in branches:
            self.unclear |= branch.unclear
            self.added_up |= branch.added_up
            self.in_turn |= branch.in_turn
        for key in (*list(self.by_key), *order):
            for branch in branches:
                if key in branch.by_key:
                    self.add(key, branch.by_key[key])

    def fill_up(self, other: Uses) -> None:
        """The uses of parameters that have none here, where they come in another reading."""
        met = {number for number, _ in self.by_key}
        more = [key for key in other.by_key if key in self.by_key or key[0] not in met]
        order, _ = _joined(list(self.by_key), more)
        self.by_key = {key: self.by_key.get(key) or other.by_key[key] for key in order}
        self.added_up |= other.added_up - met
        self.in_turn |= other.in_turn - met

    def copy(self) -> Uses:
        return Uses(dict(self.by_key))


def _joined(one: list[Key], two: list[Key]) -> tuple[list[Key], set[Key]]:
    """One order in which both are, and the tensors that make it impossible."""
    common = set(one) & set(two)
    first, second = ([key for key in order if key in common] for order in (one, two))
    unclear = {a for a, b in zip(first, second, strict=True) if a != b}
    if unclear:
        return [*one, *(key for key in two if key not in common)], unclear
    rest = iter(two)
    joined: list[Key] = []
    for key in one:
        if key in common:
            joined.extend(_until(rest, key))
        joined.append(key)
    return [*joined, *rest], unclear


def _until(keys: Iterable[Key], end: Key) -> list[Key]:
    found = []
    for key in keys:
        if key == end:
            break
        found.append(key)
    return found
