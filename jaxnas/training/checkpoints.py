"""Checkpoints of a training or a search: the newest is kept, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, cast

import jax
import orbax.checkpoint as ocp  # type: ignore[import-untyped]

from jaxnas.results import ResultsError


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

    def __init__(self, folder: Path, row: type[AnyRow]) -> None:
        """Makes the folder where it is absent; what a killed process left unfinished is removed.

        Args:
            folder: of the checkpoints alone.
            row: the curve's type.
        """
        self._folder = folder
        self._row = row
        options = ocp.CheckpointManagerOptions(
            max_to_keep=1, enable_async_checkpointing=False, cleanup_tmp_directories=True
        )
        self._manager = ocp.CheckpointManager(folder.resolve(), options=options)

    def save(self, state: Any, curve: Sequence[AnyRow]) -> None:
        """Keeps the state after the curve's last epoch, then lets go of the one before."""
        self._manager.save(
            curve[-1].epoch,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(jax.device_get(state)._asdict()),
                curve=ocp.args.JsonSave({"epochs": [asdict(epoch) for epoch in curve]}),
            ),
        )

    def newest(self, like: State) -> tuple[State, tuple[AnyRow, ...]] | None:
        """The newest state, in host memory, and its curve; None where there is none.

        Args:
            like: a state of the same shapes.

        Raises:
            ResultsError: it is damaged.
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
            curve = tuple(self._row(**epoch) for epoch in kept.curve["epochs"])
        except (ValueError, TypeError, KeyError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ResultsError(
                f"{self._folder / str(step)} is damaged: expected a checkpoint that this run "
                f"wrote, got {reason}; delete {self._folder} to begin anew"
            ) from error
        return type(like)(**kept.state), curve

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._manager.close()
