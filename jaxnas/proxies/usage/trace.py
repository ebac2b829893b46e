"""A network's trace, gone through once with what is known of each value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
from jax.extend import core
from jax.interpreters.partial_eval import dce_jaxpr

from jaxnas.proxies.usage import meetings
from jaxnas.proxies.usage import spread as spreads
from jaxnas.proxies.usage.spread import Shape
from jaxnas.proxies.usage.uses import Uses
from jaxnas.proxies.usage.values import (
    MadeOf,
    Value,
    beside_others,
    constant,
    each,
    entry,
    is_real,
    merge,
    number_of,
    part,
    relaid,
    shape_of,
    stacked,
)
from jaxnas.types import Apply, Array, Params


def uses_of(apply: Apply, params: Params, x: Array) -> Uses:
    """The uses of all parameters, numbered as the tree's leaves, when `apply` is traced."""
    jaxpr = jax.make_jaxpr(apply)(params, x)
    shapes = [tuple(jax.numpy.shape(leaf)) for leaf in jax.tree.leaves(params)]
    inputs = [
        Value(made_of={(number, ()): spreads.whole(shape)}) if is_real(variable) else Value()
        for number, (shape, variable) in enumerate(
            zip(shapes, jaxpr.jaxpr.invars[: len(shapes)], strict=True)
        )
    ]
    data = [Value(is_data=True)] * (len(jaxpr.jaxpr.invars) - len(shapes))
    # What the logits do not need, such as a loss beside them, tells nothing of what they do.
    every = [True] * len(jaxpr.jaxpr.outvars)
    needed, _ = dce_jaxpr(jaxpr.jaxpr, every, instantiate=True)
    _, is_needed = dce_jaxpr(jaxpr.jaxpr, every)
    walk = Walk(shapes, Uses())
    walk.through(core.ClosedJaxpr(needed, jaxpr.consts), [*inputs, *data])
    met = {number for number, _ in walk.uses.by_key}
    if any(value.made_of and number not in met for number, value in enumerate(inputs)):
        # What never meets x may follow on constants, as behind a cell that is zero.
        again = Walk(shapes, Uses(), constants_are_data=True)
        again.through(jaxpr, [*inputs, *data])
        walk.uses.fill_up(again.uses)
    walk.uses.idle = {number for number in range(len(shapes)) if not is_needed[number]}
    return walk.uses


class Walk:
    """One way through a trace, in the order of execution.

    Attributes:
        parameters: shapes of the parameters.
        uses: of the parameters, so far.
        constants_are_data: whether arrays that depend on neither count as data.
    """

    def __init__(
        self, parameters: Sequence[Shape], uses: Uses, *, constants_are_data: bool = False
    ) -> None:
        self.parameters = parameters
        self.uses = uses
        self.constants_are_data = constants_are_data
        self.handlers: dict[str, Callable[[Any, Sequence[Value]], Sequence[Value]]] = {
            "concatenate": self.joined,
            "cond": self.branches,
            "conv_general_dilated": partial(meetings.convolution, uses, parameters),
            "device_put": lambda _, operands: operands,
            "dot_general": partial(meetings.product, uses, parameters),
            "dynamic_slice": self.dynamic_slice,
            "gather": partial(meetings.lookup, uses, parameters),
            "optimization_barrier": lambda _, operands: operands,
            "pad": self.pad,
            "scan": self.scan,
            "split": self.split,
            "stack": self.stack,
            "stop_gradient": lambda _, operands: [Value(value.is_data) for value in operands],
            "while": self.loop,
        }

    def copy(self) -> Walk:
        """Another way from here."""
        flag = self.constants_are_data
        return Walk(self.parameters, self.uses.copy(), constants_are_data=flag)

    def through(self, jaxpr: Any, inputs: Sequence[Value]) -> list[Value]:
        """The outputs' values from the inputs'."""
        consts = jaxpr.consts if isinstance(jaxpr, core.ClosedJaxpr) else ()
        jaxpr = jaxpr.jaxpr if isinstance(jaxpr, core.ClosedJaxpr) else jaxpr
        known: dict[Any, Value] = dict(zip(jaxpr.invars, inputs, strict=True))
        known |= dict(zip(jaxpr.constvars, map(constant, consts), strict=False))

        def read(variable: Any) -> Value:
            if isinstance(variable, core.Literal):
                return constant(variable.val)
            return known[variable]

        for equation in jaxpr.eqns:
            operands = [read(variable) for variable in equation.invars]
            touched = frozenset[int]().union(*(value.touched for value in operands))
            for variable, value in zip(
                equation.outvars, self.step(equation, operands), strict=True
            ):
                if value.is_data:
                    known[variable] = replace(value, touched=value.touched | touched)
                else:
                    known[variable] = value if is_real(variable) else Value(number=value.number)
        return [read(variable) for variable in jaxpr.outvars]

    def step(self, equation: Any, operands: Sequence[Value]) -> Sequence[Value]:
        """The values that one operation gives."""
        inner = _same_signature(equation)
        is_data = any(value.is_data for value in operands)
        if equation.primitive.name in self.handlers and any(value.made_of for value in operands):
            return self.handlers[equation.primitive.name](equation, operands)
        if is_data and not any(value.made_of for value in operands):
            return [Value(is_data=True)] * len(equation.outvars)
        if inner is not None:
            return self.through(inner, operands)
        if any(value.made_of for value in operands):
            return self.operation(equation, operands)
        if len(equation.outvars) > 1:
            return [Value()] * len(equation.outvars)
        (variable,) = equation.outvars
        is_data = self.constants_are_data and is_real(variable) and shape_of(variable) != ()
        return [Value(is_data, number=number_of(equation, operands))]

    def operation(self, equation: Any, operands: Sequence[Value]) -> Sequence[Value]:
        """An operation that has no handler."""
        if len(operands) == len(equation.outvars) == 1:
            (value,) = operands
            made_of = relaid(equation, value.made_of, self.parameters)
            if made_of is not None:
                return [Value(value.is_data, made_of)]
        return meetings.elsewhere(self.uses, equation, operands)

    def pad(self, equation: Any, operands: Sequence[Value]) -> Sequence[Value]:
        """A value put into a larger one."""
        (value, _), padding = operands, equation.params["padding_config"]
        if any(low < 0 or high < 0 or between for low, high, between in padding):
            return meetings.elsewhere(self.uses, equation, operands)
        made_of, new = value.made_of, shape_of(equation.outvars[0])
        for axis, (low, _, _) in enumerate(padding):
            made_of = each(made_of, partial(spreads.moved, axis=axis, by=low, size=new[axis]))
        return [Value(value.is_data, made_of)]

    def split(self, equation: Any, operands: Sequence[Value]) -> Sequence[Value]:
        """A value in consecutive parts."""
        (value,), axis = operands, equation.params["axis"]
        shape, found, end = shape_of(equation.invars[0]), [], 0
        for size in equation.params["sizes"]:
            start, end = end, end + size
            low, high = [0] * len(shape), list(shape)
            low[axis], high[axis] = start, end
            found.append(Value(value.is_data, part(value.made_of, low, high, self.parameters)))
        return found

    def dynamic_slice(self, equation: Any, operands: Sequence[Value]) -> Sequence[Value]:
        """A part whose place is known, or one that may be any."""
        value, *indices = operands
        shape, sizes = shape_of(equation.invars[0]), equation.params["slice_sizes"]
        start, limit, free = [], [], []
        for axis, (index, size, full) in enumerate(zip(indices, sizes, shape, strict=True)):
            is_known = index.number is not None
            free += [axis] if not is_known and size < full else []
            first = min(max(int(index.number), 0), full - size) if is_known else 0
            start.append(first)
            limit.append(first + size if is_known else full)
        made_of: MadeOf = part(value.made_of, start, limit, self.parameters)
        for axis in free:
            made_of = meetings.any_place(made_of, axis, sizes[axis], self.parameters)
        return [Value(value.is_data, made_of)]

    def joined(self, equation: Any, operands: Sequence[Value]) -> Sequence[Value]:
        """Values side by side along an axis."""
        axis, start = equation.params["dimension"], 0
        size = shape_of(equation.outvars[0])[axis]
        parts = []
        for variable, value in zip(equation.invars, operands, strict=True):
            change = partial(spreads.moved, axis=axis, by=start, size=size)
            parts.append(each(value.made_of, change))
            start += shape_of(variable)[axis]
        return [meetings.together(self.uses, operands, parts)]

    def stack(self, equation: Any, operands: Sequence[Value]) -> Sequence[Value]:
        """Values side by side along a new axis."""
        axis = equation.params["axis"]
        parts = [beside_others(v.made_of, place, axis) for place, v in enumerate(operands)]
        return [meetings.together(self.uses, operands, parts)]

    def scan(self, equation: Any, operands: Sequence[Value]) -> Sequence[Value]:
        """A loop over slices: each iteration in turn, so that each slice has its own place."""
        options = equation.params
        consts, carries = options["num_consts"], options["num_carry"]
        fixed, carry = operands[:consts], list(operands[consts : consts + carries])
        slices = operands[consts + carries :]
        shapes = [shape_of(variable) for variable in equation.invars[consts + carries :]]
        order = list(range(options["length"]))
        outputs: dict[int, list[Value]] = {}
        alike = not any(value.made_of or value.number is not None for value in slices)
        for step, place in enumerate(reversed(order) if options["reverse"] else order):
            own = [
                entry(value, place, shape, self.parameters)
                for value, shape in zip(slices, shapes, strict=True)
            ]
            found = self.through(options["jaxpr"], [*fixed, *carry, *own])
            before, carry = carry, found[:carries]
            outputs[place] = found[carries:]
            if step and alike and all(a.same(b) for a, b in zip(before, carry, strict=True)):
                break
        last = next(reversed(outputs.values()), [Value()] * (len(equation.outvars) - carries))
        entries = [outputs.get(place, last) for place in order]
        found = [
            stacked([values[i] for values in entries])
            for i in range(len(equation.outvars) - carries)
        ]
        return [*carry, *found]

    def loop(self, equation: Any, operands: Sequence[Value]) -> Sequence[Value]:
        """A loop of unknown length: twice, so that what comes out of it has gone in."""
        options = equation.params
        condition, body = options["cond_nconsts"], options["body_nconsts"]
        fixed, carry = operands[condition : condition + body], operands[condition + body :]
        carry = [Value(value.is_data, value.made_of) for value in carry]
        for _ in range(2):
            found = self.through(options["body_jaxpr"], [*fixed, *carry])
            carry = [_either(pair) for pair in zip(carry, found, strict=True)]
        return list(carry)

    def branches(self, equation: Any, operands: Sequence[Value]) -> Sequence[Value]:
        """Alternatives, of which a constant tells one or which are all gone through."""
        which, *inputs = operands
        branches = equation.params["branches"]
        if which.number is not None:
            branches = [branches[min(max(int(which.number), 0), len(branches) - 1)]]
        walks = [self.copy() for _ in branches]
        found = [walk.through(branch, inputs) for walk, branch in zip(walks, branches, strict=True)]
        self.uses.add_branches([walk.uses for walk in walks])
        return [_either(values) for values in zip(*found, strict=True)]


def _either(values: Sequence[Value]) -> Value:
    """What is known of a value that may be one or the other."""
    is_data = any(value.is_data for value in values)
    made_of = merge(value.made_of for value in values if value.is_data == is_data)
    return Value(is_data, made_of)


def _same_signature(equation: Any) -> Any:
    """The trace to which a call such as jit's passes its operands unchanged, or None."""
    for value in equation.params.values():
        inner = value.jaxpr if isinstance(value, core.ClosedJaxpr) else value
        if isinstance(inner, core.Jaxpr) and len(inner.invars) == len(equation.invars):
            return value
    return None
