"""`jaxnas draw`: an architecture as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from jaxnas import checks
from jaxnas.cli import options
from jaxnas.cli.terminal.messages import echo
from jaxnas.spaces import find, select


@click.command()
@click.argument("cell")
@options.space
@click.option(
    "--out",
    type=options.PATH,
    required=True,
    metavar="PNG",
    help="The picture; one that is there is replaced.",
)
def draw(cell: str, space: str, out: Path) -> None:
    """Draws the architecture CELL as a graph of each of its cells.

    CELL is written as its space writes it; or is its index, where the space has indices; the name
    of a published one; or @FILE with one, such as a search's found.json.
    """
    checks.place_to_write("--out", out)
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out {out}: expected a path that ends in .png; choose such a name")
    archs = select(cell, find(space))
    if len(archs) > 1:
        raise ValueError(
            f"{checks.quoted(cell)}: expected one architecture, got {len(archs):,}; name one"
        )

    from jaxnas.plots.cell_graph import plot_cell

    plot_cell(archs[0], out, space)
    echo(f"picture  {out}")
