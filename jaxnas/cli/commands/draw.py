"""`jaxnas draw`: a cell as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from jaxnas.spaces import selection


@click.command()
@click.argument("cell")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="PNG",
    help="The picture; one that is there is replaced.",
)
def draw(cell: str, out: Path) -> None:
    """Draws CELL as a graph.

    CELL is an index or arch string of NAS-Bench-201; or a genotype of the DARTS space, whose
    normal and reduction cell are drawn side by side: a published one's name (darts-v1, darts-v2,
    p-darts, pc-darts, pr-darts), Genotype(...) itself, or @FILE with one, such as a search's JSON.
    """
    found = selection.parse_architecture(cell)
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out {out}: expected a path that ends in .png")

    from jaxnas.plots.cell_graph import plot_cell

    plot_cell(found, out)
    click.echo(f"picture  {out}")
