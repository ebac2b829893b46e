"""The folder of a merge: there whole or not at all, at whatever moment the merge is killed.

It is built beside the place where it shall be, under a name that nobody can foresee, and then takes
that place in one step. What killed merges left there is deleted by the next into the same place.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.checks.files import shown
from jaxnas.results.files import ResultsError, check_writable, disk_errors, sync_folder
from jaxnas.results.finished import SCORES_FILE
from jaxnas.results.folder import LOCK, Folder, lock_folder
from jaxnas.results.manifest import MANIFEST_FILE
from jaxnas.results.merge import Joined, Source
from jaxnas.results.table import write_table


def check_target(out: Path, sources: Sequence[Source]) -> None:
    """Makes sure before the work that a merge can go where it shall; leaves nothing behind.

    A folder that holds a manifest may be that of the same merge, which `write_joined` tells.

    Raises:
        ResultsError: it is no folder, holds something else than a merge, is a source or within
            one, or the disk refuses.
    """
    with disk_errors(out, "read"):
        place = _resolved(out)
        if os.path.lexists(place) and not _is_free(place) and not _is_run(place):
            raise _in_use(out)
        paths = [_resolved(one) for one in sources if isinstance(one, str | os.PathLike)]
        for source in filter(_is_run, paths):
            if source == place or source in place.parents:
                raise ResultsError(
                    f"{shown(out)} is not empty: expected an absent or empty folder to merge into, "
                    f"outside of {shown(source)}, which stays as it is; choose another"
                )
    check_writable(place.parent)


def write_joined(joined: Joined, table: pa.Table, out: Path) -> None:
    """Makes a folder of joined runs, whole or not at all.

    Where `out` holds this merge already nothing is changed, so that one that was killed in its last
    moment can be repeated.

    Args:
        joined: the runs.
        table: of all that they were asked for.
        out: absent, an empty folder, or one of the same merge.

    Raises:
        ResultsError: `out` holds something else, or the disk refuses.
    """
    with disk_errors(out, "written"):
        place = _resolved(out)
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_killed(place)
        with _beside(place) as made, Folder.open(made, joined.manifest.settings) as folder:
            folder.append_table(joined.scores)
            folder.adopt(joined.manifest)
            write_table(table, made / SCORES_FILE)
            if os.path.lexists(place) and not _is_free(place):
                if not _is_run(place) or _contents(made) != _contents(place):
                    raise _in_use(out)
                return
            sync_folder(made)
            made.replace(place)
            sync_folder(place.parent)


def _resolved(path: str | os.PathLike[str]) -> Path:
    """A path without links; one whose links go in circles stays as it is, for others to refuse."""
    return Path(os.path.realpath(path))


@contextlib.contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """A new folder beside a place; it is gone afterwards, unless it was moved there."""
    made = place.with_name(f".{place.name}.{secrets.token_hex(8)}.merging")
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _remove_killed(place: Path) -> None:
    """Deletes what killed merges into a place left beside it.

    Raises:
        ResultsError: a merge into it is at work.
    """
    ours = re.compile(re.escape(f".{place.name}.") + "[0-9a-f]{16}[.]merging")
    for path in place.parent.iterdir():
        if ours.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            os.close(lock_folder(path))
            shutil.rmtree(path)


def _is_free(place: Path) -> bool:
    """Whether a place that is there is an empty folder."""
    return place.is_dir() and not any(place.iterdir())


def _is_run(place: Path) -> bool:
    """Whether a place that is there is the folder of a run, finished or not."""
    names = MANIFEST_FILE, SCORES_FILE
    return place.is_dir() and any(os.path.lexists(place / name) for name in names)


def _contents(folder: Path) -> dict[str, bytes | None]:
    """The bytes of each file in a folder but its lock; None of what is neither file nor folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name != LOCK and not (path.is_dir() and not path.is_symlink()):
            plain = path.is_file() and not path.is_symlink()
            found[str(path.relative_to(folder))] = path.read_bytes() if plain else None
    return found


def _in_use(out: Path) -> ResultsError:
    return ResultsError(
        f"{shown(out)} is not empty: expected an absent or empty folder to merge into."
    )
