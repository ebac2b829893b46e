"""All scores side by side, with their intervals.

Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", figures 3
to 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from jaxnas.plots.style import BLUE, GREY, LIGHT_GREY, ORANGE, headline, new_figure

Floats = NDArray[np.float64]

_ROW_HEIGHT = 0.19


@dataclass(frozen=True)
class Panel:
    """One figure of every score.

    Attributes:
        title: of the panel.
        label: of its axis, with unit.
        values: [K], NaN where there is none.
        low: [K], lower end of the whiskers.
        high: [K], upper end.
        hollow: [K], drawn hollow: of another unit.
        mark: where a dashed line stands, NaN for none.
        from_zero: the axis begins at 0.
    """

    title: str
    label: str
    values: Floats
    low: Floats
    high: Floats
    hollow: NDArray[np.bool_] | None = None
    mark: float = math.nan
    from_zero: bool = False


def draw_bars(
    names: list[str],
    baseline: NDArray[np.bool_],
    panels: list[Panel],
    title: str,
    note: str,
    log: bool = False,
) -> Figure:
    """Panels side by side, a row for each score; baselines in a colour of their own.

    Args:
        names: of the scores, [K].
        baseline: which are baselines, [K].
        panels: one or more.
        title: of the whole.
        note: what the colours and lines mean.
        log: one logarithmic axis for all panels.
    """
    figure = new_figure(1.3 + 2.6 * len(panels), 1.3 + _ROW_HEIGHT * len(names))
    headline(figure, title, note)
    axes = figure.subplots(1, len(panels), sharey=True, sharex=log, squeeze=False)[0]
    for ax, panel in zip(axes, panels, strict=True):
        _draw_panel(ax, panel, baseline)
    if log:
        _scale_log(axes[0], np.concatenate([panel.values for panel in panels]))
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    return figure


def _scale_log(ax: Axes, values: Floats) -> None:
    """Logarithmic, from just below the smallest value: a whisker that reaches 0 is cut there."""
    positive = values[values > 0]
    if len(positive):
        ax.set_xscale("log", nonpositive="clip")
        ax.set_xlim(left=float(positive.min()) / 2)


def _draw_panel(ax: Axes, panel: Panel, baseline: NDArray[np.bool_]) -> None:
    rows = np.arange(len(baseline))
    hollow = np.zeros_like(baseline) if panel.hollow is None else panel.hollow
    for of_baseline, colour in ((False, BLUE), (True, ORANGE)):
        for is_hollow in (False, True):
            chosen = (baseline == of_baseline) & (hollow == is_hollow) & ~np.isnan(panel.values)
            values = panel.values[chosen]
            whiskers = [
                np.nan_to_num(np.maximum(values - panel.low[chosen], 0)),
                np.nan_to_num(np.maximum(panel.high[chosen] - values, 0)),
            ]
            ax.errorbar(
                values, rows[chosen], xerr=whiskers, fmt="o", markersize=4, color=colour,
                markerfacecolor="white" if is_hollow else colour, elinewidth=1, capsize=0,
            )  # fmt: skip
    if not math.isnan(panel.mark):
        ax.axvline(panel.mark, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    if panel.from_zero:
        ax.set_xlim(left=0)
    ax.grid(axis="y", color=LIGHT_GREY, linewidth=0.4)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    ax.set_title(panel.title, loc="left")
    ax.set_xlabel(panel.label)
