"""How far a search on a supernet is: a bar in a terminal, lines at the start and end elsewhere."""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import Progress, TaskID, TextColumn

from jaxnas.cli.progress import new_bar

if TYPE_CHECKING:
    from jaxnas.oneshot import Epoch


class SearchProgress:
    """Follows a search; shows the loss of this epoch, and accuracy and entropy after the last."""

    def __init__(self, where: str, epochs: int, console: Console | None = None) -> None:
        """`where` says on what is computed; `console` is stderr by default."""
        self._where = where
        self._epochs = epochs
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._began = time.monotonic()
        self._steps = 0

    def begin(self, steps: int) -> None:
        """So many steps are left."""
        self._began = time.monotonic()
        self._steps = steps
        if not steps:
            self._line("nothing is left to search")
            return
        self._line(f"searching: {steps:,} steps left of {self._epochs} epochs on {self._where}")
        if self._console.is_terminal:
            self._bar = new_bar(self._console, TextColumn("{task.percentage:3.0f} %"))
            self._task = self._bar.add_task("compiling", total=steps)
            self._bar.start()

    def __call__(self, epoch: int, steps: int, loss: float, last: Epoch | None, /) -> None:
        if not self._bar:
            return
        text = f"epoch {epoch}/{self._epochs}: loss {loss:.3f}"
        if last:
            text += f", validation {last.valid_accuracy:.1f} %"
            if not math.isnan(last.entropy):
                text += f", entropy {last.entropy:.3f}"
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
        if self._steps and error is None:
            self._line(f"searched in {time.monotonic() - self._began:.1f} s")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
