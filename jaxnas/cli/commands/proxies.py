"""`jaxnas proxies`: every score that there is to ask for."""

from __future__ import annotations

import click


@click.command()
def proxies() -> None:
    """Lists every score.

    What each score means, who published it, what it costs, and whether `--proxies all` has it.
    """
    from jaxnas.cli.terminal.tables import show
    from jaxnas.reports import catalogue

    show(catalogue.scores())
