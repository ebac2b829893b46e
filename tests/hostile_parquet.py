"""Parquet files whose footers and page headers lie, made of good ones field by field."""

from __future__ import annotations

from typing import Any

from jaxnas.results.thrift import read_struct

# Kinds of the compact protocol by which each field that is changed is written.
_BOOL, _I64, _BINARY, _LIST, _STRUCT = 1, 6, 8, 9, 12


def footer_of(data: bytes) -> Any:
    """The footer of a Parquet file, as `read_struct` has it."""
    size = int.from_bytes(data[-8:-4], "little")
    return read_struct(data, len(data) - 8 - size)[0]


def with_footer(data: bytes, footer: bytes) -> bytes:
    """A Parquet file with another footer."""
    size = int.from_bytes(data[-8:-4], "little")
    body = data[: len(data) - 8 - size]
    return body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def number(value: int) -> bytes:
    """A whole number without sign, 7 bits a byte."""
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + number(rest) if rest else bytes([low])


def signed(value: int) -> bytes:
    """A whole number of 64 bits with a sign."""
    return number((value << 1 ^ value >> 63) & (2**64 - 1))


def text(value: bytes) -> bytes:
    """Bytes with their length before them."""
    return number(len(value)) + value


def struct(*fields: tuple[int, int, bytes]) -> bytes:
    """A struct of (number, kind, content) in rising order of numbers."""
    out, before = b"", 0
    for at, kind, content in fields:
        out += bytes([(at - before) << 4 | kind]) + content
        before = at
    return out + b"\0"


def deep_schema(depth: int) -> bytes:
    """A footer with a column within so many groups."""
    group = struct((3, 5, signed(0)), (4, _BINARY, text(b"a")), (5, 5, signed(1)))
    leaf = struct((1, 5, signed(1)), (3, 5, signed(0)), (4, _BINARY, text(b"a")))
    elements = bytes([0xF0 | _STRUCT]) + number(depth + 1) + group * depth + leaf
    return struct(
        (1, 5, signed(1)),
        (2, _LIST, elements),
        (3, _I64, signed(0)),
        (4, _LIST, bytes([_STRUCT])),
    )
