"""Operations that join values: there a parameter meets data, and is an input's or an output's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import jax

from jaxnas.proxies.usage import spread as spreads
from jaxnas.proxies.usage.spread import BLANK, Along, Piece, Shape, Spread
from jaxnas.proxies.usage.uses import Key, Link, Use, Uses
from jaxnas.proxies.usage.values import MadeOf, Value, each, is_real, merge, part, shape_of

ANY = -1
"""The place of a slice whose index is not known when a network is traced."""

_ZERO_TIMES = ("mul", "and")


def product(
    uses: Uses, parameters: Sequence[Shape], equation: Any, operands: Sequence[Value]
) -> Sequence[Value]:
    """`dot_general`: axes that are summed over are inputs, those left are outputs."""
    summed, batched = equation.params["dimension_numbers"]
    shapes = [shape_of(variable) for variable in equation.invars]
    is_data = any(value.is_data for value in operands)
    new = shape_of(equation.outvars[0])
    free = [
        [axis for axis in range(len(shape)) if axis not in (*summed[i], *batched[i])]
        for i, shape in enumerate(shapes)
    ]
    parts = []
    for i, (value, other) in enumerate(zip(operands, reversed(operands), strict=True)):
        made_of = value.made_of
        if value.is_parameter and is_data:
            rivals = _rivals(made_of)
            for key, spread in made_of.items():
                uses.add(key, _product_use(spread, summed[i], free[i], batched[i], rivals[key]))
            for axis, others in zip(batched[i], batched[1 - i], strict=True):
                _side_by_side(uses, made_of, axis, other.made_of, others, parameters)
        first = len(batched[0]) + (0 if i == 0 else len(free[0]))
        places = [*range(len(batched[0])), *range(first, first + len(free[i]))]
        kept = [*batched[i], *free[i]]
        change = partial(spreads.placed, axes=kept, places=places, shape=new)
        parts.append(each(made_of, change))
    return [Value(is_data, _telling(merge(parts), is_data))]


def convolution(
    uses: Uses, parameters: Sequence[Shape], equation: Any, operands: Sequence[Value]
) -> Sequence[Value]:
    """`conv_general_dilated`: the feature dimension of a kernel's outputs are the outputs."""
    data, kernel = operands
    numbers = equation.params["dimension_numbers"]
    new = shape_of(equation.outvars[0])
    is_data = data.is_data or kernel.is_data
    features, groups = numbers.out_spec[1], equation.params["feature_group_count"]
    output = numbers.rhs_spec[0]
    parts: list[MadeOf] = []
    if kernel.is_parameter and is_data:
        rivals = _rivals(kernel.made_of)
        for key, spread in kernel.made_of.items():
            along = spread[output]
            others = [axis for axis in range(len(spread)) if axis != output]
            uses.add(key, _product_use(spread, others, [output], (), rivals[key]))
            # Networks side by side are one whose channels are in as many groups.
            if groups > 1 and len(along.pieces) > 1 and along.pieces[0].size == groups:
                uses.stack(key, along.pieces[0].axis)
                _mark(uses, data.made_of, numbers.lhs_spec[1], groups, parameters)
    if not (data.is_parameter and is_data):
        parts.append(each(data.made_of, lambda s: spreads.placed(s, [numbers.lhs_spec[0]],
                                                          [numbers.out_spec[0]], new)))  # fmt: skip
    else:
        _add_plain(uses, [data])
    parts.append(each(kernel.made_of, lambda s: spreads.placed(s, [output], [features], new)))
    return [Value(is_data, _telling(merge(parts), is_data))]


def lookup(
    uses: Uses, parameters: Sequence[Shape], equation: Any, operands: Sequence[Value]
) -> Sequence[Value]:
    """`gather`: a product with one-hot rows, so that the axes taken whole are the outputs."""
    table, indices = operands
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    old, new = shape_of(equation.invars[0]), shape_of(equation.outvars[0])
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    whole = [axis for axis in range(len(old)) if axis not in gone]
    picked = list(numbers.start_index_map)
    is_data = table.is_data or indices.is_data
    if table.is_parameter and indices.is_data:
        rivals = _rivals(table.made_of)
        for key, spread in table.made_of.items():
            # Several axes may be a table's outputs or kernels of experts, which are more than that.
            outputs = whole if len(whole) == 1 else []
            batched = numbers.operand_batching_dims
            uses.add(key, _product_use(spread, picked, outputs, batched, rivals[key]))
        return [Value(is_data=True)]
    if table.is_parameter and _is_by_slices(equation):
        return [Value(made_of=_slices_at(equation, table.made_of, indices.number, parameters))]
    if indices.is_parameter and table.is_data:
        _add_plain(uses, [indices])
    kept = [
        (axis, place)
        for axis, place in zip(whole, numbers.offset_dims, strict=True)
        if sizes[axis] == old[axis]
    ]
    axes, places = [axis for axis, _ in kept], [place for _, place in kept]
    found = each(table.made_of, lambda s: spreads.placed(s, axes, places, new))
    return [Value(is_data, _telling(found, is_data))]


def _is_by_slices(equation: Any) -> bool:
    """Whether a lookup takes one or several whole slices along one axis."""
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    table, indices = (shape_of(variable) for variable in equation.invars)
    picked = tuple(numbers.start_index_map)
    return (
        len(picked) == 1
        and tuple(numbers.collapsed_slice_dims) == picked
        and not numbers.operand_batching_dims
        and len(indices) in (1, 2)
        and all(size == full for a, (size, full) in enumerate(zip(sizes, table, strict=True))
                if a not in picked)
    )  # fmt: skip


def _slices_at(
    equation: Any, made_of: MadeOf, places: Any, parameters: Sequence[Shape]
) -> dict[Key, Spread]:
    """Whole slices along one axis: each at its place, or at any where that is not known."""
    numbers = equation.params["dimension_numbers"]
    old, new = shape_of(equation.invars[0]), shape_of(equation.outvars[0])
    (axis,) = numbers.start_index_map
    rest = [a for a in range(len(old)) if a != axis]
    is_several = len(new) > len(rest)
    found = []
    for number, place in enumerate([None] if places is None else places.reshape(-1)):
        if place is None:
            slices = any_place(made_of, axis, 1, parameters)
        else:
            # Negative places were made positive before; those beyond the end are filled up.
            first = min(max(int(place), 0), old[axis] - 1)
            start, limit = [0] * len(old), list(old)
            start[axis], limit[axis] = first, first + 1
            slices = part(made_of, start, limit, parameters)
        slices = each(
            slices, partial(spreads.placed, axes=rest, places=numbers.offset_dims, shape=new)
        )
        if is_several and place is not None:
            (along,) = set(range(len(new))) - set(numbers.offset_dims)
            own = Along((Piece(BLANK, 1),), number, 1)
            slices = {
                key: (*spread[:along], own, *spread[along + 1 :]) for key, spread in slices.items()
            }
        found.append(slices)
    return merge(found)


def any_place(
    made_of: MadeOf, axis: int, size: int, parameters: Sequence[Shape]
) -> dict[Key, Spread]:
    """A part whose place along an axis is not known: a slice of any place, or of none."""
    found: list[dict[Key, Spread]] = []
    for (number, places), spread in made_of.items():
        along = spread[axis]
        key, pieces = (number, places), tuple(Piece(a, 0) for a in along.axes)
        if size == 1 and len(along.pieces) == 1 and along.axes:
            if along.pieces[0].size == parameters[number][along.axes[0]]:
                key = number, tuple(sorted((*places, (along.axes[0], ANY))))
            pieces = (Piece(BLANK, 1),)
        found.append({key: (*spread[:axis], Along(pieces, 0, size), *spread[axis + 1 :])})
    return merge(found)


def together(uses: Uses, operands: Sequence[Value], parts: Sequence[MadeOf]) -> Value:
    """Values of one shape joined entry by entry, or side by side in one that is larger."""
    is_data = any(value.is_data for value in operands)
    if not is_data:
        return Value(made_of=merge(parts))
    below = merge(
        part for value, part in zip(operands, parts, strict=True) if not value.is_parameter
    )
    touched = frozenset[int]().union(*(value.touched for value in operands))
    slices: list[MadeOf] = []
    for value, made_of in zip(operands, parts, strict=True):
        if value.is_parameter:
            rivals = _rivals(made_of)
            for key, spread in made_of.items():
                links = frozenset(_links(spread, below))
                uses.add(key, Use(links=links, rivals=rivals[key]))
            slices.append({key: spread for key, spread in made_of.items() if key[1]})
    met = {number for made_of in slices for number, _ in made_of}
    uses.in_turn |= met & touched
    # Terms of a sum still tell which slices made them.
    several = [{key for key in part if key[1]} for part in parts]
    uses.added_up |= {
        one[0]
        for some, others in combinations(several, 2)
        for one in some
        for two in others
        if one[0] == two[0] and one[1] != two[1]
    }
    return Value(True, merge([below, *slices]), touched=touched | met)


def elsewhere(uses: Uses, equation: Any, operands: Sequence[Value]) -> list[Value]:
    """Any other operation: entry by entry where shapes say so, else one that mixes axes."""
    name, shapes = equation.primitive.name, [shape_of(variable) for variable in equation.invars]
    if name in _ZERO_TIMES and any(
        value.number is not None and not value.made_of and not value.number.any()
        for value in operands
    ):
        return [Value(any(value.is_data for value in operands))]
    new = shape_of(equation.outvars[0])
    if len(equation.outvars) == 1 and _is_by_entry(name, shapes, new):
        parts = [
            {key: _repeated(spread, shape, new) for key, spread in value.made_of.items()}
            for value, shape in zip(operands, shapes, strict=True)
        ]
        return [together(uses, operands, parts)]
    is_data = any(value.is_data for value in operands)
    if is_data:
        _add_plain(uses, operands)
        return [Value(is_data=True)] * len(equation.outvars)
    keys = list(merge_keys(value.made_of for value in operands))
    return [
        Value(made_of={key: spreads.lost(shape_of(variable)) for key in keys if is_real(variable)})
        for variable in equation.outvars
    ]


def _is_by_entry(name: str, shapes: Sequence[Shape], new: Shape) -> bool:
    """Whether an operation takes each entry by itself, as far as shapes tell."""
    return not hasattr(jax.lax.linalg, f"{name}_p") and all(
        not shape
        or (
            len(shape) == len(new)
            and all(size in (1, full) for size, full in zip(shape, new, strict=True))
        )
        for shape in shapes
    )


def _repeated(spread: Spread, old: Shape, new: Shape) -> Spread:
    """A scalar, or a value with axes of size one, taken for each entry of a larger value."""
    return spreads.broadcast(spread, old, new, range(len(old)))


def merge_keys(parts: Iterable[MadeOf]) -> dict[Key, None]:
    """Every tensor of which values are made, once."""
    return {key: None for made_of in parts for key in made_of}


def _add_plain(uses: Uses, operands: Sequence[Value]) -> None:
    """Uses that tell nothing of axes."""
    for value in operands:
        if value.is_parameter:
            for key, rivals in _rivals(value.made_of).items():
                uses.add(key, Use(rivals=rivals))


def _product_use(
    spread: Spread,
    inputs: Sequence[int],
    outputs: Sequence[int],
    batched: Sequence[int],
    rivals: frozenset[Key],
) -> Use:
    """A tensor's use from what is done with the value's axes."""

    def axes(of: Sequence[int]) -> frozenset[int]:
        return frozenset(axis for place in of for axis in spread[place].axes)

    stacked = [axis for axis in batched if len(spread[axis].pieces) == 1]
    mixed = [axis for axis in batched if axis not in stacked]
    return Use(axes([*inputs, *mixed]), axes([*outputs, *mixed]), axes(stacked), rivals=rivals)


def _rivals(made_of: MadeOf) -> dict[Key, frozenset[Key]]:
    """For each tensor in a value the others that are not beside it."""
    found: dict[Key, set[Key]] = {key: set() for key in made_of}
    for one, two in combinations(made_of, 2):
        if one[0] != two[0] and _overlap(made_of[one], made_of[two]):
            found[one].add(two)
            found[two].add(one)
    return {key: frozenset(others) for key, others in found.items()}


def _overlap(one: Spread, two: Spread) -> bool:
    return all(
        a.start < b.start + b.size and b.start < a.start + a.size
        for a, b in zip(one, two, strict=True)
    )


def _telling(made_of: Mapping[Key, Spread], is_data: bool) -> MadeOf:
    """Of data, what still has an axis of a parameter; of parameters everything."""
    if not is_data:
        return made_of
    return {key: spread for key, spread in made_of.items() if any(along.axes for along in spread)}


def _slices(key: Key, parameters: Sequence[Shape]) -> bool:
    """Whether a tensor has axes enough for its slices to be tensors."""
    return len(parameters[key[0]]) - len(key[1]) >= 3


def _side_by_side(
    uses: Uses,
    made_of: MadeOf,
    axis: int,
    others: MadeOf,
    other_axis: int,
    parameters: Sequence[Shape],
) -> None:
    """Along this axis the parameters' slices meet data of their own, made by slices as well."""
    for spread in made_of.values():
        along = spread[axis]
        if len(along.pieces) == 1 and along.axes:
            _mark(uses, others, other_axis, along.size, parameters)


def _mark(uses: Uses, made_of: MadeOf, axis: int, size: int, parameters: Sequence[Shape]) -> None:
    """The parameters' axes that lead along data's axis are ones of networks side by side."""
    for key, spread in made_of.items():
        piece = spread[axis].pieces[0] if spread[axis].pieces else Piece(BLANK, 0)
        if piece.axis != BLANK and piece.size == size and _slices(key, parameters):
            uses.stack(key, piece.axis)


def _links(spread: Spread, below: MadeOf) -> Iterable[Link]:
    """Where a parameter's axis lies along one of data's that a parameter's axis made."""
    for key, other in below.items():
        for along, lower in zip(spread, other, strict=True):
            single = len(along.pieces) == len(lower.pieces) == 1 and along.axes and lower.axes
            if single and along.size == lower.size == along.pieces[0].size:
                yield Link(along.axes[0], key, lower.axes[0])
