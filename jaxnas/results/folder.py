"""A results folder: opened for one run, written part by part, resumed after any crash.

`manifest.json` holds settings, sessions and requests; `parts/*.parquet` the scores in long format,
one file per append; `scores.parquet` will be the finished table, see `jaxnas.results.table`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.checks.files import shown
from jaxnas.results import parts
from jaxnas.results.files import (
    ResultsError,
    disk_errors,
    remove_leftovers,
    write_atomically,
)
from jaxnas.results.identity import JSON, differences, phrases, plain_json
from jaxnas.results.manifest import MANIFEST_FILE, Manifest, Request, dump, read_manifest
from jaxnas.results.records import (
    Record,
    columns_of,
    concat,
    first_of_each,
    from_table,
    to_table,
)
from jaxnas.spaces import Space

_PARTS = "parts"
LOCK = ".lock"
"""The file by whose lock a folder has one writer."""


class Folder:
    """Scores on disk; made by `Folder.open` or `Folder.load`, closed by `close` or ``with``.

    Attributes:
        path: the folder.
        manifest: its settings, sessions and requests.
    """

    def __init__(self, path: Path, manifest: Manifest, lock: int | None) -> None:
        """Use `open` or `load`; `lock` is the descriptor of the held lock file, None to read."""
        self.path = path
        self.manifest = manifest
        self._lock = lock
        self._set_aside: set[Path] = set()
        self._next = 0 if lock is None else parts.next_number(path / _PARTS)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        settings: Mapping[str, JSON],
        session: Mapping[str, JSON] | None = None,
    ) -> Folder:
        """Creates a folder or reopens one of the same run, for this process alone to write.

        Args:
            path: the folder; made where absent.
            settings: everything that identifies the run.
            session: versions, device and the like; noted in the manifest, never compared.

        Raises:
            ResultsError: if the folder holds scores with other settings, another process has it
                open, its manifest is damaged, missing or newer, or the disk refuses.
        """
        folder = Path(path)
        with disk_errors(folder, "created"):
            (folder / _PARTS).mkdir(parents=True, exist_ok=True)
        lock = lock_folder(folder)
        try:
            remove_leftovers(folder)
            remove_leftovers(folder / _PARTS)
            opened = cls(folder, _manifest_for(folder, settings), lock)
            opened._update(opened.manifest.with_session(session) if session else opened.manifest)
        except BaseException:
            os.close(lock)
            raise
        return opened

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Folder:
        """Opens an existing folder for reading; changes nothing on disk.

        Raises:
            ResultsError: if there is no results folder, or its manifest is damaged or newer.
        """
        folder = Path(path)
        manifest = _read_manifest(folder)
        if manifest is None:
            raise ResultsError(
                f"{shown(folder)} is not a results folder: expected "
                f"{shown(folder / MANIFEST_FILE)}, which is not there; give the --out folder of a "
                "scoring run."
            )
        return cls(folder, manifest, lock=None)

    @property
    def settings(self) -> dict[str, JSON]:
        """Everything that identifies the run."""
        return self.manifest.settings

    @property
    def requests(self) -> tuple[Request, ...]:
        """What was asked for, over all sessions, in the order of asking."""
        return self.manifest.requests

    @property
    def space(self) -> Space:
        """The space whose architectures are scored."""
        return self.manifest.space

    def request(self, asked: Request) -> None:
        """Notes in the manifest what is asked for, before it is scored.

        Raises:
            ResultsError: the disk refuses.
        """
        self._update(self.manifest.with_request(asked))

    def adopt(self, manifest: Manifest) -> None:
        """Adds another manifest's sessions and requests; its settings are not looked at."""
        joined = self.manifest
        for session in manifest.sessions:
            joined = joined.with_session(session)
        for request in manifest.requests:
            joined = joined.with_request(request)
        self._update(joined)

    def append(self, records: Iterable[Record]) -> None:
        """Writes records as one part: on return they are on disk, on an error none of them is.

        Raises:
            ResultsError: if the disk refuses, or the folder is not open for writing.
        """
        self.append_table(to_table(records))

    def append_table(self, table: pa.Table) -> None:
        """Writes a long table as one part, unless it is empty; as `append`."""
        self._check_writable()
        if table.num_rows:
            parts.write_part(self.path / _PARTS, self._next, table, self.settings)
            self._next += 1

    def good_parts(self) -> Iterator[pa.Table]:
        """The long table of each part, in writing order.

        A damaged part is warned about once and left out, so that its scores count as missing; in
        a folder open for writing it is renamed to ``*.damaged``.
        """
        for path in parts.list_parts(self.path / _PARTS):
            if path in self._set_aside:
                continue
            try:
                part = parts.read_part(path, self.settings)
            except parts.DamagedPartError as error:
                self._put_aside(path, str(error))
            else:
                yield part

    def scores(self) -> pa.Table:
        """All scores as one long table, without repetitions.

        Where an (arch, seed, score) was written several times, the first writing counts.

        Returns:
            A table of `records.LONG_SCHEMA`; null values are explained at `records.to_table`.
        """
        return first_of_each(concat(self.good_parts()))

    def records(self) -> list[Record]:
        """`scores` as records."""
        return from_table(self.scores())

    def known(self) -> dict[tuple[str, int], set[str]]:
        """(arch, seed) → names of the scores on disk, failed (NaN) ones included."""
        return known_scores(self.scores())

    def close(self) -> None:
        """Lets other processes write; closing twice does nothing."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_writable(self) -> None:
        if self._lock is None:
            raise ResultsError(
                f"{shown(self.path)} is not open for writing: expected a folder from Folder.open "
                "that has not been closed."
            )

    def _update(self, manifest: Manifest) -> None:
        """Writes the manifest if it differs from the one on disk."""
        self._check_writable()
        path = self.path / MANIFEST_FILE
        if manifest != self.manifest or not path.exists():
            write_atomically(path, dump(manifest))
            self.manifest = manifest

    def _put_aside(self, path: Path, why: str) -> None:
        self._set_aside.add(path)
        what = "left out"
        if self._lock is not None:
            with disk_errors(path, "set aside"):
                path.replace(path.with_name(path.name + ".damaged"))
            what = f"set aside as {path.name}.damaged"
        warnings.warn(
            f"{shown(path)} is damaged ({why}): {what}; its scores count as missing until they are "
            "scored again.",
            stacklevel=3,
        )


def known_scores(scores: pa.Table) -> dict[tuple[str, int], set[str]]:
    """(arch, seed) → names of the scores with a value, NaN included, in a long table."""
    columns = columns_of(scores.filter(scores["value"].is_valid()))
    known: dict[tuple[str, int], set[str]] = {}
    for arch, seed, score in zip(
        columns.archs.tolist(), columns.seeds.tolist(), columns.scores.tolist(), strict=True
    ):
        network = columns.arch_names[arch], seed
        known.setdefault(network, set()).add(columns.score_names[score])
    return known


def lock_folder(folder: Path) -> int:
    """Takes the folder's lock, which the system releases when this process ends.

    Returns:
        The descriptor to close in order to release it.

    Raises:
        ResultsError: if another process has it, or the disk refuses.
    """
    with disk_errors(folder, "locked"):
        # A pipe or a link in the lock's place is not followed, and nothing is waited for.
        safe = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | safe, 0o666)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"{LOCK} in it is no regular file")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise ResultsError(
                f"{shown(folder)} is being written by another jaxnas process: wait until it has "
                "finished or use another --out folder."
            ) from error
    return descriptor


def _read_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest, None where there is none."""
    path = folder / MANIFEST_FILE
    if not os.path.lexists(path):  # a link that leads nowhere is there, and cannot be read
        return None
    with disk_errors(path, "read"):
        return read_manifest(path)


def _manifest_for(folder: Path, settings: Mapping[str, JSON]) -> Manifest:
    """The folder's manifest if its settings are those given, a new one if the folder is new."""
    manifest = _read_manifest(folder)
    if manifest is None:
        if parts.list_parts(folder / _PARTS):
            raise ResultsError(
                f"{shown(folder)} holds scores but no {MANIFEST_FILE}, which says what they are: "
                "restore it from a copy or use another --out folder."
            )
        return Manifest(plain_json(settings))
    refuse_other_settings(folder, "scores", manifest.settings, settings)
    return manifest


def refuse_other_settings(
    folder: Path, what: str, stored: Mapping[str, JSON], asked: Mapping[str, JSON]
) -> None:
    """Raises ResultsError, which names what differs, unless the settings are equal.

    Args:
        folder: the folder.
        what: it holds, as in "holds <what> with".
        stored: settings of what it holds.
        asked: settings of the run that was asked for.
    """
    different = differences(stored, asked)
    if different:
        there = phrases((name, text) for name, text, _ in different)
        wanted = phrases((name, text) for name, _, text in different)
        if len(different) == 1 and None not in different[0]:
            wanted = str(different[0][2])
        raise ResultsError(
            f"{shown(folder)} holds {what} with {there}; this run asks for {wanted}: use another "
            "--out folder or the same settings."
        )
