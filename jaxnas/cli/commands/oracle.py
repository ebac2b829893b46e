"""`jaxnas oracle`: what a table of accuracies, or the benchmark's archive, holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jaxnas.oracle import Oracle


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
def oracle(path: Path) -> None:
    """Prints what PATH knows of trained cells, and the best of them.

    PATH is the unpacked folder of the NATS-Bench topology archive, or a .csv, .parquet or .npz
    table. An archive is read once, in minutes, into a table in the user's cache; stopped, the
    same command goes on from there.

    A table has one row a cell. Its columns: cell, the official index, or arch, the architecture
    string; {dataset}_{valid|test}_{12|200}, the accuracy in percent after so many epochs, with
    _seedN that of one seed; {dataset}_seconds_{12|200}, the time to train and validate. A missing
    value is left empty; other columns are ignored. For cifar10, valid is the benchmark's
    cifar10-valid.
    """
    from jaxnas.cli.terminal.archive_progress import ArchiveProgress
    from jaxnas.cli.terminal.tables import print_table
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
