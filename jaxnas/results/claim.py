"""Whose a folder is: a file with the settings of what it holds, and a lock while it is written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxnas.results.files import ResultsError, disk_errors, write_atomically
from jaxnas.results.folder import lock_folder, refuse_other_settings
from jaxnas.results.manifest import JSON


def claim_folder(
    path: Path,
    file: str,
    format_name: str,
    what: str,
    settings: Mapping[str, JSON],
    upgrade: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> int:
    """Makes a folder, or opens one of the same settings, for this process alone to write.

    Args:
        path: the folder.
        file: its file with the settings.
        format_name: of that file.
        what: the folder holds, in words.
        settings: everything that identifies it.
        upgrade: gives the settings that an earlier version wrote the names that they have now.

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
        manifest = path / file
        if manifest.exists():
            stored = upgrade(_stored_settings(manifest, format_name, what))
            refuse_other_settings(path, what, stored, settings)
        else:
            content = {"format": format_name, "version": 1, "settings": dict(settings)}
            write_atomically(manifest, (json.dumps(content, indent=2) + "\n").encode())
    except BaseException:
        os.close(lock)
        raise
    return lock


def _stored_settings(path: Path, format_name: str, what: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
        settings = content["settings"]
        if content["format"] != format_name or content["version"] != 1:
            raise ValueError(f"format {content['format']!r}, version {content['version']!r}")
        return dict(settings)
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(path, f"the settings of {what}", error) from error


def damaged(path: Path, expected: str, error: Exception) -> ResultsError:
    """The error of a file that does not hold what was expected."""
    return ResultsError(
        f"{path} is damaged: expected {expected}, got {error!r}; restore it from a copy, or delete "
        f"{path.parent} to begin anew"
    )
