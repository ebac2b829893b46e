"""The picture of a search by gradient: accuracy, entropy and variance against queries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from jaxnas.plots.style import BLUE, GREY, VERMILLION, new_figure, save
from jaxnas.spaces import DEFAULT, Space

Rows = Mapping[str, NDArray[np.float64]]

_LINES = (
    ("mode", "most probable cell", BLUE),
    ("best", "best trained", VERMILLION),
    ("random", "random search, best trained", GREY),
)


def plot_curves(curves: Mapping[str, Rows], path: Path, title: str, space: Space = DEFAULT) -> None:
    """Draws curves as a PNG: a column a data set, bands of one deviation over runs.

    Args:
        curves: by data set, from `jaxnas.search.by_gradient.curves.curve_rows`.
        path: of the picture, replaced whole or not at all.
        title: what was run.
        space: what was searched; a dotted line is at the entropy of its uniform distribution.

    Raises:
        ResultsError: the disk refuses.
    """
    save(lambda: _draw(curves, title, space), path, dpi=150)


def _draw(curves: Mapping[str, Rows], title: str, space: Space) -> Figure:
    most = sum(math.log(count) for count in space.choices)
    figure = new_figure(max(2.9 * len(curves), 4.2), 5.6)
    axes = figure.subplots(
        3, len(curves), squeeze=False, sharex="col", gridspec_kw={"height_ratios": [2, 1, 1]}
    )
    for (dataset, rows), (top, middle, bottom) in zip(curves.items(), axes.T, strict=True):
        top.set_title(dataset, loc="left", weight="bold")
        _draw_accuracy(top, rows)
        _draw_entropy(middle, rows, most)
        _draw_variance(bottom, rows)
    labels = ("test accuracy, %", "entropy, nats", "gradient variance")
    for ax, label in zip(axes[:, 0], labels, strict=True):
        ax.set_ylabel(label)
    figure.suptitle(title, size=8, x=0.01, ha="left")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure


def _draw_accuracy(ax: Axes, rows: Rows) -> None:
    for what, label, colour in _LINES:
        mean, deviation = rows[f"{what}_test"], rows[f"{what}_test_std"]
        if np.isfinite(mean).all():
            ax.plot(rows["queries"], mean, color=colour, label=label, linewidth=1)
            ax.fill_between(
                rows["queries"], mean - deviation, mean + deviation, color=colour, alpha=0.12, lw=0
            )
    # A search starts far below what it is compared with; the end is what one wants to see.
    late = slice(len(rows["queries"]) // 5, None)
    ends = [
        (rows[f"{what}_test"] + sign * rows[f"{what}_test_std"])[late]
        for what, _, _ in _LINES
        for sign in (-1, 1)
    ]
    low, high = np.nanmin(ends), np.nanmax(ends)
    room = 0.05 * (high - low) or 1.0
    ax.set_ylim(low - room, high + room)


def _draw_entropy(ax: Axes, rows: Rows, most: float) -> None:
    mean, deviation = rows["entropy"], rows["entropy_std"]
    ax.axhline(most, color=GREY, linewidth=0.6, linestyle=":")
    ax.plot(rows["queries"], mean, color=BLUE, linewidth=1)
    ax.fill_between(
        rows["queries"], mean - deviation, mean + deviation, color=BLUE, alpha=0.12, lw=0
    )
    ax.set_ylim(0, None)


def _draw_variance(ax: Axes, rows: Rows) -> None:
    ax.plot(rows["queries"], rows["variance"], color=BLUE, linewidth=1)
    if (rows["variance"] > 0).any():
        ax.set_yscale("log")
    ax.set_xlabel("queries")
