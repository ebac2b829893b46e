"""Reading Parquet that may lie: its sizes are counted before pyarrow believes them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from jaxnas.checks import one_line, quoted
from jaxnas.checks.documents import UNREADABLE
from jaxnas.results.thrift import Struct, ThriftError, read_struct

MOST_BYTES = 2**31
"""The largest Parquet file that is read."""

# What a file may unpack to: so much in any case, and so many times its own size.
_MOST_CELLS, _MOST_UNPACKED, _MOST_TIMES = 2**24, 2**27, 16
_MOST_COLUMNS, _MOST_PAGES, _MOST_FOOTER = 1_000, 2**17, 2**24


class ParquetError(ValueError):
    """The bytes are no table of plain columns; the message is what they are."""


def table_in(data: bytes) -> pa.Table:
    """The table in a Parquet file's bytes, its columns those of numbers and texts alone.

    Every buffer is validated. Texts that the file has as dictionaries stay so.

    Raises:
        ParquetError: the bytes are damaged, have nested columns, one column twice, or unpack to
            far more than they are.
    """
    try:
        _check_sizes(data)
        with _readable():
            file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
            schema = file.schema_arrow
            _check_columns(schema)
            texts = [field.name for field in schema if _is_text(field.type)]
            if texts:  # as dictionaries, so that one long text in many rows is no longer than once
                file = pq.ParquetFile(
                    pa.BufferReader(data), page_checksum_verification=True, read_dictionary=texts
                )
            table = file.read(use_threads=False)
            table.validate(full=True)
            return _with_texts(table, schema, max(_MOST_UNPACKED, _MOST_TIMES * len(data)))
    except ThriftError as error:
        raise ParquetError(f"no Parquet: {error}") from error


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Turns all that a damaged file can raise within into one error."""
    try:
        yield
    except ParquetError:
        raise
    except (pa.ArrowException, *UNREADABLE) as error:
        raise ParquetError(f"no Parquet: {one_line(error)}") from error


def _check_columns(schema: pa.Schema) -> None:
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        plain = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if not (plain or _is_text(kind)):
            raise ParquetError(f"a column {quoted(field.name)} of type {quoted(str(field.type))}")
    names = schema.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ParquetError(f"the column {quoted(twice)} twice")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _with_texts(table: pa.Table, schema: pa.Schema, most: int) -> pa.Table:
    """The table with the text columns of a schema that are no dictionaries spelled out."""
    for n, field in enumerate(schema):
        if not _is_text(field.type):
            continue
        for chunk in table.column(n).chunks:
            lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
            most -= pc.sum(lengths).as_py() or 0
        if most < 0:
            raise ParquetError(f"texts in column {quoted(field.name)} far longer than the file")
        table = table.set_column(n, field, table.column(n).cast(field.type))
    return table.replace_schema_metadata(schema.metadata)


def _check_sizes(data: bytes) -> None:
    """Raises ParquetError or ThriftError unless the file claims flat columns of fitting sizes."""
    if len(data) < 12 or data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        raise ParquetError(f"no Parquet: {len(data):,} bytes that begin with {quoted(data[:4])}")
    size = int.from_bytes(data[-8:-4], "little")
    if size > min(len(data) - 12, _MOST_FOOTER):
        raise ParquetError(f"no Parquet: a footer of {size:,} bytes")
    try:
        footer, _ = read_struct(data, len(data) - 8 - size)
        _, *columns = footer[2]
        if len(columns) > _MOST_COLUMNS or any(column.get(5) for column in columns):
            raise ParquetError(f"nested columns, or more than {_MOST_COLUMNS:,}")
        groups = footer[4]
        rows = sum(group[3] for group in groups)
        if min([0, *(group[3] for group in groups)]) < 0 or rows != footer[3]:
            raise ParquetError(f"{footer[3]:,} rows where its parts have {rows:,}")
        if rows * max(len(columns), 1) > max(_MOST_CELLS, _MOST_TIMES * len(data)):
            raise ParquetError(f"{rows:,} rows in {len(data):,} bytes")
        pages = itertools.islice(
            (page for group in groups for chunk in group[1] for page in _pages(data, chunk[3])),
            _MOST_PAGES + 1,
        )
        unpacked = list(pages)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ParquetError | ThriftError):
            raise
        raise ParquetError("no Parquet: a footer that lacks what it must have") from error
    if len(unpacked) > _MOST_PAGES:
        raise ParquetError(f"more than {_MOST_PAGES:,} pages")
    if sum(unpacked) > max(_MOST_UNPACKED, _MOST_TIMES * len(data)):
        raise ParquetError(f"{sum(unpacked):,} bytes packed into {len(data):,}")


def _pages(data: bytes, chunk: Struct) -> Iterator[int]:
    """Bytes that each page of a column's chunk claims to unpack to."""
    at: int = min(chunk[9], chunk.get(11) or chunk[9])
    end: int = at + chunk[7]
    if at < 4 or end > len(data) or chunk[7] < 0:
        raise ParquetError("no Parquet: pages outside of the file")
    while at < end:
        header, at = read_struct(data, at)
        if min(header[2], header[3]) < 0:
            raise ParquetError("no Parquet: a page of a negative size")
        yield header[2]
        at += header[3]
