"""The tensors of a network in forward order, from the uses of its parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from jaxnas.proxies.usage.meetings import ANY
from jaxnas.proxies.usage.spread import Shape
from jaxnas.proxies.usage.uses import Key, Use, Uses
from jaxnas.types import Path, Tensor

Places = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Found:
    """A tensor as its use shows it.

    Attributes:
        tensor: its place and, where use decides it, its output axis.
        is_decided: whether use decides the output axis.
        is_ordered: whether use decides its place in the order.
        is_used: whether the network uses it; if not, it has no gradient and nothing matters.
        why: what keeps its output axis or its place from being decided.
    """

    tensor: Tensor
    is_decided: bool = True
    is_ordered: bool = True
    is_used: bool = True
    why: str = ""


def read(uses: Uses, paths: Sequence[Path], shapes: Sequence[Shape]) -> list[Found]:
    """The tensors with two or more axes in forward order, those without a use last.

    Args:
        uses: of the parameters.
        paths: of all parameters, as numbered there.
        shapes: theirs.
    """
    by_key = _whole_or_in_slices(uses, shapes)
    found = [
        Found(tensor, is_decided, is_ordered, key[0] not in uses.idle, why)
        for key in _ordered(by_key)
        for tensor, is_decided, is_ordered, why in _tensors(key, by_key, uses, paths, shapes)
    ]
    used = {number for number, _ in by_key}
    # A slice at a place and one at any place may be the same.
    once = {(entry.tensor.path, entry.tensor.place): entry for entry in reversed(found)}
    found = [entry for entry in found if once[entry.tensor.path, entry.tensor.place] is entry]
    return found + [
        Found(Tensor(path), is_used=False)
        for number, (path, shape) in enumerate(zip(paths, shapes, strict=True))
        if number not in used and len(shape) >= 2
    ]


def _whole_or_in_slices(uses: Uses, shapes: Sequence[Shape]) -> dict[Key, Use]:
    """The slices of a parameter as parts of it where it is used as a whole, or otherwise sliced.

    A filter written as a sum over its taps is one tensor as well: each tap meets the data entry by
    entry and none of them what another one gave.
    """
    by_key, taps = uses.by_key, uses.added_up - uses.in_turn
    sliced: dict[int, set[tuple[int, ...]]] = {}
    for number, places in by_key:
        sliced.setdefault(number, set()).add(tuple(axis for axis, _ in places))
    found: dict[Key, Use] = {}
    for (number, places), own in by_key.items():
        key, use = (number, places) if len(sliced[number]) == 1 else (number, ()), own
        if number in taps and len(shapes[number]) - len(places) == 1:
            key, within = (number, ()), frozenset(axis for axis, _ in places)
            # One axis of taps may as well be one of vectors, each with a layer of its own.
            if len(within) > 1:
                outputs = frozenset(range(len(shapes[number]))) - within
                use = replace(own, inputs=within, outputs=outputs)
        found[key] = found[key].along_with(use) if key in found else use
    return found


def _ordered(by_key: Mapping[Key, Use]) -> list[Key]:
    """In the order of first uses; of a product of parameters, the one next to the input first."""
    keys = list(by_key)
    for place in range(len(keys)):
        rivals = by_key[keys[place]].rivals
        end = place
        while end + 1 < len(keys) and keys[end + 1] in rivals:
            end += 1
        keys[place : end + 1] = sorted(keys[place : end + 1], key=lambda key: _side(by_key[key]))
    return keys


def _side(use: Use) -> int:
    """-1 next to the input, 1 next to the output, 0 both or neither."""
    return bool(use.outputs - use.stacked) - bool(use.inputs)


def _tensors(
    key: Key,
    by_key: Mapping[Key, Use],
    uses: Uses,
    paths: Sequence[Path],
    shapes: Sequence[Shape],
) -> Iterator[tuple[Tensor, bool, bool, str]]:
    """The tensors of one key, itself or its slices; none where those are vectors."""
    number, places = key
    use, shape, path = by_key[key], shapes[number], paths[number]
    stacked = {axis for axis in use.stacked if axis not in use.inputs}
    stacked |= {
        link.axis for link in use.links if link.other_axis in by_key.get(link.other, Use()).stacked
    }
    inputs = use.inputs
    outputs = use.outputs - stacked
    sliced = {axis for axis, _ in places}
    axes = [axis for axis in range(len(shape)) if axis not in stacked | sliced]
    # With one input channel each, as in a depthwise convolution, the slices are the outputs.
    if inputs and not outputs and stacked and len(axes) < 2:
        outputs, stacked = frozenset(stacked), set()
        axes = [axis for axis in range(len(shape)) if axis not in sliced]
    several = {axis for axis in axes if shape[axis] > 1}
    if len(axes) < 2 or (not inputs and (len(several) < 2 or _is_bias(several, use))):
        return
    conflict = {axis for axis in inputs & (outputs | use.stacked) if shape[axis] > 1}
    if inputs and not outputs:
        outputs = frozenset(axes) - inputs
    is_decided = bool(outputs) and not conflict and set(outputs) != set(axes)
    why = (
        "it is used in ways that disagree"
        if conflict
        else "no product or convolution with the data does"
    )
    rivals = [
        other for other in use.rivals
        if other in by_key and _matters(other, by_key[other], shapes)
        and (_side(by_key[other]) == _side(use) or 0 in (_side(by_key[other]), _side(use)))
    ]  # fmt: skip
    is_ordered = not rivals and key not in uses.unclear
    if not is_decided:
        output_axis: int | tuple[int, ...] = -1
    else:
        where = tuple(axes.index(axis) for axis in sorted(outputs))
        output_axis = where[0] if len(where) == 1 else where
        output_axis = -1 if output_axis == len(axes) - 1 else output_axis
    for all_places in _expanded(places, sorted(stacked), shape):
        yield Tensor(path, _place(all_places), output_axis), is_decided, is_ordered, why


def _is_bias(axes: set[int], use: Use) -> bool:
    """Whether axes only lie along the outputs of one tensor, which may be spread over several."""
    by_tensor: dict[Key, set[int]] = {}
    for link in use.links:
        by_tensor.setdefault(link.other, set()).add(link.axis)
    return any(axes <= linked for linked in by_tensor.values())


def _matters(key: Key, use: Use, shapes: Sequence[Shape]) -> bool:
    """Whether a tensor is none of the vectors, which are not in the order."""
    shape = shapes[key[0]]
    sliced = {axis for axis, _ in key[1]}
    axes = [size for axis, size in enumerate(shape) if axis not in sliced]
    return len(axes) >= 2 and (bool(use.inputs) or sum(size > 1 for size in axes) >= 2)


def _expanded(places: Places, stacked: Sequence[int], shape: Shape) -> Iterator[Places]:
    """Every place that is meant, ascending."""
    ranges = [[(axis, i) for i in range(shape[axis])] if place == ANY else [(axis, place)]
              for axis, place in places]  # fmt: skip
    ranges += [[(axis, i) for i in range(shape[axis])] for axis in stacked]
    for chosen in itertools.product(*ranges):
        yield tuple(sorted(chosen))


def _place(places: Places) -> int | Places | None:
    """As `Tensor` writes it."""
    if not places:
        return None
    return places[0][1] if len(places) == 1 and places[0][0] == 0 else places
