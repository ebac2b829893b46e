"""Files that are on disk whole or not at all: one writer for each format."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from jaxnas.checks.files import shown

# A file in the making: the name that it will have, and what nobody can foresee; earlier versions
# had the number of the process there.
_TEMPORARY = re.compile(r"\.(.+\.[0-9a-f]{16}|.+\.(json|parquet|csv)\.\d+)\.tmp")


class ResultsError(ValueError):
    """Results could not be read, written or joined; the message says what to do."""


@contextlib.contextmanager
def disk_errors(path: Path, action: str) -> Iterator[None]:
    """Turns the operating system's errors into one sentence.

    Args:
        path: what was worked on.
        action: what failed, as in "could not be <action>".
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ResultsError(
            f"{shown(path)} could not be {action} ({reason}): expected a folder on a disk with "
            "free space that this user may read and write; mend it or choose another folder, what "
            "was written before is kept."
        ) from error


def check_writable(path: str | os.PathLike[str]) -> None:
    """Makes sure, before any work, that a folder is there or can be made, and takes files.

    Leaves nothing behind: a folder that was not there is not there afterwards.

    Raises:
        ResultsError: the disk refuses.
    """
    folder = Path(path)
    absent = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    with disk_errors(folder, "written"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
        finally:
            for place in absent:
                with contextlib.suppress(OSError):
                    place.rmdir()


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file so that a crash at any moment leaves the old file or the new one.

    Nobody can have laid a link in its way: it is made under a name that nobody can foresee, as a
    file that was not there, and then takes the place of whatever has the name that it should have.

    Raises:
        ResultsError: if the disk is full, read-only or otherwise refuses; nothing is left behind.
    """
    with disk_errors(path, "written"):
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, new, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Deletes the files that killed writers left; no one else may be writing there."""
    with disk_errors(folder, "cleaned"):
        for path in folder.iterdir():
            if _TEMPORARY.fullmatch(path.name) and not path.is_dir():
                path.unlink()


def write_parquet(table: pa.Table, path: Path) -> None:
    """Writes a table as Parquet: equal tables give equal bytes, with one release of pyarrow.

    Raises:
        ResultsError: the disk refuses.
    """
    write_atomically(path, parquet_bytes(table))


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=3,
        row_group_size=1 << 16,
        write_page_checksum=True,
    )
    return bytes(sink.getvalue())


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes rows of the same names as CSV; None and NaN are empty.

    Raises:
        ResultsError: the disk refuses.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if is_absent(value) else value for name, value in row.items()})
    write_atomically(path, text.getvalue().encode())


def is_absent(value: Any) -> bool:
    """Whether a value is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder survive a power cut; OSError where the disk refuses."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
