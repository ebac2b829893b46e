"""`jaxnas merge`: one folder out of several."""

from __future__ import annotations

from pathlib import Path

import click

from jaxnas.cli import options

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=_FOLDER, metavar="DIR...")
@click.option("--out", required=True, type=_FOLDER, help="Folder to make; absent or empty.")
@options.noise_range
def merge(folders: tuple[Path, ...], out: Path, noise_range: options.NoiseRange) -> None:
    """Joins folders that were scored on several machines with equal settings.

    The folders stay as they are. Where two hold different values of one score, the one given first
    wins.
    """
    from jaxnas import results
    from jaxnas.cli.finishing import finish
    from jaxnas.scoring.run import read_table

    merged = results.merge(folders, out)
    table = read_table(out, noise_range)
    with results.Folder.load(out) as folder:
        results.write_table(table, out / results.SCORES_FILE, settings=folder.settings)
    click.echo(f"folders joined: {len(folders)}, parts copied: {merged.parts}", err=True)
    finish(table, out)
