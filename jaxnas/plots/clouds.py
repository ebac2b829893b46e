"""Scores against accuracy, a point for each cell.

Sources: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", figure
2; "A Gradient-based Kernel Approach for Efficient Network Architecture Search", figure 4.
"""

from __future__ import annotations

import math
from typing import Any

import matplotlib as mpl
import numpy as np
import scipy.ndimage  # type: ignore[import-untyped]
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from jaxnas.evaluation import metrics
from jaxnas.plots.scales import scale_axis, short
from jaxnas.plots.style import GREY, VERMILLION, headline, new_figure

Floats = NDArray[np.float64]

# Pairs of panels side by side.
_PAIRS = 3

# Bins along each axis for the density that colours the points.
_BINS = 60

_FEW_TICKS = 3

_NOTE = "a point for each cell; the brighter, the more cells are about it"

# Bins of equally many cells for the running quantiles.
_DECILES = 10
_LEAST_FOR_QUANTILES = 100

_TICKS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 92, 94, 96, 98, 99)


def draw_clouds(scores: dict[str, Floats], accuracy: Floats, what: str, title: str) -> Figure:
    """For each score two panels: all cells, and those above its median.

    Args:
        scores: by name, [n], NaN where missing.
        accuracy: per cent, [n].
        what: label of the accuracy.
        title: of the whole.
    """
    rows = math.ceil(len(scores) / _PAIRS)
    figure = new_figure(3.1 * _PAIRS, 1.5 * rows + 0.8)
    headline(figure, title, _NOTE)
    axes = figure.subplots(rows, 2 * _PAIRS, squeeze=False)
    for ax in axes.ravel()[2 * len(scores) :]:
        ax.set_axis_off()
    pairs = axes.reshape(-1, 2)
    for (left, right), (name, score) in zip(pairs, scores.items(), strict=False):
        present = ~np.isnan(score)
        x, y = score[present], accuracy[present]
        left.set_title(name, loc="left", weight="bold")
        right.set_title("above the median", loc="left", color=GREY)
        if not len(x):
            left.text(0.5, 0.5, "no finite score", transform=left.transAxes, ha="center")
            continue
        among = metrics.above_median(x)
        log = metrics.slope_scale(x)[0].startswith("log")
        for ax, chosen in ((left, np.ones_like(among)), (right, among)):
            _draw_cloud(ax, x[chosen], y[chosen], log)
    figure.supylabel(what, size=8)
    return figure


def draw_kernel(name: str, score: Floats, accuracy: Floats, what: str, title: str) -> Figure:
    """A score against accuracy at two granularities, with the spread of accuracy along it.

    Args:
        name: of the score.
        score: [n], NaN where missing.
        accuracy: per cent, [n].
        what: label of the accuracy.
        title: of the whole.
    """
    figure = new_figure(6.6, 3.2)
    headline(figure, title, _NOTE)
    left, right = figure.subplots(1, 2)
    present = ~np.isnan(score)
    x, y = score[present], accuracy[present]
    if not len(x):
        return figure
    among = metrics.above_median(x)
    parts = ((left, np.ones_like(among), "all cells"), (right, among, "above the median"))
    for ax, chosen, label in parts:
        ax.set_title(label, loc="left")
        ax.set_xlabel(name)
        _draw_cloud(ax, x[chosen], y[chosen], log=False)
        _draw_quantiles(ax, x[chosen], y[chosen])
    left.set_ylabel(what.replace(" after", "\nafter"))
    handles, labels = left.get_legend_handles_labels()
    if handles:
        left.legend(handles, labels, loc="lower right")
    return figure


def _draw_cloud(ax: Axes, x: Floats, y: Floats, log: bool) -> None:
    """Points coloured by how many there are around them, the dense ones on top."""
    if not len(x):
        ax.set_axis_off()
        return
    if log:
        x = np.log1p(-x)
        # To the right the score rises, as in every other panel.
        ax.invert_xaxis()
        ax.xaxis.set_major_locator(MaxNLocator(_FEW_TICKS))
        ax.set_xlabel("log(1 − score)", size=6.5, labelpad=1)
    else:
        scale_axis(ax, x, distance=0.3)
        if isinstance(ax.xaxis.get_major_locator(), MaxNLocator):
            ax.xaxis.set_major_locator(MaxNLocator(_FEW_TICKS))
            ax.xaxis.set_major_formatter(lambda value, _: short(value))
    _scale_accuracy(ax, y)
    density = _density(ax, x, y)
    order = np.argsort(density, kind="stable")
    size = float(np.clip(900 / len(x), 1.2, 9))
    colours = mpl.colormaps["cividis"](density[order])
    ax.scatter(x[order], y[order], s=size, c=colours, linewidths=0, rasterized=True)


def _density(ax: Axes, x: Floats, y: Floats) -> Floats:
    """How dense the points are about each, on the axes as scaled: logarithmic, 0 to 1."""
    along_x = _bins(np.asarray(ax.xaxis.get_transform().transform(x)))
    along_y = _bins(np.asarray(ax.yaxis.get_transform().transform(y)))
    counts = np.zeros((_BINS, _BINS))
    np.add.at(counts, (along_x, along_y), 1)
    smooth = np.log(scipy.ndimage.gaussian_filter(counts, 1.0, mode="constant")[along_x, along_y])
    return np.asarray((smooth - smooth.min()) / max(float(np.ptp(smooth)), 1))


def _bins(values: Floats) -> NDArray[np.int64]:
    low, width = values.min(), max(np.ptp(values), np.finfo(np.float64).tiny)
    return np.minimum(((values - low) / width * _BINS).astype(np.int64), _BINS - 1)


def _scale_accuracy(ax: Axes, accuracy: Floats) -> None:
    """Logarithmic in the error: the good networks are not pressed into a line at the top."""
    low, high = float(accuracy.min()), float(accuracy.max())

    def press(value: Any) -> Any:
        return -np.log(np.maximum(101 - np.asarray(value, np.float64), 1e-9))

    def release(value: Any) -> Any:
        return 101 - np.exp(-np.asarray(value, np.float64))

    ax.set_yscale("function", functions=(press, release))
    span = float(press(high) - press(low)) or 0.1
    ax.set_ylim(release(press(low) - 0.05 * span), release(press(high) + 0.08 * span))
    shown: list[float] = []
    fine = [tick + part for tick in range(0, 100) for part in (0.0, 0.5)]
    for tick in (*_TICKS, *fine):
        inside = low - 0.04 * (high - low) <= tick <= high
        far = all(abs(press(tick) - press(other)) >= 0.17 * span for other in shown)
        if inside and far and (len(shown) < 2 or tick in _TICKS):
            shown.append(tick)
    ax.yaxis.set_major_locator(FixedLocator(sorted(shown)))
    ax.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in sorted(shown)]))
    ax.yaxis.set_minor_locator(NullLocator())


def _draw_quantiles(ax: Axes, x: Floats, y: Floats) -> None:
    """Median and middle 80 % of accuracy in ten parts of equally many cells."""
    if len(x) < _LEAST_FOR_QUANTILES:
        return
    parts = np.array_split(np.argsort(x, kind="stable"), _DECILES)
    centre = [float(np.median(x[part])) for part in parts]
    low, median, high = np.transpose([np.quantile(y[part], [0.1, 0.5, 0.9]) for part in parts])
    ax.plot(centre, median, color=VERMILLION, linewidth=1.3, label="median of each tenth")
    for edge, label in ((low, "10 % and 90 % quantiles"), (high, None)):
        ax.plot(centre, edge, color=VERMILLION, linewidth=0.8, linestyle="--", label=label)
