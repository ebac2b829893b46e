"""How far the reading of an archive is: a bar in a terminal, a line elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import MofNCompleteColumn

from jaxnas.cli.terminal.progress import BarProgress


class ArchiveProgress(BarProgress):
    """Shows how much is read; called with the number of cells read and to read."""

    def __init__(self, console: Console | None = None) -> None:
        """`console` is stderr by default."""
        super().__init__(console)
        self._begun = False

    def __call__(self, done: int, total: int, /) -> None:
        if not self._begun:
            self._begin(total)
        if self._bar:
            self._bar.update(self._task, completed=done)

    def _begin(self, total: int) -> None:
        self._begun = True
        title = "reading the archive, once"
        if not self._console.is_terminal:
            self._line(f"{title}: {total:,} cells")
        self._start_bar(title, total, MofNCompleteColumn(), seconds=60)
