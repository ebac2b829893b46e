"""`jaxnas top`: the best architectures of a scored folder."""

from __future__ import annotations

from pathlib import Path

import click

from jaxnas.cli import options


@click.command()
@click.argument("folder", type=options.PATH, metavar="DIR")
@click.option(
    "--by",
    metavar="SCORE[+SCORE...]",
    help="Score to rank by, or several joined by +, which are ranked by the sum of log(rank/n).  "
    "[default: pjs, otherwise js, ...]",
)
@click.option(
    "-k",
    "k",
    type=options.COUNT,
    default=10,
    show_default=True,
    help="Number of architectures.",
)
@click.option(
    "--seed",
    type=options.SEED,
    help="Use the scores of this seed alone, not the mean of all.",
)
@options.noise_range
def top(
    folder: Path, by: str | None, k: int, seed: int | None, noise_range: options.NoiseRange
) -> None:
    """Shows the best architectures of a scored folder.

    DIR is a folder of `jaxnas score`, which may still be at work. Of functionally equal
    architectures one is shown. Higher scores are better.
    """
    from jaxnas.cli.terminal.tables import show
    from jaxnas.reports.scores import best_cells
    from jaxnas.results import ranking
    from jaxnas.scoring import read_table

    table = read_table(folder, noise_range)
    if seed is not None:
        table = ranking.with_seed(table, seed)
    show(best_cells(table, by, k))
