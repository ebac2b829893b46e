"""What all pictures share: colours, type, and how they get to disk."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxnas.results.files import write_atomically

# Okabe and Ito's colours, told apart with any colour vision.
BLUE, VERMILLION, ORANGE, GREEN = "#0072B2", "#D55E00", "#E69F00", "#009E73"
GREY, LIGHT_GREY = "#595959", "#D9D9D9"

_STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches, whose parts find their places themselves."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def headline(figure: Figure, title: str, note: str) -> None:
    """A title at the left and, below it, what one has to know to read the figure."""
    figure.suptitle(f"{title}\n", x=0.01, ha="left", size=9)
    below = 1 - 0.3 / figure.get_figheight()
    figure.text(0.01, below, note, ha="left", va="center", size=7, color=GREY)


def save(draw: Callable[[], Figure], path: Path, dpi: int = 200) -> None:
    """Draws a figure in the library's style and writes it as a PNG, whole or not at all.

    What matplotlib is set to in the process stays, and equal figures give equal bytes.

    Raises:
        ResultsError: the disk refuses.
    """
    buffer = io.BytesIO()
    with matplotlib.style.context(["default", _STYLE]):
        # Not the plotting program's version, which is metadata by default.
        draw().savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    write_atomically(Path(path), buffer.getvalue())
