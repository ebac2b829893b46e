"""`jaxnas oracle`: what a table of accuracies, or the benchmark's archive, holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from jaxnas.oracle import Oracle


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
def oracle(path: Path) -> None:
    """Prints what PATH knows of trained cells, and the best of them.

    PATH is the unpacked folder of the NATS-Bench topology archive, or a .csv, .parquet or .npz
    table. An archive is read once, in minutes, into a table in the user's cache; stopped, the
    same command goes on from there.
    """
    from jaxnas.cli.printing import print_table
    from jaxnas.oracle import read
    from jaxnas.oracle.archive import cached_table
    from jaxnas.spaces import nb201

    with ArchiveProgress() as progress:
        table = read(path, progress)
    click.echo(f"{path}: {len(table.cells):,} of {nb201.NUM_CELLS:,} cells")
    if path.is_dir():
        click.echo(f"kept as {cached_table(path)}, which opens like the archive")
    click.echo()
    columns = ["dataset", "split", "epochs", "seeds", "cells", "best %", "cell", "arch"]
    print_table(columns, _accuracy_rows(table), right={2, 4, 5, 6})
    if table.times:
        click.echo()
        columns = ["dataset", "epochs", "cells", "seconds a cell, mean", "least", "most"]
        print_table(columns, _time_rows(table), right={1, 2, 3, 4, 5})


def _accuracy_rows(table: Oracle) -> Iterator[list[str]]:
    """A row a task, with its best cell: of equal ones the first."""
    import numpy as np

    from jaxnas.oracle.table import known
    from jaxnas.spaces import nb201

    for task in table.tasks:
        accuracy = table.accuracy(*task)
        best = int(np.nanargmax(accuracy))
        yield [
            *map(str, task),
            ", ".join(map(str, table.seeds(*task))) or "mean only",
            f"{known(accuracy):,}",
            f"{accuracy[best]:.3f}",
            str(best),
            nb201.index_to_arch(best),
        ]


def _time_rows(table: Oracle) -> Iterator[list[str]]:
    """A row a data set and number of epochs."""
    import numpy as np

    from jaxnas.oracle.table import known

    for (dataset, epochs), seconds in sorted(table.times.items()):
        figures = (np.nanmean(seconds), np.nanmin(seconds), np.nanmax(seconds))
        yield [dataset, str(epochs), f"{known(seconds):,}", *(f"{x:,.1f}" for x in figures)]


class ArchiveProgress:
    """Shows how much of an archive is read: a bar in a terminal, one line elsewhere."""

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
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
            refresh_per_second=4,
            speed_estimate_period=60,
        )
        bar.add_task(title, total=total)
        if self._console.is_terminal:
            bar.start()
        else:
            self._console.print(f"{title}: {total:,} cells", highlight=False, soft_wrap=True)
        return bar
