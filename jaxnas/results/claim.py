"""Whose a folder is: a file with the settings of what it holds, and a lock while it is written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxnas.checks import quoted
from jaxnas.checks.documents import read_document, sealed
from jaxnas.checks.files import damaged, shown
from jaxnas.results.files import (
    ResultsError,
    disk_errors,
    remove_leftovers,
    write_atomically,
)
from jaxnas.results.folder import lock_folder, refuse_other_settings
from jaxnas.results.identity import JSON


def claim_folder(
    path: Path,
    file: str,
    format_name: str,
    what: str,
    settings: Mapping[str, JSON],
    upgrade: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    holds: Sequence[str] = (),
) -> int:
    """Makes a folder, or opens one of the same settings, for this process alone to write.

    Args:
        path: the folder.
        file: its file with the settings.
        format_name: of that file.
        what: the folder holds, in words.
        settings: everything that identifies it.
        upgrade: gives the settings that an earlier version wrote the names that they have now.
        holds: names in the folder of what cannot be told whose it is without that file.

    Returns:
        The descriptor to close in order to let go of it.

    Raises:
        ResultsError: it has other settings, another process has it open, the file is damaged, or
            the disk refuses.
    """
    with disk_errors(path, "created"):
        path.mkdir(parents=True, exist_ok=True)
    lock = lock_folder(path)
    try:
        remove_leftovers(path)
        manifest = path / file
        if os.path.lexists(manifest):  # a link that leads nowhere is there, and cannot be read
            stored = upgrade(stored_settings(manifest, format_name, what))
            refuse_other_settings(path, what, stored, settings)
        else:
            _refuse_unclaimed(path, file, what, holds)
            content = {"format": format_name, "version": 1, "settings": dict(settings)}
            write_json(manifest, content)
    except BaseException:
        os.close(lock)
        raise
    return lock


def stored_settings(path: Path, format_name: str, what: str) -> dict[str, Any]:
    """The settings in the file of a claimed folder, by the names that they were written with.

    Args:
        path: the file.
        format_name: of the file.
        what: the folder holds, in words.

    Raises:
        ResultsError: the file is damaged or cannot be read.
    """
    content = read_json(path, f"the settings of {what}")
    for name, good in (("format", format_name), ("version", 1), ("settings", None)):
        found = content.get(name)
        right = (
            isinstance(found, dict) if good is None else (type(found), found) == (type(good), good)
        )
        if not right:
            raise damage(path, f"the settings of {what}", f"{name} {quoted(found)}")
    return dict(content["settings"])


def read_json(path: Path, expected: str) -> dict[str, Any]:
    """A document of a claimed folder, sealed or of an earlier version.

    Raises:
        ResultsError: it is damaged or cannot be read.
    """
    with disk_errors(path, "read"):
        return read_document(path, expected, _remedy(path), ResultsError)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a document, sealed, for `read_json`.

    Raises:
        ResultsError: the disk refuses.
    """
    text = json.dumps(sealed(content), allow_nan=False, indent=1)
    write_atomically(path, (text + "\n").encode())


def damage(path: Path, expected: str, found: str) -> ResultsError:
    """The error of a file of a claimed folder that does not hold what was expected."""
    return ResultsError(damaged(path, expected, found, _remedy(path)))


def _remedy(path: Path) -> str:
    return f"restore it from a copy, or delete {shown(path.parent)} to begin anew"


def _refuse_unclaimed(path: Path, file: str, what: str, holds: Sequence[str]) -> None:
    """Raises ResultsError if a folder holds what should have been claimed."""
    if any(os.path.lexists(path / name) for name in holds):
        raise ResultsError(
            f"{shown(path)} holds {what} but no {file}, which says of what settings: restore it "
            "from a copy or use another --out folder."
        )
