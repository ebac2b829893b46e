"""Thrift's compact protocol, as far as Parquet's footers and page headers use it.

pyarrow believes what these say of depths and sizes, up to a stack that overflows and buffers of
gigabytes; so they are read here first, by code that nothing can crash. Source: Apache Thrift,
"Thrift compact protocol"; field numbers are those of Apache Parquet's `parquet.thrift`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Struct: TypeAlias = dict[int, Any]
"""Field number → value: bool, int, bytes, float as 8 bytes, list, or Struct; unions are structs."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64 = 1, 2, 3, 4, 5, 6
_DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 7, 8, 9, 10, 12
_DEEPEST = 16
_MOST_VALUES = 2**20


class ThriftError(ValueError):
    """The bytes are not of the protocol."""


def read_struct(data: memoryview | bytes, start: int = 0) -> tuple[Struct, int]:
    """The struct that begins at a byte, and the byte after it.

    Raises:
        ThriftError: there is none, or one deeper or larger than any that Parquet needs.
    """
    reader = _Reader(data, start)
    try:
        found = reader.struct(_DEEPEST)
    except IndexError as error:
        raise ThriftError("it ends too early") from error
    return found, reader.at


class _Reader:
    """Reads on from a position."""

    def __init__(self, data: memoryview | bytes, at: int) -> None:
        self._data, self.at = data, at
        self._left = _MOST_VALUES
        flag, number = lambda: self._byte() == _TRUE, self._signed
        self._plain: dict[int, Callable[[], Any]] = {
            **dict.fromkeys((_TRUE, _FALSE), flag),  # in a list each is a byte of its own
            _BYTE: self._byte,
            **dict.fromkeys((_I16, _I32, _I64), number),
            _DOUBLE: lambda: self._bytes(8),
            _BINARY: lambda: self._bytes(self._unsigned()),
        }

    def struct(self, depth: int) -> Struct:
        return dict(self._fields(depth))

    def _fields(self, depth: int) -> Iterator[tuple[int, Any]]:
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._signed()
            yield number, (kind == _TRUE) if kind in (_TRUE, _FALSE) else self._value(kind, depth)

    def _value(self, kind: int, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or not depth:
            raise ThriftError("it is nested too deep or has too many values")
        if kind in (_LIST, _SET):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._unsigned()
            return [self._value(head & 15, depth - 1) for _ in range(count)]
        if kind == _STRUCT:
            return self.struct(depth - 1)
        if kind not in self._plain:
            raise ThriftError(f"a value of type {kind}")
        return self._plain[kind]()

    def _byte(self) -> int:
        byte = self._data[self.at]
        self.at += 1
        return byte

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self.at:
            raise ThriftError("it ends too early")
        self.at += count
        return bytes(self._data[self.at - count : self.at])

    def _unsigned(self) -> int:
        found = shift = 0
        while (byte := self._byte()) >= 128:
            found |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ThriftError("a number of more than 64 bits")
        return found | byte << shift

    def _signed(self) -> int:
        number = self._unsigned()
        return number >> 1 ^ -(number & 1)
