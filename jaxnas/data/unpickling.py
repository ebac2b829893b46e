"""A reader of pickles that can only build plain data, within bounds on depth, size and time.

Python's own reader is made for pickles that are trusted: one of a few kilobytes can name any
function, build what crashes the process when it is hashed or freed, or never end. This one knows
the operations by which plain data is written and no other. What it builds is text, bytes, numbers
of 64 bits, None, lists, tuples, sets and dicts of those, and what `known` makes.

Source: the operations and their meaning are those of the standard library's `pickletools`.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import Any

from jaxnas.checks import one_line
from jaxnas.data.pickle_machine import Known, Machine, Malformed

_LONGEST_NUMBER = 64  # in characters, where numbers are written as text


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
        return Machine(data, known).run(_OPERATIONS)
    except Malformed:
        raise
    except IndexError:
        raise Malformed("a pickle that is cut short, or takes more than it has") from None
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error) as error:
        raise Malformed(f"a pickle of something else ({one_line(error)})") from error


def _put(machine: Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


def _long(machine: Machine, size: int) -> int:
    if size > 9:
        raise Malformed(f"a pickle with a whole number of {size:,} bytes")
    return _of_64_bits(int.from_bytes(machine.take(size), "little", signed=True))


def _digits(machine: Machine) -> bytes:
    """A number as text."""
    line = machine.line()
    if len(line) > _LONGEST_NUMBER:
        raise Malformed(f"a pickle with a number of {len(line):,} characters")
    return line


def _of_64_bits(value: int) -> int:
    if not -(2**63) <= value < 2**64:
        raise Malformed("a pickle with a whole number of more than 64 bits")
    return value


def _int(machine: Machine) -> int | bool:
    line = _digits(machine)
    return line == b"01" if line in (b"00", b"01") else _of_64_bits(int(line))


def _string(machine: Machine) -> bytes:
    """Text of Python 2 as its repr, which becomes bytes."""
    line = machine.line()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Malformed("a pickle with a text without quotes")
    decoded: bytes = codecs.escape_decode(line[1:-1])[0]
    return decoded


def _pushes(make: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    """The operation that puts on the stack what this makes."""

    def operation(machine: Machine) -> None:
        machine.stack.append(make(machine))

    return operation


def _text(size: int) -> Callable[[Machine], None]:
    """The operation that puts text on the stack whose length has so many bytes."""
    return _pushes(lambda m: str(m.take(m.number(size)), "utf-8", "surrogatepass"))


def _bytes(size: int) -> Callable[[Machine], None]:
    """The same for bytes."""
    return _pushes(lambda m: m.take(m.number(size)))


def _tuple(size: int) -> Callable[[Machine], None]:
    """The operation that makes a tuple of so many values."""

    def operation(machine: Machine) -> None:
        if len(machine.stack) < size:
            raise IndexError
        items = tuple(machine.stack[len(machine.stack) - size :])
        del machine.stack[len(machine.stack) - size :]
        machine.make(items, items)

    return operation


def _tuple_since_mark(machine: Machine) -> None:
    items = tuple(machine.since_mark())
    machine.make(items, items)


def _list_since_mark(machine: Machine) -> None:
    items = machine.since_mark()
    machine.make([])
    machine.to_fill(list, items).extend(items)


def _dict_since_mark(machine: Machine) -> None:
    items = machine.since_mark()
    machine.make({})
    machine.set_items(items)


def _frozen_set(machine: Machine) -> None:
    items = machine.since_mark()
    machine.check_keys(items)
    machine.make(frozenset(items), items)


def _append(machine: Machine) -> None:
    item = machine.stack.pop()
    machine.to_fill(list, [item]).append(item)


def _appends(machine: Machine) -> None:
    items = machine.since_mark()
    machine.to_fill(list, items).extend(items)


def _set_item(machine: Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.set_items([key, value])


def _pop(machine: Machine) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.stack.pop()


def _named(machine: Machine) -> None:
    module, name = machine.line(), machine.line()
    machine.name(str(module, "utf-8"), str(name, "utf-8"))


def _named_on_stack(machine: Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise Malformed("a pickle with a name that is no text")
    machine.name(module, name)


_OPERATIONS: dict[int, Callable[[Machine], None]] = {
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
