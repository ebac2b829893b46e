"""A reader of pickles that can only build plain data, within bounds on depth, size and time.

Python's own reader is made for pickles that are trusted: one of a few kilobytes can name any
function, build what crashes the process when it is hashed or freed, or never end. This one knows
the operations by which plain data is written and no other. What it builds is text, bytes, numbers
of 64 bits, None, lists, tuples, sets and dicts of those, and what `known` makes; nothing is
nested deeper than `_MOST_DEPTH`, and what is in a container is never changed again, so that the
depth is known while it is built.

Source: the operations and their meaning are those of the standard library's `pickletools`.
"""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from jaxnas.checks import one_line

# An official cell of NATS-Bench has 55,000 operations, 400 containers and 7 levels; the largest
# published batch of images has 130,000 operations.
_MOST_OPERATIONS = 2_000_000
_MOST_CONTAINERS = 200_000
_MOST_DEPTH = 32
# Tuples of numbers that collide are easily made; so many are compared with each other in a second.
_MOST_TUPLE_KEYS = 4_096
_LONGEST_NUMBER = 64  # in characters, where numbers are written as text

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


def read_plain(data: bytes, known: Known) -> Any:
    """The plain data of a pickle.

    Args:
        data: the pickle, of any protocol, and nothing after it.
        known: the names that it may use beside `set` and `OrderedDict`, which becomes a dict.

    Raises:
        Unknown: it uses another name; nothing was called.
        Malformed: it is no pickle, is cut short, goes on after its end or beyond a bound.
    """
    try:
        return _Machine(data, known).run()
    except Malformed:
        raise
    except IndexError:
        raise Malformed("a pickle that is cut short, or takes more than it has") from None
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error) as error:
        raise Malformed(f"a pickle of something else ({one_line(error)})") from error


class _Machine:
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

    def run(self) -> Any:
        """Does one operation after another; the most frequent ones here, as calls take longer."""
        data, stack, memo, operations = self.data, self.stack, self.memo, _OPERATIONS
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


def _new_set(machine: _Machine, items: Any = (), /) -> None:
    if not isinstance(items, list | tuple):
        raise Malformed("a set that is not made of a list")
    machine.make(set())
    machine.add_items(list(items))


def _new_ordered_dict(machine: _Machine, pairs: Any = (), /) -> None:
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


def _put(machine: _Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


def _long(machine: _Machine, size: int) -> int:
    if size > 9:
        raise Malformed(f"a pickle with a whole number of {size:,} bytes")
    return _of_64_bits(int.from_bytes(machine.take(size), "little", signed=True))


def _digits(machine: _Machine) -> bytes:
    """A number as text."""
    line = machine.line()
    if len(line) > _LONGEST_NUMBER:
        raise Malformed(f"a pickle with a number of {len(line):,} characters")
    return line


def _of_64_bits(value: int) -> int:
    if not -(2**63) <= value < 2**64:
        raise Malformed("a pickle with a whole number of more than 64 bits")
    return value


def _int(machine: _Machine) -> int | bool:
    line = _digits(machine)
    return line == b"01" if line in (b"00", b"01") else _of_64_bits(int(line))


def _string(machine: _Machine) -> bytes:
    """Text of Python 2 as its repr, which becomes bytes."""
    line = machine.line()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Malformed("a pickle with a text without quotes")
    decoded: bytes = codecs.escape_decode(line[1:-1])[0]
    return decoded


def _pushes(make: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    """The operation that puts on the stack what this makes."""

    def operation(machine: _Machine) -> None:
        machine.stack.append(make(machine))

    return operation


def _text(size: int) -> Callable[[_Machine], None]:
    """The operation that puts text on the stack whose length has so many bytes."""
    return _pushes(lambda m: str(m.take(m.number(size)), "utf-8", "surrogatepass"))


def _bytes(size: int) -> Callable[[_Machine], None]:
    """The same for bytes."""
    return _pushes(lambda m: m.take(m.number(size)))


def _tuple(size: int) -> Callable[[_Machine], None]:
    """The operation that makes a tuple of so many values."""

    def operation(machine: _Machine) -> None:
        if len(machine.stack) < size:
            raise IndexError
        items = tuple(machine.stack[len(machine.stack) - size :])
        del machine.stack[len(machine.stack) - size :]
        machine.make(items, items)

    return operation


def _tuple_since_mark(machine: _Machine) -> None:
    items = tuple(machine.since_mark())
    machine.make(items, items)


def _list_since_mark(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.make([])
    machine.to_fill(list, items).extend(items)


def _dict_since_mark(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.make({})
    machine.set_items(items)


def _frozen_set(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.check_keys(items)
    machine.make(frozenset(items), items)


def _append(machine: _Machine) -> None:
    item = machine.stack.pop()
    machine.to_fill(list, [item]).append(item)


def _appends(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.to_fill(list, items).extend(items)


def _set_item(machine: _Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.set_items([key, value])


def _pop(machine: _Machine) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.stack.pop()


def _named(machine: _Machine) -> None:
    module, name = machine.line(), machine.line()
    machine.name(str(module, "utf-8"), str(name, "utf-8"))


def _named_on_stack(machine: _Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise Malformed("a pickle with a name that is no text")
    machine.name(module, name)


_OPERATIONS: dict[int, Callable[[_Machine], None]] = {
    ord(code): operation
    for code, operation in {
        b"\x80": lambda m: m.take(1),  # PROTO
        b"\x95": lambda m: m.take(8),  # FRAME
        b"(": lambda m: m.marks.append(len(m.stack)),
        b"0": _pop,
        b"1": lambda m: m.since_mark(),  # POP_MARK
        b"2": lambda m: m.stack.append(m.stack[-1]),  # DUP
        # The memo.
        b"p": lambda m: _put(m, int(_digits(m))),
        b"q": lambda m: _put(m, m.number(1)),
        b"r": lambda m: _put(m, m.number(4)),
        b"g": _pushes(lambda m: m.memo[int(_digits(m))]),
        b"h": _pushes(lambda m: m.memo[m.number(1)]),
        # Scalars.
        b"N": _pushes(lambda m: None),
        b"\x88": _pushes(lambda m: True),
        b"\x89": _pushes(lambda m: False),
        b"I": _pushes(_int),
        b"J": _pushes(lambda m: int.from_bytes(m.take(4), "little", signed=True)),
        b"M": _pushes(lambda m: m.number(2)),
        b"L": _pushes(lambda m: _of_64_bits(int(_digits(m).removesuffix(b"L")))),
        b"\x8a": _pushes(lambda m: _long(m, m.number(1))),
        b"\x8b": _pushes(lambda m: _long(m, m.number(4))),
        b"F": _pushes(lambda m: float(_digits(m))),
        # Text and bytes.
        b"S": _pushes(_string),
        b"T": _bytes(4),
        b"U": _bytes(1),
        b"B": _bytes(4),
        b"C": _bytes(1),
        b"\x8e": _bytes(8),
        b"V": _pushes(lambda m: str(m.line(), "raw-unicode-escape")),
        b"X": _text(4),
        b"\x8d": _text(8),
        # Containers.
        b")": _tuple(0),
        b"\x85": _tuple(1),
        b"\x86": _tuple(2),
        b"\x87": _tuple(3),
        b"t": _tuple_since_mark,
        b"]": lambda m: m.make([]),
        b"l": _list_since_mark,
        b"a": _append,
        b"e": _appends,
        b"}": lambda m: m.make({}),
        b"d": _dict_since_mark,
        b"s": _set_item,
        b"u": lambda m: m.set_items(m.since_mark()),
        b"\x8f": lambda m: m.make(set()),
        b"\x90": lambda m: m.add_items(m.since_mark()),
        b"\x91": _frozen_set,
        # Names and what is done with them.
        b"c": _named,
        b"\x93": _named_on_stack,
        b"R": lambda m: m.call(),
        b"b": lambda m: m.build(),
    }.items()
}
