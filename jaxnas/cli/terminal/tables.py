"""Tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
import pyarrow as pa  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxnas.results import ranking

# Where the output goes to a file or a pipe nothing is folded.
_NO_TERMINAL_WIDTH = 250


def print_top(table: pa.Table, by: str, k: int) -> None:
    """Prints the best cells, one per function, and how many rows are of which status."""
    ranked = ranking.best(table, by, k)
    several = len(set(table["seed"].to_pylist())) > 1
    if ranked:
        columns = ["rank", "cell", "arch", f"{by} (mean over seeds)" if several else by]
        rows = [
            (str(rank), str(row.cell), row.arch, number(row.value), str(row.seeds))
            for rank, row in enumerate(ranked, 1)
        ]
        print_table([*columns, "seeds"] if several else columns, rows, right={0, 1, 3, 4})
    else:
        click.echo(f"no cell has a finite {by}")
    click.echo(ranking.status_line(table, [by]))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()
) -> None:
    """Prints rows under headings; `right` are the columns aligned to the right.

    Columns without a heading are left out.
    """
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        aligned_right = position in right
        shown.add_column(
            Text(column), justify="right" if aligned_right else "left", overflow="fold"
        )
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row[: len(columns)]))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_NO_TERMINAL_WIDTH)
    console.print(shown)


def number(value: float) -> str:
    """A score as a table shows it: whole numbers in full, others with six digits."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.6g}"
