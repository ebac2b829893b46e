"""The folder of a training run: whose it is, and what was trained.

`training.json` holds the settings, `candidates/NAME-SEED/` a candidate: `checkpoints/` and, once
it has ended, `outcome.json`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from jaxnas.results import JSON
from jaxnas.results.claim import claim_folder, damaged
from jaxnas.results.files import disk_errors, write_atomically
from jaxnas.training.outcomes import Trained, from_json
from jaxnas.training.settings import upgraded

_MANIFEST = "training.json"
_CANDIDATES = "candidates"
_OUTCOME = "outcome.json"
_FORMAT = "jaxnas-training"


class TrainingFolder:
    """A folder open for this process alone to write; closed by ``with``."""

    def __init__(self, path: Path, settings: Mapping[str, JSON]) -> None:
        """Makes the folder, or opens one of a run with the same settings.

        Raises:
            ResultsError: it is of a run with other settings, another process has it open, its
                manifest is damaged, or the disk refuses.
        """
        self.path = path
        self._lock = claim_folder(path, _MANIFEST, _FORMAT, "trainings", settings, upgraded)

    def checkpoints(self, name: str, seed: int) -> Path:
        """Where a candidate's checkpoints are."""
        return self._candidate(name, seed) / "checkpoints"

    def outcome(self, name: str, seed: int) -> Trained | None:
        """What came of a candidate, None while it has not ended."""
        path = self._candidate(name, seed) / _OUTCOME
        return _read(path) if path.exists() else None

    def outcomes(self) -> list[Trained]:
        """Every candidate that has ended, by index, or by name where there is none; then seed."""
        found = [_read(path) for path in (self.path / _CANDIDATES).glob(f"*/{_OUTCOME}")]
        return sorted(found, key=_order)

    def keep(self, trained: Trained) -> None:
        """Writes what came of a candidate."""
        folder = self._candidate(trained.name, trained.seed)
        with disk_errors(folder, "created"):
            folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / _OUTCOME, trained.to_json().encode())

    def _candidate(self, name: str, seed: int) -> Path:
        return self.path / _CANDIDATES / f"{name}-{seed}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._lock)


def _order(trained: Trained) -> tuple[int, str, int]:
    if trained.cell is None:
        return -1, trained.name, trained.seed
    return trained.cell, "", trained.seed


def _read(path: Path) -> Trained:
    with disk_errors(path, "read"):
        text = path.read_text()
    try:
        return from_json(text)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged(path, "what came of a training", error) from error
