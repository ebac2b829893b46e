"""What a scored folder is left with: the picture, the best on the screen, the paths."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.cli.terminal.messages import echo
from jaxnas.cli.terminal.tables import show
from jaxnas.reports.scores import best_cells, words_of_settings

PICTURE_FILE = "scores.png"


def finish(table: pa.Table, out: Path, dataset: str = "") -> None:
    """Draws the scores of a folder, prints its best, and says where everything is.

    Args:
        table: the folder's, just written.
        out: the folder.
        dataset: what the picture calls the images; empty where that is not known.
    """
    from jaxnas.plots import plot_scores
    from jaxnas.results import SCORES_FILE, settings_of

    plot_scores(table, out / PICTURE_FILE, words_of_settings(settings_of(table), dataset))
    show(best_cells(table))
    echo(f"table    {out / SCORES_FILE}")
    echo(f"picture  {out / PICTURE_FILE}")
