"""How far a run is: a bar in a terminal, a line at the start and the end elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import ClassVar, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_COMPILING = "compiling, once: about a minute, cached for next time"


def new_bar(console: Console, *columns: ProgressColumn, seconds: float = 120) -> Progress:
    """A bar: what is done, `columns`, and the time left by the rate of the last `seconds`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        *columns,
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        refresh_per_second=4,
        speed_estimate_period=seconds,
    )


class BarProgress:
    """Lines on a console and, in a terminal, a bar between them; closed by ``with``."""

    def __init__(self, console: Console | None = None) -> None:
        """`console` is stderr by default."""
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._began = time.monotonic()

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
        self._end(whole=error is None)

    def _end(self, *, whole: bool) -> None:
        """Says what was done; `whole` unless an error ends it."""

    def _start_bar(
        self, text: str, total: int, *columns: ProgressColumn, seconds: float = 120
    ) -> None:
        """A bar of so many steps, in a terminal; `seconds` as in `new_bar`."""
        if self._console.is_terminal:
            self._bar = new_bar(self._console, *columns, seconds=seconds)
            self._task = self._bar.add_task(text, total=total)
            self._bar.start()

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class StepProgress(BarProgress):
    """Of a run in `epochs`, in percent of its steps; ends with how long it took."""

    # What is done, as "trained".
    done: ClassVar[str]

    def __init__(self, where: str, epochs: int, console: Console | None = None) -> None:
        """`where` says on what is computed; `console` is stderr by default."""
        super().__init__(console)
        self._where = where
        self._epochs = epochs
        self._steps = 0

    def _begin(self, steps: int, line: str) -> None:
        """So many steps are left; `line` says of what."""
        self._began = time.monotonic()
        self._steps = steps
        self._line(line)
        if steps:
            self._start_bar("compiling", steps, TextColumn("{task.percentage:3.0f} %"))

    def _advance(self, steps: int, text: str) -> None:
        if self._bar:
            self._bar.update(self._task, advance=steps, description=text)

    def _end(self, *, whole: bool) -> None:
        if self._steps and whole:
            self._line(f"{self.done} in {time.monotonic() - self._began:.1f} s")


class RunProgress(BarProgress):
    """Follows a run; called with the number of cells scored and to score.

    Attributes:
        done: cells scored.
        total: cells that the run has to score.
    """

    def __init__(self, where: str, console: Console | None = None) -> None:
        """`where` says on what is computed; `console` is stderr by default."""
        super().__init__(console)
        self._where = where
        self.done = 0
        self.total = 0
        self._first: float | None = None

    def __call__(self, done: int, total: int, /) -> None:
        if done and self._first is None:
            self._first = time.monotonic()
        if not done:
            self._start(total)
        self.done, self.total = done, total
        if self._bar:
            text = "scoring" if done else _COMPILING
            self._bar.update(self._task, completed=done, description=text)

    def summary(self) -> str:
        """What was done and how fast, the time until the first result left out of the rate."""
        now = time.monotonic()
        line = f"{self.done:,} of {self.total:,} cells scored in {now - self._began:.1f} s"
        if self._first is None or self.done < 2:
            return line
        rate = (self.done - 1) / max(now - self._first, 1e-9)
        return f"{line}, {rate:.3g} cells/s after the first, at {self._first - self._began:.1f} s"

    def _start(self, total: int) -> None:
        self._began = time.monotonic()
        if not total:
            self._line("nothing is left to score")
            return
        line = f"scoring {total:,} cells on {self._where}"
        self._line(line if self._console.is_terminal else f"{line}; {_COMPILING}")
        self._start_bar(_COMPILING, total, MofNCompleteColumn(), _Rate())

    def _end(self, *, whole: bool) -> None:
        if self.done:
            self._line(self.summary())


class _Rate(ProgressColumn):
    """Cells a second, since the first result."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.2f} cells/s" if task.speed else "- cells/s")
