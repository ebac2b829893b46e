"""The picture of a table of scores: how each is distributed, and how they agree in rank."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import scipy.stats  # type: ignore[import-untyped]
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from jaxnas.results.parts import write_atomically

_ROW = ("cell", "arch", "function", "seed", "status")

# Okabe and Ito's colours, told apart with any colour vision.
_BLUE, _VERMILLION, _GREY = "#0072B2", "#D55E00", "#595959"

STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
}

# Inches.
_PANEL_WIDTH, _PANEL_HEIGHT = 2.15, 1.65
_RANK_CELL = 0.33
_HEADER = 0.72
_SMALLEST_WIDTH = 5.0

# Between the 95 % and the 5 % quantile: a ratio above which an axis is logarithmic.
_LOGARITHMIC = 30.0

# Between the whole range and that of the middle half: a ratio above which the tails are pressed.
_LONG_TAILS = 12.0

# Of ticks, times powers of ten.
_STEPS = (1, 2, 2.5, 5, 10)

# Of the axis's length.
_TICK_DISTANCE = 0.2

# So many values or fewer are drawn one by one under the bars.
_FEW = 50


class Scores(NamedTuple):
    """A score of each function, the mean over seeds of its cell with the lowest index.

    Attributes:
        functions: of which there is a score, rising, [F].
        values: [F], not finite where a seed's score is not.
    """

    functions: NDArray[np.int64]
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
        ResultsError: the disk refuses.
    """
    connected = table.filter(pa.array(_not_disconnected(table)))
    scores = {
        name: function_scores(connected, name) for name in table.column_names if name not in _ROW
    }
    buffer = io.BytesIO()
    with matplotlib.style.context(["default", STYLE]):
        figure = _draw(scores, title, _counted(table, connected))
        # Not the plotting program's version, which is metadata by default.
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    write_atomically(Path(path), buffer.getvalue())


def function_scores(table: pa.Table, name: str) -> Scores:
    """A score of each function; rows without it are left out.

    Args:
        table: as for `plot_scores`.
        name: of the score.
    """
    table = table.filter(table[name].is_valid())
    cells, of_row = table["cell"].to_numpy(), table["function"].to_numpy().astype(np.int64)
    functions, group = np.unique(of_row, return_inverse=True)
    lowest = np.full(len(functions), np.iinfo(np.int64).max)
    np.minimum.at(lowest, group, cells)
    kept = cells == lowest[group]
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
    cells, seeds = set(table["cell"].to_pylist()), set(table["seed"].to_pylist())
    disconnected = len(cells - set(connected["cell"].to_pylist()))
    functions = len(set(connected["function"].to_pylist()))
    averaged = f"; mean over {len(seeds)} seeds" if len(seeds) > 1 else ""
    return (
        f"{_plural(len(cells), 'cell')}: {_plural(functions, 'function')} shown, "
        f"{_plural(disconnected, 'disconnected cell')} left out{averaged}"
    )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _draw(scores: dict[str, Scores], title: str, counted: str) -> Figure:
    count = max(len(scores), 1)
    side = _RANK_CELL * count
    matrix_width, matrix_height = (side + 2.1, side + 1.5) if count > 1 else (0.0, 0.0)
    rows = max(1, int(matrix_height / _PANEL_HEIGHT))
    columns = math.ceil(count / rows)
    panels = max(columns * _PANEL_WIDTH, _SMALLEST_WIDTH - matrix_width)
    height = max(rows * _PANEL_HEIGHT, matrix_height)
    figure = Figure(figsize=(panels + matrix_width, height + _HEADER), layout="constrained")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=[_HEADER, height])
    header, body = parts
    left = 0.08 / figure.get_figwidth()
    header.text(left, 0.88, "NAS-Bench-201 cells before training", va="top", size=11)
    header.text(left, 0.55, title, va="top", size=8)
    header.text(left, 0.29, counted, va="top", size=8, color=_GREY)
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
    median = f"median {_short(float(np.median(finite)))}" if len(finite) else "no finite value"
    note = median + (f", {failed:,} not finite" if failed else "")
    ax.set_title(name, loc="left", pad=13, weight="bold")
    ax.text(0, 1.035, note, transform=ax.transAxes, size=7, color=_VERMILLION)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    if not len(finite):
        ax.set_xticks([])
        ax.set_yticks([])
        return
    _scale_axis(ax, finite)
    gap = 0.5 if len(finite) <= _FEW else 0.0
    edge = "white" if gap else _BLUE
    ax.hist(finite, _edges(ax, finite).tolist(), color=_BLUE, edgecolor=edge, linewidth=gap)
    ax.axvline(float(np.median(finite)), color=_VERMILLION, linewidth=1)
    if len(finite) <= _FEW:
        floor = ax.get_xaxis_transform()
        ax.plot(finite, np.full(len(finite), 0.03), "|", color="black", ms=5, transform=floor)


def _scale_axis(ax: Axes, values: NDArray[np.float64]) -> None:
    """Scales the axis so that both the bulk of the values and their tails are seen.

    Logarithmic where values of one sign span decades; where the tails are long, the inverse
    hyperbolic sine about the median: linear in the bulk, logarithmic in the tails; else linear.
    """
    low, near, median, far, high = np.quantile(values, [0, 0.05, 0.5, 0.95, 1]).tolist()
    lower, upper = np.quantile(values, [0.25, 0.75]).tolist()
    bulk = upper - lower
    if near * far > 0 and low * high > 0 and _ratio(near, far) > _LOGARITHMIC:
        if low > 0:
            ax.set_xscale("log")
        else:
            ax.set_xscale("function", functions=(_minus_log, _minus_power))
        _set_ticks(ax, low, high, [])
    elif bulk > 0 and (high - low) / bulk > _LONG_TAILS:
        unit = bulk / 2

        def press(x: Any) -> Any:
            return np.arcsinh((np.asarray(x) - median) / unit)

        def release(x: Any) -> Any:
            return np.sinh(np.asarray(x)) * unit + median

        ax.set_xscale("function", functions=(press, release))
        _set_ticks(ax, low, high, _round_numbers(lower, upper))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(3, steps=_STEPS))
        ax.ticklabel_format(axis="x", scilimits=(-3, 4), useMathText=True)
        ax.xaxis.get_offset_text().set_fontsize(7)


def _ratio(a: float, b: float) -> float:
    return max(abs(a), abs(b)) / min(abs(a), abs(b))


def _minus_log(x: Any) -> Any:
    """Of negative numbers: rises with them, equal steps a decade."""
    return -np.log10(np.maximum(-np.asarray(x, np.float64), np.finfo(np.float64).tiny))


def _minus_power(x: Any) -> Any:
    return -(10.0 ** -np.asarray(x, np.float64))


def _set_ticks(ax: Axes, low: float, high: float, first: list[float]) -> None:
    """Ticks at round numbers that do not crowd: those of `first`, then powers of ten and 0.

    The outermost powers go before those within.
    """
    transform = ax.xaxis.get_transform()
    ends = np.asarray(transform.transform([low, high]))

    def place(x: float) -> float:
        return float((np.asarray(transform.transform([x]))[0] - ends[0]) / (ends[1] - ends[0]))

    powers = [sign * 10.0**power for sign in (-1, 1) for power in range(-30, 31)]
    powers = [x for x in (*powers, *([0.0] if low < 0 < high else [])) if low <= x <= high]
    taken: list[float] = []
    for x in (*first, *sorted(powers, key=lambda x: -abs(place(x) - 0.5))):
        if all(abs(place(x) - place(other)) >= _TICK_DISTANCE for other in taken):
            taken.append(x)
    ax.xaxis.set_major_locator(FixedLocator(sorted(taken)))
    ax.xaxis.set_major_formatter(FixedFormatter([_tick_label(x) for x in sorted(taken)]))
    ax.xaxis.set_minor_locator(NullLocator())


def _round_numbers(low: float, high: float) -> list[float]:
    """A few round numbers within a range, those in its middle first."""
    ticks = MaxNLocator(3, steps=_STEPS).tick_values(low, high)
    within = [float(x) for x in ticks if low <= x <= high]
    return sorted(within, key=lambda x: abs(x - (low + high) / 2))


def _tick_label(value: float) -> str:
    power = math.log10(abs(value)) if value else 0.5
    if power.is_integer() and not -2 <= power <= 2:
        return f"${'-' if value < 0 else ''}10^{{{power:.0f}}}$"
    return _short(value)


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


def _short(value: float) -> str:
    """Three digits, as "−67.2", "−1.03e3" or "2.5e−4"."""
    text = f"{value:.3g}" if value == 0 or abs(value) >= 0.01 else f"{value:.2e}"
    digits, e, power = text.partition("e")
    if e:
        digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
        text = f"{digits}e{int(power)}"
    return text.replace("-", "−")
