"""What a pickle of plain data is read by: a stack, a memo, and bounds on what may be built.

What is in a container is never changed again, so that its depth is known while it is built:
nothing deep is ever made, which would crash the process when it is hashed or freed. Keys are
scalars or a few flat tuples, whose hashes cannot take for ever.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

# A cell, as NATS-Bench's package writes it, has 55,000 operations, 256 containers and 5 levels; a
# batch of ImageNet16 has a label for each of 128,000 images.
_MOST_OPERATIONS = 2_000_000
_MOST_CONTAINERS = 200_000
_MOST_DEPTH = 32
# Tuples of numbers that collide are easily made; so many are compared with each other in a second.
_MOST_TUPLE_KEYS = 4_096

_SCALARS = frozenset({str, bytes, int, float, bool, type(None)})

_float_at = struct.Struct(">d").unpack_from
_index_at = struct.Struct("<I").unpack_from

# Most of what NATS-Bench records are runs of a key, a small number or one of the memo, and a float:
# BININT1, BINGET or LONG_BINGET, and BINFLOAT. They are read at once.
_RUNS = {
    0x4B: re.compile(rb"(?:K.G.{8}){4,1000}", re.DOTALL),
    0x68: re.compile(rb"(?:h.G.{8}){4,1000}", re.DOTALL),
    0x6A: re.compile(rb"(?:j.{4}G.{8}){4,1000}", re.DOTALL),
}
_PAIRS = {
    code: np.dtype([("of_key", "u1"), ("key", key), ("of_value", "u1"), ("value", ">f8")])
    for code, key in {0x4B: "u1", 0x68: "u1", 0x6A: "<u4"}.items()
}

Known: TypeAlias = Mapping[tuple[str, str], Callable[..., Any]]
"""What to call for a (module, name) of a pickle, with the arguments that the pickle gives."""


class Malformed(ValueError):
    """It is no pickle, or one of more than plain data; the message says what was found."""


class Unknown(Malformed):
    """A pickle that names what is not known; the message is the name."""


class StandIn:
    """What stands for an object of another library, and takes its pickled state."""

    def build(self, state: Any) -> None:
        """Takes the state.

        Raises:
            ValueError, TypeError: it is not such a state.
        """
        raise Malformed(f"a state for a {type(self).__name__}")


class Machine:
    """The state of a pickle that is being read."""

    def __init__(self, data: bytes, known: Known) -> None:
        self.data, self.at = data, 0
        self.known = known
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.pairs = 0
        self.tuple_keys = 0
        self.copied = 0
        # Containers and their depths, by identity: they are kept, so that it stays theirs.
        self.kept: list[Any] = []
        self.depths: dict[int, int] = {}
        self.closed: set[int] = set()

    def run(self, operations: Mapping[int, Callable[[Machine], None]]) -> Any:
        """Does one operation after another; the most frequent ones here, as calls take longer.

        Args:
            operations: what to do for each byte that is none of those.

        Raises:
            Malformed: there is another operation, or a bound is reached.
            IndexError: it is cut short, or takes more than it has.
        """
        data, stack, memo = self.data, self.stack, self.memo
        push, float_at, index_at = stack.append, _float_at, _index_at
        at = 0
        for _ in range(_MOST_OPERATIONS):
            code = data[at]
            if code in _RUNS and (run := _RUNS[code].match(data, at)):
                at = self.push_run(code, run)
            elif code == 0x47:  # BINFLOAT
                push(float_at(data, at + 1)[0])
                at += 9
            elif code == 0x8C:  # SHORT_BINUNICODE
                start = at + 2
                at = start + data[at + 1]
                text = data[start:at].decode("utf-8", "surrogatepass")
                push(text)
                if data[at] == 0x94:  # MEMOIZE, which follows every text that is new
                    memo[len(memo)] = text
                    at += 1
            elif code == 0x94:  # MEMOIZE
                memo[len(memo)] = stack[-1]
                at += 1
            elif code == 0x6A:  # LONG_BINGET
                push(memo[index_at(data, at + 1)[0]])
                at += 5
            elif code == 0x4B:  # BININT1
                push(data[at + 1])
                at += 2
            elif code in operations:
                self.at = at + 1
                operations[code](self)
                at = self.at
            elif code == 0x2E:  # STOP
                return self.result(at + 1)
            else:
                raise Malformed(f"a pickle with the byte {code:#04x}, no operation of plain data")
        raise Malformed(f"a pickle of more than {_MOST_OPERATIONS:,} operations")

    def push_run(self, code: int, run: re.Match[bytes]) -> int:
        """Puts a run of keys and floats on the stack at once; gives where it ends."""
        pairs = np.frombuffer(run[0], _PAIRS[code])
        self.pairs += len(pairs)
        if self.pairs > _MOST_OPERATIONS:
            raise Malformed(f"a pickle of more than {_MOST_OPERATIONS:,} operations")
        keys = pairs["key"].tolist()
        both: list[Any] = [None] * (2 * len(keys))
        both[::2] = keys if code == 0x4B else map(self.memo.__getitem__, keys)
        both[1::2] = pairs["value"].tolist()
        self.stack += both
        return run.end()

    def result(self, end: int) -> Any:
        """What a pickle that ends here holds."""
        if end != len(self.data):
            raise Malformed(f"{len(self.data) - end:,} bytes after the end of a pickle")
        if len(self.stack) != 1 or self.marks:
            raise Malformed(f"a pickle of {len(self.stack)} values, not of one")
        return self.stack[0]

    def take(self, size: int) -> bytes:
        """The next bytes."""
        start, self.at = self.at, self.at + size
        if self.at > len(self.data):
            raise IndexError
        return self.data[start : self.at]

    def number(self, size: int) -> int:
        """The next bytes as a whole number from 0 up."""
        return int.from_bytes(self.take(size), "little")

    def line(self) -> bytes:
        """The bytes up to the end of the line."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise IndexError
        line, self.at = self.data[self.at : end], end + 1
        return line

    def since_mark(self) -> list[Any]:
        """Takes what was put on the stack since the last mark."""
        mark = self.marks.pop()
        if mark > len(self.stack):
            raise IndexError
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def make(self, container: Any, items: Iterable[Any] = ()) -> None:
        """Puts a new container on the stack, of these items."""
        self.kept.append(container)
        if len(self.kept) > _MOST_CONTAINERS:
            raise Malformed(f"a pickle of more than {_MOST_CONTAINERS:,} containers")
        self.depths[id(container)] = self.depth(items)
        self.stack.append(container)

    def depth(self, items: Iterable[Any]) -> int:
        """How deep a container of these items is; they are not changed from now on."""
        inside = 0
        if not _SCALARS.issuperset(map(type, items)):
            for item in items:
                if type(item) not in _SCALARS:
                    self.closed.add(id(item))
                    inside = max(inside, self.depths.get(id(item), 0))
        if inside >= _MOST_DEPTH:
            raise Malformed(f"a pickle nested more than {_MOST_DEPTH} levels deep")
        return inside + 1

    def to_fill(self, kind: type, items: list[Any]) -> Any:
        """The container on top of the stack, which takes these items."""
        container = self.stack[-1]
        depth = self.depth(items)
        if type(container) is not kind or id(container) in self.closed:
            raise Malformed(f"a pickle that changes a {type(container).__name__} out of its turn")
        self.depths[id(container)] = max(depth, self.depths[id(container)])
        return container

    def check_keys(self, keys: Iterable[Any]) -> None:
        """Raises unless these can be keys without harm: scalars, or a few tuples of those."""
        if _SCALARS.issuperset(map(type, keys)):
            return
        for key in keys:
            if type(key) is tuple and len(key) <= 8 and _SCALARS.issuperset(map(type, key)):
                self.tuple_keys += 1
            elif type(key) not in _SCALARS:
                raise Malformed(f"a pickle with a key that is a {type(key).__name__}")
        if self.tuple_keys > _MOST_TUPLE_KEYS:
            raise Malformed(f"a pickle of more than {_MOST_TUPLE_KEYS:,} keys that are tuples")

    def set_items(self, items: list[Any]) -> None:
        """Puts keys and values, in turns, into the dict on top of the stack."""
        if len(items) % 2:
            raise Malformed("a pickle with a key without a value")
        self.check_keys(items[::2])
        self.to_fill(dict, items).update(zip(items[::2], items[1::2], strict=True))

    def add_items(self, items: list[Any]) -> None:
        """Puts items into the set on top of the stack."""
        self.check_keys(items)
        self.to_fill(set, items).update(items)

    def count_copy(self, size: int) -> None:
        """Counts what is copied by a call: not more than there is, as each part is written once."""
        self.copied += size
        if self.copied > len(self.data):
            raise Malformed("a pickle that copies the same again and again")

    def name(self, module: Any, name: Any) -> None:
        """Puts what is known by a name on the stack."""
        key = (module, name)
        if key in _CONTAINERS:
            self.stack.append(_Name(_CONTAINERS[key], True))
        elif key in self.known:
            self.stack.append(_Name(self.known[key], False))
        else:
            raise Unknown(f"{module}.{name}")

    def call(self) -> None:
        """Calls what is known with the arguments on top of the stack."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not _Name or type(arguments) is not tuple:
            raise Malformed(f"a pickle that calls a {type(function).__name__}")
        for argument in arguments:
            if isinstance(argument, str | list | tuple):
                self.count_copy(len(argument))
        if function.of_machine:
            function.function(self, *arguments)
        else:
            self.stack.append(function.function(*arguments))

    def build(self) -> None:
        """Gives the state on top of the stack to what is below it."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], StandIn):
            raise Malformed(f"a pickle with a state for a {type(self.stack[-1]).__name__}")
        self.stack[-1].build(state)


class _Name:
    """What a name of a pickle stands for; it is called by the machine and by nothing else."""

    def __init__(self, function: Callable[..., Any], of_machine: bool) -> None:
        self.function, self.of_machine = function, of_machine


def _new_set(machine: Machine, items: Any = (), /) -> None:
    if not isinstance(items, list | tuple):
        raise Malformed("a set that is not made of a list")
    machine.make(set())
    machine.add_items(list(items))


def _new_ordered_dict(machine: Machine, pairs: Any = (), /) -> None:
    """Of pairs, as Python 2 wrote it; Python 3 writes an empty one, and then its items."""
    if not isinstance(pairs, list | tuple):
        raise Malformed("an OrderedDict that is not made of a list")
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise Malformed("an OrderedDict that is not made of pairs")
    machine.make({})
    machine.set_items([item for pair in pairs for item in pair])


_CONTAINERS: dict[tuple[str, str], Callable[..., None]] = {
    ("builtins", "set"): _new_set,
    ("__builtin__", "set"): _new_set,
    ("collections", "OrderedDict"): _new_ordered_dict,
}
