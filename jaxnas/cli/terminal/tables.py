"""Reports in the terminal."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxnas.reports.report import Report

# Where the output goes to a file or a pipe nothing is folded.
_NO_TERMINAL_WIDTH = 10_000


def show(report: Report) -> None:
    """Prints a report: its title, its table where it has rows, and its notes."""
    if report.title:
        click.echo(report.title)
    if report.rows:
        _print_table(report)
    for note in report.notes:
        click.echo(note)


def _print_table(report: Report) -> None:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in report.columns:
        shown.add_column(
            Text(column.heading), justify="right" if column.right else "left", overflow="fold"
        )
    for row in report.rows:
        shown.add_row(*(Text(column.text(row)) for column in report.columns))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_NO_TERMINAL_WIDTH)
    console.print(shown)
