"""`jaxnas cite`: what to cite of a run."""

from __future__ import annotations

from pathlib import Path

import click

from jaxnas.cli import options
from jaxnas.cli.terminal.messages import echo


@click.command()
@click.argument("folder", type=options.PATH, metavar="DIR")
def cite(folder: Path) -> None:
    """Prints BibTeX of exactly what a folder's run used.

    DIR is a folder of `jaxnas score`, `jaxnas train` or `jaxnas search`.
    """
    from jaxnas import pipelines

    echo(pipelines.cite(folder))
