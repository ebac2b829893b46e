"""How a parameter's axes lie along the axes of a value that is made of it.

A value that was cast, masked, transposed, reshaped or joined with others still is the parameter; a
`Spread` says where each of the parameter's axes went. Every function here is one such change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

Shape: TypeAlias = tuple[int, ...]

BLANK = -1
"""The axis of pieces along which nothing of the parameter changes, as after a broadcast."""


class Piece(NamedTuple):
    """A parameter's axis or a factor of it.

    Attributes:
        axis: the parameter's axis, or `BLANK`.
        size: number of entries, 0 where it cannot be told.
    """

    axis: int
    size: int


class Along(NamedTuple):
    """What of a parameter lies along one axis of a value.

    Attributes:
        pieces: the parameter's axes, slowest first.
        start: where it starts along the value's axis.
        size: how many entries of the value's axis it takes.
    """

    pieces: tuple[Piece, ...]
    start: int
    size: int

    @property
    def axes(self) -> tuple[int, ...]:
        """The parameter's axes here."""
        return tuple(piece.axis for piece in self.pieces if piece.axis != BLANK)

    @property
    def is_exact(self) -> bool:
        """Whether the pieces' sizes are known."""
        return math.prod(piece.size for piece in self.pieces) == self.size


Spread: TypeAlias = tuple[Along, ...]


def whole(shape: Shape) -> Spread:
    """A parameter as it is."""
    return tuple(Along((Piece(axis, size),), 0, size) for axis, size in enumerate(shape))


def lost(shape: Shape) -> Spread:
    """A value made of a parameter in ways that mix its axes."""
    return tuple(_blank(size) for size in shape)


def broadcast(spread: Spread, old: Shape, new: Shape, axes: Sequence[int]) -> Spread:
    """The value's axes become `axes` of a larger one; those of size one may be repeated."""
    found = list(lost(new))
    for along, size, axis in zip(spread, old, axes, strict=True):
        if size == new[axis]:
            found[axis] = along
    return tuple(found)


def transposed(spread: Spread, axes: Sequence[int]) -> Spread:
    """The value's axes in another order."""
    return tuple(spread[axis] for axis in axes)


def placed(spread: Spread, axes: Sequence[int], places: Sequence[int], shape: Shape) -> Spread:
    """Some axes of the value, in their places in another value of this shape."""
    found = list(lost(shape))
    for axis, place in zip(axes, places, strict=True):
        if spread[axis].axes:
            found[place] = spread[axis]
    return tuple(found)


def without(spread: Spread, axes: Sequence[int]) -> Spread:
    """Without axes of the value: reduced, or of size one and squeezed."""
    return tuple(along for axis, along in enumerate(spread) if axis not in axes)


def moved(spread: Spread, axis: int, by: int, size: int) -> Spread:
    """The value is put into a longer one, `by` entries further along an axis of now this size."""
    along = spread[axis]
    if not along.axes and along.start == 0 and along.size == size:
        return spread
    return (*spread[:axis], along._replace(start=along.start + by), *spread[axis + 1 :])


def merged(spreads: Sequence[Spread]) -> Spread:
    """One parameter that comes in several operands of one shape."""
    return tuple(_merged(alongs) for alongs in zip(*spreads, strict=True))


def sliced(
    spread: Spread, start: Sequence[int], limit: Sequence[int], shape: Shape
) -> tuple[Spread, tuple[tuple[int, int], ...]] | None:
    """A part of the value, and the places along the parameter's axes where it is one entry.

    Args:
        spread: of the value.
        start: of the part, along each axis.
        limit: its end.
        shape: the parameter's.

    Returns:
        None where nothing of the parameter is in that part.
    """
    found, places = [], []
    for along, first, last in zip(spread, start, limit, strict=True):
        low, high = max(first, along.start), min(last, along.start + along.size)
        size = high - low
        if size <= 0:
            return None
        pieces = along.pieces
        single = pieces[0] if len(pieces) == 1 else Piece(BLANK, 0)
        if size == along.size:
            pass
        elif size == 1 and single.axis != BLANK and single.size == shape[single.axis]:
            places.append((single.axis, low - along.start))
            pieces = (Piece(BLANK, 1),)
        elif len(pieces) == 1:
            pieces = (Piece(single.axis, size),)
        found.append(Along(pieces, low - first, size))
    return tuple(found), tuple(places)


def strided(spread: Spread, strides: Sequence[int], shape: Shape) -> Spread:
    """Every so many entries of a value, which leaves this shape."""
    return tuple(
        along if stride == 1 else Along(tuple(Piece(axis, 0) for axis in along.axes), 0, size)
        for along, stride, size in zip(spread, strides, shape, strict=True)
    )


def reshaped(spread: Spread, old: Shape, new: Shape) -> Spread:
    """The value in another shape."""
    found = list(lost(new))
    for ins, outs in _groups(old, new):
        alongs = [spread[axis] for axis in ins]
        for axis, along in zip(outs, _regrouped(alongs, [new[o] for o in outs]), strict=True):
            found[axis] = along
    return tuple(found)


def _groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """Axes that hold the same entries before and after a reshape, without those of size one."""
    ins = [axis for axis, size in enumerate(old) if size != 1]
    outs = [axis for axis, size in enumerate(new) if size != 1]
    found = []
    while ins and outs:
        group: tuple[list[int], list[int]] = ([ins.pop(0)], [outs.pop(0)])
        while True:
            before = math.prod(old[axis] for axis in group[0])
            after = math.prod(new[axis] for axis in group[1])
            if before == after or not (ins if before < after else outs):
                break
            if before < after:
                group[0].append(ins.pop(0))
            else:
                group[1].append(outs.pop(0))
        found.append(group)
    return found


def _regrouped(alongs: Sequence[Along], sizes: Sequence[int]) -> list[Along]:
    """What lies along some axes, along axes of other sizes with the same product."""
    if len(alongs) == len(sizes) == 1:
        return list(alongs)
    first, rest = alongs[0], math.prod(sizes[1:])
    inner = math.prod(along.size for along in alongs[1:])
    pieces = [piece for along in alongs for piece in along.pieces]
    # Only the slowest axis may be taken in part: a part of another one is no block.
    tellable = (
        all(along.is_exact for along in alongs)
        and all(along.start == 0 for along in alongs[1:])
        and first.size * inner % rest == first.start * inner % rest == 0
    )
    found = []
    left = pieces
    for number, size in enumerate(sizes):
        start, length = 0, size
        if number == 0:
            start, length = first.start * inner // rest, first.size * inner // rest
        taken, left, exactly = _taken(left, length)
        tellable = tellable and exactly
        found.append(Along(taken, start, length))
    if tellable:
        return found
    every = tuple(Piece(piece.axis, 0) for piece in pieces if piece.axis != BLANK)
    return [Along(every, 0, size) for size in sizes]


def _taken(pieces: list[Piece], size: int) -> tuple[tuple[Piece, ...], list[Piece], bool]:
    """The slowest pieces that make up this size, what is left, and whether they do."""
    taken = []
    left = [piece for piece in pieces if piece.size != 1]
    while size > 1 and left:
        piece = left.pop(0)
        if piece.size and size % piece.size == 0:
            taken.append(piece)
            size //= piece.size
        elif piece.size % size == 0:
            taken.append(Piece(piece.axis, size))
            left.insert(0, Piece(piece.axis, piece.size // size))
            size = 1
        else:
            return (), pieces, False
    return tuple(taken), left, size == 1


def _merged(alongs: Sequence[Along]) -> Along:
    telling = list(dict.fromkeys(along for along in alongs if along.axes)) or list(alongs)
    start = min(along.start for along in telling)
    size = max(along.start + along.size for along in telling) - start
    axes = dict.fromkeys(axis for along in telling for axis in along.axes) or {BLANK: None}
    if len(set(telling)) == 1:
        return telling[0]
    if len(axes) == 1:
        return Along((Piece(next(iter(axes)), size),), start, size)
    return Along(tuple(Piece(axis, 0) for axis in axes), start, size)


def _blank(size: int) -> Along:
    return Along((Piece(BLANK, size),), 0, size)
