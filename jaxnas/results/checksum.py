"""A checksum of what a table says, whatever the file that it is in looks like.

Parquet's own are of pages alone: a flipped bit in the footer could rename a score or change the
settings that it was scored with.
"""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

CHECKSUM = b"jaxnas.checksum"
"""Where a table's metadata have it."""

_OURS = b"jaxnas."


def with_checksum(table: pa.Table) -> pa.Table:
    """A table with the checksum of its columns and of jaxnas' metadata."""
    metadata = {**(table.schema.metadata or {}), CHECKSUM: _checksum(table)}
    return table.replace_schema_metadata(dict(sorted(metadata.items())))


def without_checksum(table: pa.Table) -> pa.Table:
    """A table whose checksum is right, or that has none, without it.

    Raises:
        ValueError: it is another table's; the message is what was got.
    """
    metadata = dict(table.schema.metadata or {})
    stored = metadata.pop(CHECKSUM, None)
    if stored is not None and stored != _checksum(table):
        raise ValueError("another table than its checksum is of")
    return table.replace_schema_metadata(metadata)


def _checksum(table: pa.Table) -> bytes:
    """SHA-256, in hexadecimal digits; the order of rows and columns counts, chunks do not."""
    sha = hashlib.sha256()
    metadata = table.schema.metadata or {}
    for name in sorted(metadata):
        if name.startswith(_OURS) and name != CHECKSUM:
            sha.update(repr((name, metadata[name])).encode())
    for field in table.schema:
        column = table[field.name]
        sha.update(repr((field.name, str(field.type), len(column))).encode())
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
            sha.update(column.is_null().to_numpy().tobytes())
            sha.update(pc.fill_null(column, 0).to_numpy().tobytes())
        else:
            sha.update(json.dumps(column.to_pylist()).encode())
    return sha.hexdigest().encode()
