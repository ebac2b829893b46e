"""What a command leaves behind: the picture, the best cells on the screen, the paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.cli.terminal.tables import print_top
from jaxnas.results import ranking

PICTURE_FILE = "scores.png"
_TOP = 10


def finish(table: pa.Table, out: Path, dataset: str | None = None) -> None:
    """Draws the scores of a folder, prints its best cells, and says where everything is.

    Args:
        table: the folder's, just written.
        out: the folder.
        dataset: what the picture calls the images.
    """
    from jaxnas.plots import plot_scores
    from jaxnas.results import SCORES_FILE, Folder

    with Folder.load(out) as folder:
        title = describe(folder.settings, dataset)
    plot_scores(table, out / PICTURE_FILE, title)
    print_top(table, ranking.default_score(table), _TOP)
    click.echo(f"table    {out / SCORES_FILE}")
    click.echo(f"picture  {out / PICTURE_FILE}")


def describe(settings: dict[str, Any], dataset: str | None) -> str:
    """A run in a few words, for a title."""
    words = [
        dataset,
        f"batch {settings['batch_size']}",
        f"{settings['bn']} batch norm",
        f"{settings['init']} initialisation",
        f"{settings['dtype']}",
    ]
    return ", ".join(word for word in words if word)
