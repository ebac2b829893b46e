"""Reports in the terminal."""

from __future__ import annotations

from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxnas.checks import printable
from jaxnas.cli.terminal.messages import echo
from jaxnas.reports.report import Report

# Where the output goes to a file or a pipe nothing is folded.
_NO_TERMINAL_WIDTH = 10_000


def show(report: Report) -> None:
    """Prints a report: its title, its table where it has rows, and its notes."""
    if report.title:
        echo(report.title)
    if report.rows:
        _print_table(report)
    for note in report.notes:
        echo(note)


def _print_table(report: Report) -> None:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in report.columns:
        side: Literal["left", "right"] = "right" if column.right else "left"
        shown.add_column(_text(column.heading), justify=side, overflow="fold")
    for row in report.rows:
        shown.add_row(*(_text(column.text(row)) for column in report.columns))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_NO_TERMINAL_WIDTH)
    console.print(shown)


def _text(words: str) -> Text:
    """Words from outside may be among them, with markup or control characters."""
    return Text(printable(words))
