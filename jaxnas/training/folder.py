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

from jaxnas.checks import quoted
from jaxnas.results import JSON
from jaxnas.results.claim import claim_folder, damage, read_json, write_json
from jaxnas.results.files import disk_errors, remove_leftovers
from jaxnas.results.identity import check_run, plain_json
from jaxnas.training.outcomes import Trained, from_content
from jaxnas.training.settings import upgraded

_MANIFEST = "training.json"
_CANDIDATES = "candidates"
_OUTCOME = "outcome.json"
_FORMAT = "jaxnas-training"
_EXPECTED = "what came of a training"


class TrainingFolder:
    """A folder open for this process alone to write; closed by ``with``."""

    def __init__(self, path: Path, settings: Mapping[str, JSON]) -> None:
        """Makes the folder, or opens one of a run with the same settings.

        Raises:
            ResultsError: it is of a run with other settings, another process has it open, its
                manifest is damaged, or the disk refuses.
        """
        self.path = path
        self._settings = plain_json(settings)
        self._lock = claim_folder(
            path, _MANIFEST, _FORMAT, "trainings", settings, upgraded, (_CANDIDATES,)
        )

    def checkpoints(self, name: str, seed: int) -> Path:
        """Where a candidate's checkpoints are."""
        return self._candidate(name, seed) / "checkpoints"

    def identity(self, name: str, seed: int) -> dict[str, JSON]:
        """What says of a candidate's checkpoint and outcome whose they are."""
        return {**self._settings, "candidate": name, "candidate_seed": seed}

    def outcome(self, name: str, seed: int) -> Trained | None:
        """What came of a candidate, None while it has not ended.

        Raises:
            ResultsError: its file is damaged, or is another candidate's or another run's.
        """
        path = self._candidate(name, seed) / _OUTCOME
        return self._read(path) if os.path.lexists(path) else None

    def outcomes(self) -> list[Trained]:
        """Every candidate that has ended, by index, or by name where there is none; then seed.

        Raises:
            ResultsError: as `outcome`.
        """
        with disk_errors(self.path / _CANDIDATES, "read"):
            paths = list((self.path / _CANDIDATES).glob(f"*/{_OUTCOME}"))
        return sorted(map(self._read, paths), key=_order)

    def keep(self, trained: Trained) -> None:
        """Writes what came of a candidate."""
        folder = self._candidate(trained.name, trained.seed)
        with disk_errors(folder, "created"):
            folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        run = self.identity(trained.name, trained.seed)
        write_json(folder / _OUTCOME, {**trained.content(), "run": run})

    def _read(self, path: Path) -> Trained:
        content = read_json(path, _EXPECTED)
        run = content.pop("run", None)  # outcomes of earlier versions have none
        try:
            trained = from_content(content)
            place = f"{trained.name}-{trained.seed}"
            if place != path.parent.name:
                raise ValueError(f"that of {quoted(place)}")
            check_run(run, self.identity(trained.name, trained.seed), upgraded)
        except ValueError as error:
            raise damage(path, _EXPECTED, str(error)) from error
        return trained

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
