"""How far a training is: a bar in a terminal, a line at the start and the end elsewhere."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, TaskID, TextColumn

from jaxnas.cli.progress import new_bar
from jaxnas.training.candidate import label


class TrainingProgress:
    """Follows a training over all candidates; called from the threads of the devices."""

    def __init__(self, where: str, epochs: int, console: Console | None = None) -> None:
        """`where` says on what is computed; `console` is stderr by default."""
        self._where = where
        self._epochs = epochs
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._candidates = 0

    def begin(self, candidates: int, steps: int) -> None:
        """`candidates` are left to train, in so many steps."""
        self._began = time.monotonic()
        self._candidates = candidates
        if not candidates:
            self._line("nothing is left to train")
            return
        plural = "s" if candidates > 1 else ""
        self._line(
            f"training {candidates:,} candidate{plural} for {self._epochs} epochs on {self._where}"
        )
        if self._console.is_terminal:
            self._bar = new_bar(self._console, TextColumn("{task.percentage:3.0f} %"))
            self._task = self._bar.add_task("compiling", total=steps)
            self._bar.start()

    def __call__(
        self, job: tuple[str, int], epoch: int, steps: int, loss: float, accuracy: float, /
    ) -> None:
        if self._bar:
            text = (
                f"{label(job[0])}, epoch {epoch}/{self._epochs}: loss {loss:.3f}, "
                f"training accuracy {accuracy:.1f} %"
            )
            with self._lock:
                self._bar.update(self._task, advance=steps, description=text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()
        if self._candidates and error is None:
            self._line(f"trained in {time.monotonic() - self._began:.1f} s")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
