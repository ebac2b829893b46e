"""How far the reading of an archive is: a bar in a terminal, a line elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from jaxnas.cli.progress import new_bar


class ArchiveProgress:
    """Shows how much is read; called with the number of cells read and to read."""

    def __init__(self, console: Console | None = None) -> None:
        """`console` is stderr by default."""
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None

    def __call__(self, done: int, total: int, /) -> None:
        if self._bar is None:
            self._bar = self._start(total)
        self._bar.update(self._bar.task_ids[0], completed=done)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar and self._console.is_terminal:
            self._bar.stop()

    def _start(self, total: int) -> Progress:
        title = "reading the archive, once"
        bar = new_bar(self._console, MofNCompleteColumn(), seconds=60)
        bar.add_task(title, total=total)
        if self._console.is_terminal:
            bar.start()
        else:
            self._console.print(f"{title}: {total:,} cells", highlight=False, soft_wrap=True)
        return bar
