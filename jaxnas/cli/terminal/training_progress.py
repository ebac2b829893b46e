"""How far a training is: a bar in a terminal, a line at the start and the end elsewhere."""

from __future__ import annotations

from jaxnas.cli.terminal.progress import StepProgress
from jaxnas.training.candidate import label


class TrainingProgress(StepProgress):
    """Follows a training over all candidates; called from the threads of the devices."""

    done = "trained"

    def begin(self, candidates: int, steps: int) -> None:
        """`candidates` are left to train, in so many steps."""
        plural = "s" if candidates > 1 else ""
        line = (
            f"training {candidates:,} candidate{plural} for {self._epochs} epochs on {self._where}"
        )
        self._begin(steps, line if candidates else "nothing is left to train")

    def __call__(
        self, job: tuple[str, int], epoch: int, steps: int, loss: float, accuracy: float, /
    ) -> None:
        text = (
            f"{label(job[0])}, epoch {epoch}/{self._epochs}: loss {loss:.3f}, "
            f"training accuracy {accuracy:.1f} %"
        )
        self._advance(steps, text)
