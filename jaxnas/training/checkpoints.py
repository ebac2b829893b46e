"""Checkpoints of a training or a search: the newest is kept, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, cast

import jax
import numpy as np
import orbax.checkpoint as ocp  # type: ignore[import-untyped]

from jaxnas.checks import one_line
from jaxnas.checks.documents import UNREADABLE, filled
from jaxnas.checks.files import damaged, shown
from jaxnas.results import JSON, ResultsError
from jaxnas.results.files import disk_errors
from jaxnas.results.identity import check_run


class Row(Protocol):
    """One epoch of a curve, a dataclass of numbers and texts."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def epoch(self) -> int:
        """Counted from 1."""


State = TypeVar("State")  # a NamedTuple of pytrees
AnyRow = TypeVar("AnyRow", bound=Row)


class Checkpoints(Generic[AnyRow]):
    """The state after an epoch and the curve up to it, kept by orbax in a folder."""

    def __init__(
        self,
        folder: Path,
        row: type[AnyRow],
        run: Mapping[str, JSON],
        upgrade: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    ) -> None:
        """Makes the folder where it is absent; what a killed process left unfinished is removed.

        Args:
            folder: of the checkpoints alone.
            row: the curve's type.
            run: whose checkpoints they are; one that says that it is of another is refused.
            upgrade: gives what an earlier version wrote of the run the names of today.

        Raises:
            ResultsError: there is something in the folder that orbax does not write.
        """
        self._folder, self._row = folder, row
        self._run, self._upgrade = run, upgrade
        _check_tree(folder)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=1, enable_async_checkpointing=False, cleanup_tmp_directories=True
        )
        try:
            self._manager = ocp.CheckpointManager(folder.resolve(), options=options)
        except UNREADABLE as error:
            raise self._damaged(folder, one_line(error)) from error

    def save(self, state: Any, curve: Sequence[AnyRow]) -> None:
        """Keeps the state after the curve's last epoch, then lets go of the one before.

        Raises:
            ResultsError: the disk refuses; the one before is kept.
        """
        kept = jax.device_get(state)._asdict()
        epochs = [asdict(epoch) for epoch in curve]
        told = {"epochs": epochs, "run": self._run, "checksum": _checksum(kept, epochs)}
        args = ocp.args.Composite(state=ocp.args.StandardSave(kept), curve=ocp.args.JsonSave(told))
        try:
            self._manager.save(curve[-1].epoch, args=args)
        except (OSError, RuntimeError, ValueError) as error:  # tensorstore has no error of its own
            raise ResultsError(
                f"{shown(self._folder)} could not be written ({one_line(error)}): expected a "
                "folder on a disk with free space that this user may read and write; mend it or "
                "choose another folder, what was written before is kept."
            ) from error

    def newest(self, like: State) -> tuple[State, tuple[AnyRow, ...]] | None:
        """The newest state, in host memory, and its curve; None where there is none.

        Args:
            like: a state of the same shapes and types.

        Raises:
            ResultsError: it is damaged, or another run's.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        shapes = jax.device_get(cast("Any", like))._asdict()
        try:
            kept: Any = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(shapes), curve=ocp.args.JsonRestore()
                ),
            )
            if _arrays(kept.state) != _arrays(shapes):
                raise _Unlike("arrays of other names, shapes or types")
            curve = self._curve(step, kept.state, kept.curve)
            return type(like)(**kept.state), curve
        except UNREADABLE as error:
            found = str(error) if isinstance(error, _Unlike) else one_line(error)
            raise self._damaged(self._folder / str(step), found) from error

    def _curve(self, step: int, state: Any, told: Any) -> tuple[AnyRow, ...]:
        """The curve that was kept with a state, if both are what was kept, and of this run."""
        try:
            told = dict(told)
            # Checkpoints of earlier versions have neither.
            stored, run = told.get("checksum"), told.get("run")
            check_run(run, self._run, self._upgrade)
            if stored is not None and stored != _checksum(state, told["epochs"]):
                raise ValueError("another state or curve than its checksum is of")
            curve = tuple(filled(self._row, epoch) for epoch in told["epochs"])
            if [row.epoch for row in curve] != [*range(1, step + 1)]:
                raise ValueError(f"a curve of {len(curve)} epochs, not of 1 to {step}")
        except ValueError as error:
            raise _Unlike(str(error)) from error
        return curve

    def _damaged(self, path: Path, found: str) -> ResultsError:
        remedy = f"delete {shown(self._folder)} to begin anew"
        return ResultsError(damaged(path, "a checkpoint that this run wrote", found, remedy))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._manager.close()


class _Unlike(ValueError):
    """A checkpoint that is read, and is not what was kept; the message is what it is."""


def _arrays(state: Any) -> dict[str, tuple[Any, ...]]:
    """Shape and type of each array of a state, by its name."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {
        jax.tree_util.keystr(path): (np.shape(leaf), str(np.asarray(leaf).dtype))
        for path, leaf in leaves
    }


def _checksum(state: Any, epochs: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 of a state's arrays with their names, shapes and types, and of the curve."""
    sha = hashlib.sha256(json.dumps(epochs, sort_keys=True).encode())
    sha.update(repr(_arrays(state)).encode())
    for leaf in jax.tree.leaves(state):
        sha.update(np.ascontiguousarray(leaf).tobytes())
    return sha.hexdigest()


def _check_tree(folder: Path) -> None:
    """Refuses links, pipes and devices, which orbax would follow or wait for."""
    with disk_errors(folder, "read"):
        for place, folders, files in os.walk(folder, onerror=_raise):
            for name in (*folders, *files):
                mode = (path := Path(place, name)).lstat().st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise ResultsError(
                        damaged(
                            path,
                            "a file of a checkpoint",
                            "a link, a pipe or a device",
                            f"delete {shown(folder)} to begin anew",
                        )
                    )


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
