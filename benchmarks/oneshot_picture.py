"""The picture of the evidence on real images: entropy, true accuracy and skips over time."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oneshot_searches import (
    CONDITIONS,
    EQUAL_EVALUATIONS,
    EQUAL_STEPS,
    OTHERS,
    Course,
    Courses,
    counted,
)
from PIL import Image

from jaxnas.plots.style import BLUE, GREEN, GREY, ORANGE, VERMILLION, headline, new_figure, save
from jaxnas.results.parts import write_atomically
from jaxnas.spaces import nb201

_LINES = tuple(zip((BLUE, GREEN, ORANGE, VERMILLION, GREY) * 2, "-----:::::", strict=True))


def draw(courses: Courses, accuracy: NDArray[np.float64], title: str) -> Any:
    """Three columns of searches, of which those that are there are drawn.

    Args:
        courses: of the searches.
        accuracy: of all cells [15625], percent.
        title: what was searched.
    """
    figure = new_figure(8.4, 6.4)
    headline(
        figure,
        title,
        "Means of three seeds, bands from the least to the most. True accuracy: CIFAR-10 test, "
        "200 epochs;\ndashed: a random cell's mean, line: the best. ×: found by searches that only "
        "draw until the end.",
    )
    axes = figure.subplots(3, 3, sharey="row", sharex="col")
    columns = (EQUAL_STEPS, OTHERS, EQUAL_EVALUATIONS)
    for column, names, x_label in zip(
        axes.T, columns, ("epoch", "epoch", "evaluations"), strict=True
    ):
        for name, style in zip(names, _LINES, strict=False):
            if name in courses:
                draw_condition(column, name, courses[name], accuracy, x_label == "epoch", *style)
        column[1].axhline(accuracy.mean(), color=GREY, linewidth=0.6, linestyle="--")
        column[1].axhline(accuracy.max(), color=GREY, linewidth=0.6)
        column[2].set_xlabel(x_label)
        if column[0].get_lines():
            column[0].legend(loc="lower left")
    for ax, text in zip(
        axes[0], ("equal epochs", "equal epochs", "equal evaluations"), strict=True
    ):
        ax.set_title(text, loc="left")
    for ax, label in zip(
        axes[:, 0], ("entropy, nats an edge", "true accuracy, %", "skips"), strict=True
    ):
        ax.set_ylabel(label)
    return figure


def draw_condition(
    axes: Any,
    name: str,
    courses: Sequence[Course],
    accuracy: NDArray[np.float64],
    by_epoch: bool,
    colour: str,
    line: str,
) -> None:
    """Lines of a condition in a column's three panels."""
    cells = np.array([course.cells for course in courses])
    skips = (nb201.cell_ops()[cells] == nb201.Op.SKIP).sum(-1)
    entropy = np.array([course.entropy for course in courses])
    x = np.arange(1, cells.shape[1] + 1) if by_epoch else courses[0].evaluations
    drawn = next(one for one in CONDITIONS if one.name == name).recipe().candidates > 0
    style = {"color": colour, "linestyle": line, "linewidth": 1, "label": name}
    if drawn:
        found = [course.cell for course in courses]
        ends = (accuracy[found], counted(courses, nb201.Op.SKIP))
        for ax, values in zip(axes[1:], ends, strict=True):
            ax.plot(x[-1], np.mean(values), "x", color=colour)
    for ax, values in zip(axes, (entropy, accuracy[cells], skips), strict=True):
        if np.isnan(values).any():
            ax.plot([], [], **style)
        elif ax is axes[0] or not drawn:
            ax.plot(x, values.mean(0), **style)
            ax.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.1, lw=0)


def save_small(figure: Any, path: Path) -> None:
    """Draws it, and keeps 64 colours, which is a fifth of the size."""
    save(figure, path)
    buffer = io.BytesIO()
    Image.open(path).convert("RGB").quantize(64).save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())
