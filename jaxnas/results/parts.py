"""Parts: files of scores that are on disk whole and verified, or not there at all."""

from __future__ import annotations

import errno
import hashlib
import re
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from jaxnas.results.files import ResultsError, disk_errors, write_atomically
from jaxnas.results.records import LONG_SCHEMA, OLD_LONG_SCHEMA

_NAME = re.compile(r"(\d{8})-([0-9a-f]{16})\.parquet")
_LEFTOVER = re.compile(r"\.(manifest\.json|.+\.parquet)\.\d+\.tmp")


class DamagedPartError(ResultsError):
    """A part's content is not what was written."""


def remove_leftovers(folder: Path) -> None:
    """Deletes the temporary files of killed writers; no one else may be writing there."""
    with disk_errors(folder, "cleaned"):
        for path in folder.iterdir():
            if _LEFTOVER.fullmatch(path.name):
                path.unlink()


def write_part(folder: Path, number: int, data: bytes) -> None:
    """Writes the bytes of a part, numbered; their checksum becomes part of its name."""
    write_atomically(folder / f"{number:08d}-{_checksum(data)}.parquet", data)


def list_parts(folder: Path) -> list[Path]:
    """All parts not set aside, damaged or not, in the order in which they were written."""
    with disk_errors(folder, "read"):
        return sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))


def next_number(folder: Path) -> int:
    """One more than the highest number any part has had, parts set aside included."""
    with disk_errors(folder, "read"):
        matches = [_NAME.match(path.name) for path in folder.iterdir()]
    return 1 + max((int(match[1]) for match in matches if match), default=0)


def read_part(path: Path) -> pa.Table:
    """Reads and verifies a part.

    Returns:
        The long table that it holds, of either schema.

    Raises:
        DamagedPartError: if the content does not match the checksum in the name, or is no part.
        ResultsError: if the operating system refuses to read it for a reason that may pass.
    """
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise DamagedPartError("its name is not that of a part, NUMBER-CHECKSUM.parquet")
    with disk_errors(path, "read"):
        try:
            data = path.read_bytes()
        except OSError as error:
            if error.errno == errno.EIO:
                raise DamagedPartError(f"reading fails: {error.strerror}") from error
            raise
    if _checksum(data) != name[2]:
        raise DamagedPartError(f"its content has the checksum {_checksum(data)}")
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DamagedPartError(f"its content is not Parquet: {error}") from error
    if not any(table.schema.equals(known) for known in (LONG_SCHEMA, OLD_LONG_SCHEMA)):
        raise DamagedPartError(f"its columns are {', '.join(table.schema.names)} or of other types")
    return table


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
