"""`jaxnas spaces`: the search spaces that there are."""

from __future__ import annotations

import click


@click.command()
def spaces() -> None:
    """Lists the search spaces.

    How large each space is, how its architectures are written, and how large its networks are
    unless --channels and --depth say otherwise.
    """
    from jaxnas.cli.terminal.tables import show
    from jaxnas.reports import catalogue

    show(catalogue.spaces())
