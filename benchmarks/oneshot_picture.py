"""The picture of the evidence on real images: entropy, true accuracy and skips over time."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oneshot_searches import BY_NAME, COLUMNS, Course, Courses, counted
from PIL import Image

from jaxnas.plots.style import BLUE, GREEN, GREY, ORANGE, VERMILLION, headline, new_figure, save
from jaxnas.results.parts import write_atomically
from jaxnas.spaces import nb201

# Three more of Okabe and Ito's colours.
_PURPLE, _SKY, _BLACK = "#CC79A7", "#56B4E9", "#000000"
_COLOURS = {
    "sf": BLUE,
    "relax": GREEN,
    "ram": ORANGE,
    "darts": VERMILLION,
    "pr-darts": _PURPLE,
    "rsps": _BLACK,
    "gdas": _SKY,
    "enas": GREY,
    "snas": ORANGE,
    "st": BLUE,
}
_PANELS = (
    "entropy, nats an edge",
    "accuracy with\nshared weights, %",
    "true accuracy, %",
    "skips",
)


def draw(courses: Courses, accuracy: NDArray[np.float64], title: str) -> Any:
    """A column for each comparison, of the searches that are there.

    Args:
        courses: of the searches.
        accuracy: of all cells [15625], percent.
        title: what was searched.
    """
    columns = {
        words: here
        for words, names in COLUMNS.items()
        if (here := [name for name in names if name in courses])
    }
    figure = new_figure(4.2 + 2.2 * len(columns), 8)
    headline(
        figure,
        title,
        "Of the cell that a search has at the time; means of three seeds, bands from the least to "
        "the most; ×: found by searches that only draw\nuntil the end. True accuracy: CIFAR-10 "
        "test, 200 epochs; dashed: a random cell's mean, line: the best.",
    )
    axes = figure.subplots(len(_PANELS), len(columns), sharey="row", sharex="col", squeeze=False)
    for column, (words, names) in zip(axes.T, columns.items(), strict=True):
        by_epoch = "evaluations" not in words
        for name in names:
            draw_condition(column, name, courses[name], accuracy, by_epoch, names)
        column[2].axhline(accuracy.mean(), color=GREY, linewidth=0.6, linestyle="--")
        column[2].axhline(accuracy.max(), color=GREY, linewidth=0.6)
        column[0].set_title(words, loc="left")
        column[-1].set_xlabel("epoch" if by_epoch else "evaluations")
        column[2].legend(*column[0].get_legend_handles_labels(), loc="lower right")
    for ax, label in zip(axes[:, 0], _PANELS, strict=True):
        ax.set_ylabel(label)
    return figure


def draw_condition(
    axes: Any,
    name: str,
    courses: Sequence[Course],
    accuracy: NDArray[np.float64],
    by_epoch: bool,
    beside: Sequence[str],
) -> None:
    """Lines of a condition in a column's panels; dotted if its method is there already."""
    cells = np.array([course.cells for course in courses])
    skips = (nb201.cell_ops()[cells] == nb201.Op.SKIP).sum(-1)
    entropy = np.array([course.entropy for course in courses])
    shared = np.array([course.shared for course in courses])
    x = np.arange(1, cells.shape[1] + 1) if by_epoch else courses[0].evaluations
    method = BY_NAME[name].method
    first = next(one for one in beside if BY_NAME[one].method == method)
    style: dict[str, Any] = {
        "color": _COLOURS[method],
        "linestyle": "-" if name == first else ":",
        "linewidth": 1,
    }
    drawn = BY_NAME[name].recipe().candidates > 0
    if drawn:
        found = [course.cell for course in courses]
        percent = [course.found_shared for course in courses]
        ends = (percent, accuracy[found], counted(courses, nb201.Op.SKIP))
        for ax, values in zip(axes[1:], ends, strict=True):
            ax.plot(x[-1], np.mean(values), "x", color=style["color"])
    # What random search draws from has no entropy that could change.
    axes[0].plot([], [], label=name, marker="x" if np.isnan(entropy).any() else "", **style)
    for ax, values in zip(axes, (entropy, shared, accuracy[cells], skips), strict=True):
        if not np.isnan(values).any() and (ax is axes[0] or not drawn):
            ax.plot(x, values.mean(0), **style)
            colour = style["color"]
            ax.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.1, lw=0)


def save_small(figure: Any, path: Path) -> None:
    """Draws it, and keeps 128 colours, which is a fraction of the size."""
    save(figure, path)
    buffer = io.BytesIO()
    Image.open(path).convert("RGB").quantize(128).save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())
