"""Pickles as an attacker or a broken disk makes them, by small functions; see `PICKLES`."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any


def _text(text: str) -> bytes:
    encoded = text.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _in_dict(value: bytes) -> bytes:
    """The pickle of a dict whose entry data is of these operations."""
    return b"\x80\x04}" + _text("data") + value + b"s."


def _key(key: bytes) -> bytes:
    """The pickle of a dict with a key of these operations."""
    return b"\x80\x04}" + key + b"Ns."


def _call(module: str, name: str, arguments: bytes) -> bytes:
    return f"c{module}\n{name}\n".encode() + arguments + b"R"


def _dtype(code: str) -> bytes:
    return _call("numpy", "dtype", _text(code) + b"\x89\x88\x87")


def _array(code: str, shape: bytes, raw: bytes) -> bytes:
    empty = _call("numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\nK\x00\x85C\x01b\x87")
    content = b"B" + struct.pack("<I", len(raw)) + raw
    return empty + b"(K\x01" + shape + _dtype(code) + b"\x89" + content + b"tb"


def _repeated(prefix: bytes, each: bytes, times: int) -> bytes:
    return _in_dict(prefix + each * times)


def _huge_int(size: int) -> bytes:
    return b"\x8b" + struct.pack("<I", size) + b"\x7f" * size


def _colliding_keys() -> bytes:
    """Whole numbers of one hash, which take a dict quadratic time."""
    keys = (b"\x8a\x0a" + (i * (2**61 - 1)).to_bytes(10, "little") + b"N" for i in range(100_000))
    return _in_dict(b"}(" + b"".join(keys) + b"u")


def _colliding_tuples() -> bytes:
    return pickle.dumps({(i, str(i)): None for i in range(10_000)})


def _self_containing() -> bytes:
    itself: list[Any] = []
    itself.append(itself)
    return pickle.dumps({"data": itself})


def _copied_again() -> bytes:
    """A text that is copied by each of many calls, which are a few bytes each."""
    text = _text("a" * 1_000_000) + b"q\x00" + _text("latin1") + b"q\x01c_codecs\nencode\nq\x020"
    return _in_dict(b"(" + text + b"h\x02h\x00h\x01\x86R" * 10_000 + b"t")


def _set_again() -> bytes:
    items = b"](" + b"K\x01" * 100_000 + b"eq\x000cbuiltins\nset\nq\x010"
    return _in_dict(b"(" + items + b"h\x01h\x00\x85R" * 100_000 + b"t")


PICKLES: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "million-deep tuple": (lambda: _repeated(b"N", b"\x85", 10**6), "32 levels"),
    "million-deep lists": (lambda: _in_dict(b"]" * 10**6 + b"a" * (10**6 - 1)), "containers"),
    "lists deep in reverse": (
        lambda: _in_dict(b"]q\x00]q\x01]q\x020h\x01h\x02a0h\x00h\x01a0h\x02h\x00a"),
        "out of its turn",
    ),
    "list in itself": (_self_containing, "out of its turn"),
    "key of doubled tuples": (lambda: _key(b"N" + b"2\x86" * 60), "levels|key that is a tuple"),
    "key of doubled tuples, shallow": (lambda: _key(b"N" + b"2\x86" * 30), "key that is a tuple"),
    "key of a list": (lambda: _key(b"]"), "key that is a list"),
    "colliding whole numbers": (_colliding_keys, "whole number of 10 bytes"),
    "many keys of tuples": (_colliding_tuples, "4,096 keys that are tuples"),
    "huge whole number": (lambda: _in_dict(_huge_int(10_000_000)), "of 10,000,000 bytes"),
    "whole number in a million digits": (
        lambda: _in_dict(b"I" + b"9" * 10**6 + b"\n"),
        "of 1,000,000 characters",
    ),
    "memo index of 268 million": (lambda: _in_dict(b"Nr\xff\xff\xff\x0fs"), "cut short|is a"),
    "marks without end": (lambda: b"\x80\x04" + b"(" * 2_500_000, "2,000,000 operations"),
    "lists without end": (lambda: b"\x80\x04(" + b"]" * 2_500_000, "200,000 containers"),
    "one text copied again": (_copied_again, "the same again and again"),
    "one set made again": (_set_again, "the same again and again"),
    "type (1,f8": (lambda: _in_dict(_dtype("(1,f8")), "not of numbers"),
    "type of a record": (lambda: _in_dict(_dtype("f8,(9999999,9999999)f8")), "not of numbers"),
    "type of texts": (lambda: _in_dict(_dtype("U99999999")), "not of numbers"),
    "type of objects": (lambda: _in_dict(_array("O8", b"K\x01\x85", b"\0" * 8)), "not of numbers"),
    "array larger than its numbers": (
        lambda: _in_dict(_array("f8", b"J\xff\xff\xff\x7f\x85", b"\0" * 8)),
        "another size",
    ),
    "array of negative size": (
        lambda: _in_dict(_array("i1", b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86", b"\0")),
        "something else|another size",
    ),
    "scalar of a megabyte": (
        lambda: _in_dict(
            _call(
                "numpy.core.multiarray",
                "scalar",
                _dtype("i1") + b"B" + struct.pack("<I", 10**6) + b"\0" * 10**6 + b"\x86",
            )
        ),
        "another size than its type",
    ),
    "length beyond the end": (lambda: _in_dict(b"\x8e" + b"\xff" * 8 + b"abc"), "cut short"),
    "cut short": (lambda: pickle.dumps({"data": "abc" * 100})[:-5], "cut short"),
    "bytes after its end": (lambda: pickle.dumps({"data": 1}) + b"PK", "2 bytes after the end"),
    "no text": (lambda: _in_dict(b"X\x01\x00\x00\x00\xff"), "number or a text|something else"),
    "persistent object": (lambda: _in_dict(b"Pabc\n"), "no operation of plain data"),
    "class and its state": (lambda: _in_dict(b"(ios\nsystem\n"), "no operation of plain data"),
    "escapes of a terminal": (lambda: _in_dict(b"c\x1b]0;owned\x07\nx\n"), r"\\x1b\]0;owned\\x07"),
}
