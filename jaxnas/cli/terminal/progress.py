"""How far a run is: a bar in a terminal, a line at the start and the end elsewhere."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

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
from rich.table import Column
from rich.text import Text

from jaxnas.checks import printable

if TYPE_CHECKING:
    from jaxnas.oneshot import Epoch

_COMPILING = "compiling, once: about a minute, cached for next time"

# A candidate's name is cut to so many characters: a genotype would fill the screen.
_LONGEST_NAME = 40


@contextlib.contextmanager
def bar(
    title: str, of: str = "", console: Console | None = None
) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar on stderr while something goes on.

    Args:
        title: what goes on.
        of: what is counted, as "cells". Where it is given the bar stays on the screen with the
            counts, and off a terminal one line says what goes on; otherwise the bar goes when it
            is done, and off a terminal nothing is shown.
        console: where the bar is shown; stderr by default.

    Yields:
        What is to be called with how much is done and how much there is to do.
    """
    console = console or Console(stderr=True)
    columns = [MofNCompleteColumn()] if of else []
    shown = new_bar(console, *columns, seconds=60, transient=not of)
    task: TaskID | None = None

    def progress(done: int, total: int) -> None:
        nonlocal task
        if task is None:
            task = shown.add_task(title, total=total)
            if console.is_terminal:
                shown.start()
            elif of:
                _print_line(console, f"{title}: {total:,} {of}")
        shown.update(task, completed=done, total=total)

    try:
        yield progress
    finally:
        if console.is_terminal and task is not None:
            shown.stop()


def archive_bar() -> contextlib.AbstractContextManager[Callable[[int, int], None]]:
    """The bar of the reading of an oracle's archive, which is read once and then kept."""
    return bar("reading the archive, once", of="cells")


def new_bar(
    console: Console, *columns: ProgressColumn, seconds: float = 120, transient: bool = False
) -> Progress:
    """A bar, `columns`, and the time left by the rate of the last `seconds`.

    Args:
        console: where it is shown.
        *columns: what stands between the bar and the time left.
        seconds: how far back the rate looks.
        transient: whether it goes when it is stopped.
    """
    return Progress(
        _Description(Column(no_wrap=True)),
        BarColumn(bar_width=None),
        *columns,
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        refresh_per_second=4,
        speed_estimate_period=seconds,
        transient=transient,
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

    def _start_bar(self, text: str, total: int, *columns: ProgressColumn) -> None:
        """Starts a bar of so many steps, in a terminal."""
        if self._console.is_terminal:
            self._bar = new_bar(self._console, *columns)
            self._task = self._bar.add_task(text, total=total)
            self._bar.start()

    def _line(self, text: str) -> None:
        _print_line(self._console, text)


class RunProgress(BarProgress):
    """Follows a scoring run; called with the number of cells scored and to score.

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
        """`done` of the `total` cells that the run has to score are scored."""
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


class StepProgress(BarProgress):
    """Follows a run in epochs, in percent of its steps; ends with how long it took."""

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
        """So many `steps` more of an `epoch` of a candidate and seed are trained."""
        text = (
            f"{_shortened(job[0])}, epoch {epoch}/{self._epochs}: loss {loss:.3f}, "
            f"training accuracy {accuracy:.1f} %"
        )
        self._advance(steps, text)


class SearchProgress(StepProgress):
    """Follows a search; shows the loss of this epoch, and accuracy and entropy after the last."""

    done = "searched"

    def begin(self, steps: int) -> None:
        """So many steps are left."""
        line = f"searching: {steps:,} steps left of {self._epochs} epochs on {self._where}"
        self._begin(steps, line if steps else "nothing is left to search")

    def __call__(self, epoch: int, steps: int, loss: float, last: Epoch | None, /) -> None:
        """So many `steps` more of an `epoch` are searched; `last` is the epoch before it."""
        text = f"epoch {epoch}/{self._epochs}: loss {loss:.3f}"
        if last:
            text += f", validation {last.valid_accuracy:.1f} %"
            if not math.isnan(last.entropy):
                text += f", entropy {last.entropy:.3f}"
        self._advance(steps, text)


class _Description(ProgressColumn):
    """What goes on; no markup, for names from outside may be in it."""

    def render(self, task: Task) -> Text:
        return Text(printable(task.description))


class _Rate(ProgressColumn):
    """Cells a second, since the first result."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.2f} cells/s" if task.speed else "- cells/s")


def _shortened(name: str) -> str:
    """A candidate's name, cut where it is long; "cell 5" for an index."""
    if name.isdecimal():
        return f"cell {name}"
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _print_line(console: Console, text: str) -> None:
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
