"""Files from outside: opened so that nothing can hang, of a bounded size; damage in one form."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from jaxnas.checks.words import printable

_LONGEST_PATH = 500

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def read_bytes(
    path: str | os.PathLike[str],
    what: str,
    most_bytes: int,
    error: type[Exception] = ValueError,
) -> bytes:
    """The content of a regular file of a bounded size; nothing else is read, and nothing hangs.

    Args:
        path: of the file; a link counts as what it leads to.
        what: the file must be, with its article, such as "a manifest".
        most_bytes: the largest size that is read.
        error: what is raised where it is no such file.

    Raises:
        error: it is a folder, a pipe, a device or a socket, is larger, or grows while it is read.
        OSError: it is not there or cannot be read.
    """
    with opened(path, what, most_bytes, error) as file:
        size = os.fstat(file.fileno()).st_size
        # One byte more than there are: files of /proc hold more than the size that they claim.
        content = file.read(size + 1)
    if len(content) > size:
        raise error(
            f"{shown(path)} cannot be {what}: expected a file that keeps its size, got more than "
            f"its {in_words(size)}; wait until it is written, or give another file"
        )
    return content


@contextlib.contextmanager
def opened(
    path: str | os.PathLike[str],
    what: str,
    most_bytes: int,
    error: type[Exception] = ValueError,
) -> Iterator[IO[bytes]]:
    """A regular file of a bounded size, open for reading in binary; see `read_bytes`."""
    place = encoded(path)
    if place is None:
        raise error(f"{shown(path)} cannot be {what}: expected a path, got one no file can have")
    # Asked first, as opening some devices acts on them; asked again, as the path may be exchanged.
    _check_kind(Path(path).stat(), path, what, most_bytes, error)
    # Non-blocking: a pipe that nobody writes into would otherwise never be opened.
    descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        _check_kind(os.fstat(file.fileno()), path, what, most_bytes, error)
        try:
            yield file
        except OSError as failed:
            # Errors of reading do not say of what.
            if failed.errno and not failed.filename:
                failed.filename = os.fspath(path)
            raise


def damaged(path: str | os.PathLike[str], expected: str, got: str, remedy: str) -> str:
    """The one sentence about a file that is not as it was written.

    Args:
        path: of the file, or `file:member`.
        expected: what should be there.
        got: what is there, fit to be shown; see `words.one_line` and `words.quoted`.
        remedy: what to do.
    """
    return f"{shown(path)} is damaged: expected {expected}, got {got}; {remedy}"


def shown(path: str | os.PathLike[str]) -> str:
    """A path as it is shown: on one line, its control characters written out, cut if very long."""
    text = os.fspath(path)
    line = printable(text[:_LONGEST_PATH]).replace("\n", "\\n").replace("\t", "\\t")
    return line + ("…" if len(text) > _LONGEST_PATH else "")


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether anything is at a path; nothing is at one that is too long or cannot be one."""
    return os.path.exists(path)  # noqa: PTH110  # pathlib's fails for names that are too long


def in_words(size: int) -> str:
    """A number of bytes, rounded: "3.2 GB"."""
    scaled, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB", "EB"):
        if scaled < 999.5:
            break
        scaled, unit = scaled / 1000, larger
    return f"{scaled:.3g} {unit}" if scaled < 999.5 else f"{scaled:,.0f} {unit}"


def encoded(path: str | os.PathLike[str]) -> bytes | None:
    """A path as the system takes it; None where it has a zero byte or a character that none has."""
    try:
        place = os.fsencode(path)
    except UnicodeEncodeError:
        return None
    return None if b"\0" in place else place


def _check_kind(
    status: os.stat_result,
    path: str | os.PathLike[str],
    what: str,
    most_bytes: int,
    error: type[Exception],
) -> None:
    """Raises the error unless this is a regular file of a bounded size."""
    if not stat.S_ISREG(status.st_mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(status.st_mode)), "no file")
        raise error(
            f"{shown(path)} cannot be {what}: expected a regular file, got {kind}; "
            "give the path of a file"
        )
    if status.st_size > most_bytes:
        raise error(
            f"{shown(path)} cannot be {what}: expected at most {in_words(most_bytes)}, got "
            f"{in_words(status.st_size)}; give another file"
        )
