"""`jaxnas merge`: one folder out of several."""

from __future__ import annotations

from pathlib import Path

import click

from jaxnas.cli import options
from jaxnas.cli.terminal.messages import echo


@click.command()
@click.argument("folders", nargs=-1, required=True, type=options.PATH, metavar="DIR...")
@options.out("Folder to make; absent or empty.", required=True)
@options.noise_range
def merge(folders: tuple[Path, ...], out: Path, noise_range: options.NoiseRange) -> None:
    """Joins folders that were scored on several machines.

    Their settings must be equal. The folders stay as they are. Where two hold different values of
    one score, the one given first wins. Instead of a folder its scores.parquet will do.
    """
    options.check_folders(out)

    from jaxnas import scoring
    from jaxnas.cli.terminal.scored import finish

    table = scoring.merge(folders, out, noise_range=noise_range)
    echo(f"joined: {len(folders)}", err=True)
    finish(table, out)
