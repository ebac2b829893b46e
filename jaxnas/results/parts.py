"""Parts: files of scores that are on disk whole and verified, or not there at all.

A part says which run it belongs to: the settings of its run stand in its metadata, as they do in
the finished table. One of an earlier version has none, and belongs to the folder that it is in.
"""

from __future__ import annotations

import errno
import hashlib
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.checks import one_line, quoted
from jaxnas.checks.documents import parse_json
from jaxnas.checks.files import read_bytes
from jaxnas.results.files import ResultsError, disk_errors, parquet_bytes, write_atomically
from jaxnas.results.identity import JSON, canonical, check_run
from jaxnas.results.manifest import current_settings, space_in
from jaxnas.results.parquet import MOST_BYTES, ParquetError, table_in
from jaxnas.results.records import LONG_SCHEMA, OLD_LONG_SCHEMA, with_archs
from jaxnas.results.table import SETTINGS

_NAME = re.compile(r"(\d{8})-([0-9a-f]{16})\.parquet")
_KEYS = ("arch", "cell", "seed", "score")


class DamagedPartError(ResultsError):
    """A part's content is not what was written, or is of another run."""


def write_part(folder: Path, number: int, table: pa.Table, settings: Mapping[str, JSON]) -> None:
    """Writes a long table of the run with these settings as a part.

    Args:
        folder: of the parts.
        number: the part's.
        table: of `records.LONG_SCHEMA`.
        settings: of the run.
    """
    marked = table.replace_schema_metadata({SETTINGS: canonical(settings)})
    write_part_bytes(folder, number, parquet_bytes(marked))


def write_part_bytes(folder: Path, number: int, data: bytes) -> None:
    """Writes the bytes of a part, numbered; their checksum becomes part of its name."""
    write_atomically(folder / f"{number:08d}-{_checksum(data)}.parquet", data)


def list_parts(folder: Path) -> list[Path]:
    """All parts not set aside, damaged or not, in the order in which they were written."""
    return sorted(
        path for path in _entries(folder) if path.suffix == ".parquet" and path.name[0] != "."
    )


def next_number(folder: Path) -> int:
    """One more than the highest number any part has had, parts set aside included."""
    matches = [_NAME.match(path.name) for path in _entries(folder)]
    return 1 + max((int(match[1]) for match in matches if match), default=0)


def read_part(path: Path, settings: Mapping[str, JSON]) -> pa.Table:
    """Reads and verifies a part.

    Args:
        path: of the part.
        settings: of the run that it should be of.

    Returns:
        The long table that it holds, of `records.LONG_SCHEMA`.

    Raises:
        DamagedPartError: if the content does not match the checksum in the name, is no part, or one
            of another run.
        ResultsError: if the operating system refuses to read it for a reason that may pass.
    """
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise DamagedPartError("its name is not that of a part, NUMBER-CHECKSUM.parquet")
    data = _content(path)
    if _checksum(data) != name[2]:
        raise DamagedPartError(f"its content has the checksum {_checksum(data)}")
    try:
        table = table_in(data)
    except ParquetError as error:
        raise DamagedPartError(f"its content is {error}") from error
    if not any(table.schema.equals(known) for known in (LONG_SCHEMA, OLD_LONG_SCHEMA)):
        names = quoted(", ".join(table.schema.names))
        raise DamagedPartError(f"its columns are {names} or of other types")
    for key in (key for key in _KEYS if key in table.column_names):
        chunks = table[key].chunks
        texts = (chunk.dictionary for chunk in chunks if pa.types.is_dictionary(chunk.type))
        if table[key].null_count or any(text.null_count for text in texts):
            raise DamagedPartError(f"its column {key} lacks values")
    _check_run(table, settings)
    try:
        return with_archs(table.replace_schema_metadata(None), space_in(settings))
    except (ValueError, IndexError) as error:
        raise DamagedPartError(f"its cells are none of the space: {one_line(error)}") from error


def _check_run(table: pa.Table, settings: Mapping[str, JSON]) -> None:
    """Raises DamagedPartError if a part says that it is of a run with other settings."""
    stored = (table.schema.metadata or {}).get(SETTINGS)
    if stored is None or stored == canonical(settings).encode():
        return
    try:
        check_run(parse_json(stored), settings, current_settings)
    except ValueError as error:
        raise DamagedPartError(f"it is {error}") from error


def _content(path: Path) -> bytes:
    with disk_errors(path, "read"):
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise DamagedPartError("it is no file")
            return read_bytes(path, "a part", MOST_BYTES, DamagedPartError)
        except OSError as error:
            if error.errno == errno.EIO:
                raise DamagedPartError(f"reading fails: {error.strerror}") from error
            raise


def _entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing where there is none."""
    with disk_errors(folder, "read"):
        try:
            return list(folder.iterdir())
        except FileNotFoundError:
            if folder.is_symlink():
                raise
            return []


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
