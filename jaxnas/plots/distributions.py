"""The picture of a table of scores: how each is distributed, and how they agree in rank."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import scipy.stats  # type: ignore[import-untyped]
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from jaxnas.evaluation.scores import cells_of
from jaxnas.plots.scales import scale_axis, short
from jaxnas.plots.style import BLUE, GREY, VERMILLION, new_figure, save
from jaxnas.results import space_of
from jaxnas.results.table import score_columns

# Inches.
_PANEL_WIDTH, _PANEL_HEIGHT = 2.15, 1.65
_RANK_CELL = 0.33
_HEADER = 0.72
_SMALLEST_WIDTH = 5.0

# So many values or fewer are drawn one by one under the bars.
_FEW = 50


class Scores(NamedTuple):
    """A score of each function, the mean over seeds of its first architecture.

    Attributes:
        functions: what stands for those of which there is a score, rising, [F].
        values: [F], not finite where a seed's score is not.
    """

    functions: NDArray[np.generic]
    values: NDArray[np.float64]


def plot_scores(table: pa.Table, path: Path, title: str = "") -> None:
    """Draws a table of scores as a PNG: the same table and title, the same picture.

    A panel for each score shows its distribution over the table's functions; with two scores or
    more a matrix shows Spearman's rank correlation between each two, over the functions of which
    both are finite. Disconnected cells are left out.

    Args:
        table: from `jaxnas.score` or `jaxnas.read_table`.
        path: of the picture, replaced whole or not at all.
        title: what the scores are of: data set, batch size and the like.

    Raises:
        ResultsError: the table has no settings, or the disk refuses.
    """
    connected = table.filter(pa.array(_not_disconnected(table)))
    scores = {name: function_scores(connected, name) for name in score_columns(table)}
    headline = f"{space_of(table).title} cells before training"
    counted = _counted(table, connected)
    save(lambda: _draw(scores, headline, title, counted), path, dpi=150)


def function_scores(table: pa.Table, name: str) -> Scores:
    """A score of each function; rows without it are left out.

    Args:
        table: as for `plot_scores`.
        name: of the score.
    """
    table = table.filter(table[name].is_valid())
    place = cells_of(table).place
    functions, group = np.unique(table["function"].to_numpy(), return_inverse=True)
    first = np.full(len(functions), len(place))
    np.minimum.at(first, group, place)
    kept = place == first[group]
    values = table[name].to_numpy().astype(np.float64)
    sums = np.bincount(group[kept], values[kept], len(functions))
    return Scores(functions, sums / np.bincount(group[kept], minlength=len(functions)))


def rank_correlation(a: Scores, b: Scores) -> float:
    """Spearman's correlation over the functions of which both scores are finite.

    Returns:
        Within [-1, 1]; NaN where there are fewer than three, or one of the scores is constant.
    """
    _, at_a, at_b = np.intersect1d(a.functions, b.functions, True, True)
    x, y = a.values[at_a], b.values[at_b]
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    ranks = scipy.stats.rankdata([x, y], axis=1)
    return float(np.corrcoef(ranks)[0, 1])


def _not_disconnected(table: pa.Table) -> NDArray[np.bool_]:
    return np.array([status != "disconnected" for status in table["status"].to_pylist()], np.bool_)


def _counted(table: pa.Table, connected: pa.Table) -> str:
    """What the picture shows of the table, in words."""
    cells, seeds = set(table["arch"].to_pylist()), set(table["seed"].to_pylist())
    disconnected = len(cells - set(connected["arch"].to_pylist()))
    functions = len(set(connected["function"].to_pylist()))
    averaged = f"; mean over {len(seeds)} seeds" if len(seeds) > 1 else ""
    return (
        f"{_plural(len(cells), 'cell')}: {_plural(functions, 'function')} shown, "
        f"{_plural(disconnected, 'disconnected cell')} left out{averaged}"
    )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _draw(scores: dict[str, Scores], headline: str, title: str, counted: str) -> Figure:
    count = max(len(scores), 1)
    side = _RANK_CELL * count
    matrix_width, matrix_height = (side + 2.1, side + 1.5) if count > 1 else (0.0, 0.0)
    rows = max(1, int(matrix_height / _PANEL_HEIGHT))
    columns = math.ceil(count / rows)
    panels = max(columns * _PANEL_WIDTH, _SMALLEST_WIDTH - matrix_width)
    height = max(rows * _PANEL_HEIGHT, matrix_height)
    figure = new_figure(panels + matrix_width, height + _HEADER)
    parts: Any = figure.subfigures(2, 1, height_ratios=[_HEADER, height])
    header, body = parts
    left = 0.08 / figure.get_figwidth()
    header.text(left, 0.88, headline, va="top", size=11)
    header.text(left, 0.55, title, va="top", size=8)
    header.text(left, 0.29, counted, va="top", size=8, color=GREY)
    if not matrix_width:
        _draw_panels(body, scores, rows, columns)
        return figure
    distributions, agreement = body.subfigures(1, 2, width_ratios=[panels, matrix_width])
    _draw_panels(distributions, scores, rows, columns)
    _draw_matrix(agreement, scores)
    return figure


def _draw_panels(where: SubFigure, scores: dict[str, Scores], rows: int, columns: int) -> None:
    axes = where.subplots(rows, columns, squeeze=False).ravel()
    for ax, (name, score) in zip(axes, scores.items(), strict=False):
        _draw_distribution(ax, name, score.values)
    for ax in axes[len(scores) :]:
        ax.set_axis_off()
    where.supylabel("functions", size=8)


def _draw_distribution(ax: Axes, name: str, values: NDArray[np.float64]) -> None:
    finite = values[np.isfinite(values)]
    failed = len(values) - len(finite)
    median = f"median {short(float(np.median(finite)))}" if len(finite) else "no finite value"
    note = median + (f", {failed:,} not finite" if failed else "")
    ax.set_title(name, loc="left", pad=13, weight="bold")
    ax.text(0, 1.035, note, transform=ax.transAxes, size=7, color=VERMILLION)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    if not len(finite):
        ax.set_xticks([])
        ax.set_yticks([])
        return
    scale_axis(ax, finite)
    gap = 0.5 if len(finite) <= _FEW else 0.0
    edge = "white" if gap else BLUE
    ax.hist(finite, _edges(ax, finite).tolist(), color=BLUE, edgecolor=edge, linewidth=gap)
    ax.axvline(float(np.median(finite)), color=VERMILLION, linewidth=1)
    if len(finite) <= _FEW:
        floor = ax.get_xaxis_transform()
        ax.plot(finite, np.full(len(finite), 0.03), "|", color="black", ms=5, transform=floor)


def _edges(ax: Axes, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of bins of equal width on the axis as it is scaled."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        width = abs(low) * 0.05 or 0.05
        return np.linspace(low - width, high + width, 12)
    bins = int(np.clip(2 * math.sqrt(len(values)), 8, 40))
    transform = ax.xaxis.get_transform()
    ends = np.asarray(transform.transform([low, high]))
    edges = np.asarray(transform.inverted().transform(np.linspace(ends[0], ends[1], bins + 1)))
    edges[0], edges[-1] = low, high
    return edges


def _draw_matrix(where: SubFigure, scores: dict[str, Scores]) -> None:
    names = list(scores)
    count = len(names)
    matrix = np.full((count, count), np.nan)
    for row, a in enumerate(scores.values()):
        for column, b in enumerate(list(scores.values())[: row + 1]):
            matrix[row, column] = matrix[column, row] = rank_correlation(a, b)
    ax = where.subplots()
    colours = mpl.colormaps["RdBu_r"].with_extremes(bad="#D9D9D9")
    image = ax.imshow(matrix, cmap=colours, vmin=-1, vmax=1)
    ax.set_xticks(range(count), names, rotation=90)
    ax.set_yticks(range(count), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    where.suptitle("Spearman's rank correlation", size=8, weight="bold")
    for (row, column), value in np.ndenumerate(matrix):
        if math.isfinite(value):
            colour = "white" if abs(value) > 0.6 else "black"
            text = f"{round(value, 2) + 0.0:.2f}".replace("0.", ".").replace("-", "−")
            ax.text(column, row, text, ha="center", va="center", size=6, color=colour)
    bar = where.colorbar(image, ax=ax, shrink=0.6, aspect=25, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.outline.set_visible(False)
