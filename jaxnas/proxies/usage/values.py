"""What is known of a value in a network's trace, and how operations of JAX change its layout."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np

from jaxnas.proxies.usage import spread as spreads
from jaxnas.proxies.usage.spread import Shape, Spread
from jaxnas.proxies.usage.uses import Key

MadeOf: TypeAlias = Mapping[Key, Spread]

# Indices are followed, images and weights are not.
_MOST_NUMBERS = 4096


@dataclass(frozen=True, eq=False)
class Value:
    """A value in the trace.

    Attributes:
        is_data: whether it depends on the network's input.
        made_of: how the parameters' axes lie along its own: the parameters of which it is made, or,
            of data, those whose axes went over to it.
        number: itself, where it is a small constant.
        touched: parameters of which a slice met this data, or data before it, entry by entry.
    """

    is_data: bool = False
    made_of: MadeOf = field(default_factory=dict)
    number: Any = None
    touched: frozenset[int] = frozenset()

    @property
    def is_parameter(self) -> bool:
        """Whether it is made of parameters alone."""
        return bool(self.made_of) and not self.is_data

    def same(self, other: Value) -> bool:
        """Whether no more is known of another one."""
        return (
            self.is_data == other.is_data
            and self.made_of == other.made_of
            and np.array_equal(self.number, other.number)
            and self.touched == other.touched
        )


def constant(value: Any) -> Value:
    """A constant of the trace."""
    is_number = isinstance(getattr(value, "dtype", None), np.dtype) or np.isscalar(value)
    known = is_number and np.size(value) <= _MOST_NUMBERS
    return Value(number=np.asarray(value) if known else None)


def shape_of(variable: Any) -> Shape:
    return tuple(getattr(variable.aval, "shape", ()))


def is_real(variable: Any) -> bool:
    """Whether gradients go through a value of its type."""
    return jnp.issubdtype(getattr(variable.aval, "dtype", np.int32), jnp.inexact)


def merge(parts: Iterable[MadeOf]) -> dict[Key, Spread]:
    """Of operands of one shape."""
    found: dict[Key, list[Spread]] = {}
    for made_of in parts:
        for key, spread in made_of.items():
            found.setdefault(key, []).append(spread)
    return {key: spreads.merged(several) for key, several in found.items()}


def each(made_of: MadeOf, change: Callable[[Spread], Spread]) -> dict[Key, Spread]:
    return {key: change(spread) for key, spread in made_of.items()}


def part(
    made_of: MadeOf, start: Sequence[int], limit: Sequence[int], parameters: Sequence[Shape]
) -> dict[Key, Spread]:
    """What a part of a value is made of; single entries along an axis are tensors of their own."""
    found: list[dict[Key, Spread]] = []
    for (number, places), spread in made_of.items():
        inside = spreads.sliced(spread, start, limit, parameters[number])
        if inside is not None:
            key = number, tuple(sorted((*places, *inside[1])))
            found.append({key: inside[0]})
    return merge(found)


def entry(value: Value, place: int, shape: Shape, parameters: Sequence[Shape]) -> Value:
    """One entry along the first axis of a value of this shape."""
    start, limit = (place, *(0 for _ in shape[1:])), (place + 1, *shape[1:])
    made_of = each(part(value.made_of, start, limit, parameters), lambda s: s[1:])
    return Value(value.is_data, made_of, None if value.number is None else value.number[place])


def stacked(entries: Sequence[Value]) -> Value:
    """Values side by side along a new first axis; of data the layout is not followed."""
    if any(value.is_data for value in entries):
        return Value(is_data=True)
    beside = [beside_others(value.made_of, place, 0) for place, value in enumerate(entries)]
    return Value(made_of=merge(beside))


def beside_others(made_of: MadeOf, place: int, axis: int) -> dict[Key, Spread]:
    """A value that takes one place along a new axis of another one."""
    own = spreads.Along((spreads.Piece(spreads.BLANK, 1),), place, 1)
    return {key: (*spread[:axis], own, *spread[axis:]) for key, spread in made_of.items()}


def relaid(equation: Any, made_of: MadeOf, parameters: Sequence[Shape]) -> MadeOf | None:
    """After an operation of one operand that moves entries or sums over axes, or None."""
    old, new = shape_of(equation.invars[0]), shape_of(equation.outvars[0])
    options, name = equation.params, equation.primitive.name
    change: Callable[[Spread], Spread] | None = None
    if name == "slice":
        strides = options["strides"] or (1,) * len(old)
        made_of = part(made_of, options["start_indices"], options["limit_indices"], parameters)
        change = partial(spreads.strided, strides=strides, shape=new)
    elif name == "transpose":
        change = partial(spreads.transposed, axes=options["permutation"])
    elif name == "broadcast_in_dim":
        axes = options["broadcast_dimensions"]
        change = partial(spreads.broadcast, old=old, new=new, axes=axes)
    elif name == "reshape":
        if options["dimensions"] is not None:
            made_of = each(made_of, partial(spreads.transposed, axes=options["dimensions"]))
            old = tuple(old[axis] for axis in options["dimensions"])
        change = partial(spreads.reshaped, old=old, new=new)
    elif name == "squeeze":
        change = partial(spreads.without, axes=options["dimensions"])
    elif name.startswith("reduce_window") and "window_dimensions" in options:
        axes = [axis for axis, size in enumerate(options["window_dimensions"]) if size == 1]
        change = partial(spreads.placed, axes=axes, places=axes, shape=new)
    elif name.startswith("reduce_") and "axes" in options:
        change = partial(spreads.without, axes=options["axes"])
    return None if change is None else each(made_of, change)


_NUMBERS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "max": np.maximum,
    "min": np.minimum,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "rem": np.fmod,
    "select_n": lambda which, *cases: np.choose(np.asarray(which, int), cases),
    "clamp": lambda low, value, high: np.clip(value, low, high),
    "convert_element_type": lambda value: value,
    "copy": lambda value: value,
}


def number_of(equation: Any, operands: Sequence[Value]) -> Any:
    """The constant that an operation on small whole numbers gives, None where it is none."""
    variable = equation.outvars[0]
    shape, dtype = shape_of(variable), getattr(variable.aval, "dtype", None)
    is_whole = isinstance(dtype, np.dtype) and dtype.kind in "iub"
    if not is_whole or np.prod(shape, dtype=int) > _MOST_NUMBERS:
        return None
    name = equation.primitive.name
    if name == "iota" and len(shape) == 1:
        return np.arange(shape[0], dtype=dtype)
    if not operands or any(value.number is None for value in operands):
        return None
    numbers = [value.number for value in operands]
    if name in ("reshape", "squeeze", "broadcast_in_dim"):
        same_size = numbers[0].size == np.prod(shape, dtype=int)
        return numbers[0].reshape(shape) if same_size else None
    known = _NUMBERS.get(name)
    return None if known is None else np.asarray(known(*numbers)).astype(dtype)
