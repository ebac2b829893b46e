"""Paths that a user gives, and whether what is to be kept there can be; asked before the work."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from jaxnas.checks.files import encoded
from jaxnas.checks.words import quoted

_LONGEST_NAME, _LONGEST_PATH = 255, 4095

# What is written to see that a disk takes it: less than any table.
_PROBE = bytes(65_536)


def check_path(name: str, value: Any, error: type[Exception] = ValueError) -> Path:
    """A path that a file can have, nothing is looked up on the disk.

    Args:
        name: what it is, which opens the sentence.
        value: text, or a path object.
        error: what is raised.

    Raises:
        error: it is empty, has a zero byte or is longer than a path can be.
    """
    if not isinstance(value, str | os.PathLike):
        raise error(f"{name}: expected a path, got {quoted(value)}")
    text = os.fspath(value)
    if not isinstance(text, str):
        raise error(f"{name}: expected a path as text, got {quoted(text)}")
    if not text.strip():
        raise error(f"{name}: expected a path, got {quoted(text)}; . is the folder at hand")
    place = encoded(text)
    if place is None:
        raise error(f"{name}: expected a path that a file can have, got {quoted(text)}")
    longest = max(map(len, place.split(b"/")))
    if len(place) > _LONGEST_PATH or longest > _LONGEST_NAME:
        raise error(
            f"{name}: expected a path of at most {_LONGEST_PATH} bytes and {_LONGEST_NAME} in each "
            f"name, got {len(place)} and {longest}, {quoted(text, 40)}; give a shorter one"
        )
    return Path(text)


def user_path(name: str, value: Any, error: type[Exception] = ValueError) -> Path:
    """A path as by `check_path`, with the folder of a user for "~"; without where there is none."""
    path = check_path(name, value, error)
    return Path(os.path.expanduser(path))  # noqa: PTH111  # pathlib's fails for unknown users


def folder_to_write(name: str, value: Any) -> Path:
    """A folder that is there or can be made, and in which files can be kept.

    It is tried, so that what cannot be kept is known before it is computed; nothing stays behind.

    Args:
        name: what it is, which opens the sentence.
        value: text, or a path object.

    Raises:
        ValueError: as `check_path`, or there is something else, or nothing can be written there.
    """
    path = check_path(name, value)
    above = path.absolute()
    while (status := _status(name, path, above)) is None:
        above = above.parent
    if not stat.S_ISDIR(status.st_mode):
        there = "a file" if above == path.absolute() else f"{above}, which is a file"
        raise ValueError(
            f"{path}: expected a folder, or a path where there is none, got {there}; choose "
            "another path"
        )
    try:
        with tempfile.TemporaryFile(dir=above) as probe:
            probe.write(_PROBE)
            probe.flush()
    except OSError as error:
        raise _refusal(path, error) from error
    return path


def place_to_write(name: str, value: Any) -> Path:
    """A file that can be written; one that is there would be replaced.

    Args:
        name: what it is, which opens the sentence.
        value: text, or a path object.

    Raises:
        ValueError: as `folder_to_write` of the folder it is in, or something else is there.
    """
    path = check_path(name, value)
    status = _status(name, path, path.absolute())
    if status is not None and not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise ValueError(f"{path}: expected a file to write, got {kind}; choose another path")
    folder_to_write(name, path.absolute().parent)
    return path


def _status(name: str, path: Path, above: Path) -> os.stat_result | None:
    """What is at a place on the way to a path; None for nothing."""
    try:
        return above.stat()
    except (FileNotFoundError, NotADirectoryError):
        if above.is_symlink():
            raise ValueError(
                f"{name}: expected a path that leads somewhere, got the link {above}, which does "
                "not; remove it or choose another path"
            ) from None
        return None
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> ValueError:
    return ValueError(
        f"{path}: expected a place where files can be kept, got {error.strerror}; choose another "
        "path"
    )
