"""`jaxnas oracle`: what a table of accuracies, or the benchmark's archive, holds."""

from __future__ import annotations

from pathlib import Path

import click

from jaxnas.cli import options
from jaxnas.cli.terminal.messages import echo


@click.command()
@click.argument("path", type=options.PATH, metavar="PATH")
@options.space
def oracle(path: Path, space: str) -> None:
    """Prints what PATH knows of trained architectures, and the best of them.

    PATH is the unpacked folder of the NATS-Bench topology archive, or a .csv, .parquet or .npz
    table. An archive is read once, in minutes, into a table in the user's cache. If it is
    interrupted, run the same command again: it goes on.

    A table has one row an architecture. Its columns: cell, the official index, or arch, the
    architecture as its space writes it; {dataset}_{valid|test}_{12|200}, the accuracy in percent
    after so many epochs, with _seedN that of one seed; {dataset}_seconds_{12|200}, the time to
    train and validate. A missing value is left empty; other columns are ignored. For cifar10, valid
    is the benchmark's cifar10-valid.
    """
    from jaxnas.cli.terminal.progress import archive_bar
    from jaxnas.cli.terminal.tables import show
    from jaxnas.oracle import read
    from jaxnas.oracle.archive import cached_table
    from jaxnas.reports.oracle import accuracies, times

    with archive_bar() as progress:
        table = read(path, progress, space)
    show(accuracies(table))
    if table.times:
        echo()
        show(times(table))
    if path.is_dir():
        echo()
        echo(f"kept as {cached_table(path)}, which opens like the archive")
