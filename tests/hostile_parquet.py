"""Parquet files whose footers and page headers lie, made of good ones field by field."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxnas.results.thrift import _Reader

# Kinds of values of the compact protocol.
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_DEPTH = 16


class Span(NamedTuple):
    """A value and where its bytes are."""

    start: int
    end: int
    value: Any

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]


class _Spans(_Reader):
    """Reads each value with its place."""

    def _value(self, kind: int, depth: int) -> Any:
        start = self.at
        value = super()._value(kind, depth)
        return Span(start, self.at, value)


def _footer_size(data: bytes) -> int:
    return int.from_bytes(data[-8:-4], "little")


def _footer(data: bytes) -> Any:
    """The fields of a file's footer, each a `Span` of the file."""
    return _Spans(data, len(data) - 8 - _footer_size(data)).struct(_DEPTH)


def _patched(data: bytes, patches: list[tuple[Span, int]]) -> bytes:
    """The file with numbers of its footer replaced."""
    size = _footer_size(data)
    start, end = len(data) - 8 - size, len(data) - 8
    footer = data[start:end]
    for span, new in sorted(patches, reverse=True):
        footer = footer[: span.start - start] + signed(new) + footer[span.end - start :]
    return with_footer(data, footer)


def with_rows(data: bytes, rows: int, *, everywhere: bool = False) -> bytes:
    """A Parquet file that claims so many rows, or that each of its columns does."""
    footer = _footer(data)
    patches = [(footer[3], rows)]
    if everywhere:
        for group in footer[4].value:
            patches.append((group[3], rows))
            patches += [(chunk[3][5], rows) for chunk in group[1].value]
    return _patched(data, patches)


def with_page_size(data: bytes, size: int) -> bytes:
    """A Parquet file whose last column's last page claims to unpack to so many bytes."""
    chunk = _footer(data)[4][-1][1][-1][3]
    at = chunk[9].value
    claim = _Spans(data, at).struct(_DEPTH)[2]
    new = data[: claim.start] + signed(size) + data[claim.end :]
    longer = len(new) - len(data)
    chunk = _footer(new)[4][-1][1][-1][3]
    return _patched(new, [(chunk[7], chunk[7].value + longer)])


def with_footer(data: bytes, footer: bytes) -> bytes:
    """A Parquet file with another footer."""
    body = data[: len(data) - 8 - _footer_size(data)]
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
    group = struct((3, _I32, signed(0)), (4, _BINARY, text(b"a")), (5, _I32, signed(1)))
    leaf = struct((1, _I32, signed(1)), (3, _I32, signed(0)), (4, _BINARY, text(b"a")))
    elements = bytes([0xF0 | _STRUCT]) + number(depth + 1) + group * depth + leaf
    return struct(
        (1, _I32, signed(1)),
        (2, _LIST, elements),
        (3, _I64, signed(0)),
        (4, _LIST, bytes([_STRUCT])),
    )
