"""The picture of a training run: loss and accuracy of every candidate over its epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxnas.plots.style import LIGHT_GREY, new_figure, save

_PANELS = (
    ("train_loss", "training loss (cross-entropy, nats)"),
    ("train_accuracy", "training accuracy (%)"),
    ("valid_accuracy", "validation accuracy (%)"),
)
# Candidates with a line in the legend; of more, the best by validation.
_NAMED = 10


class Row(Protocol):
    """An epoch, `jaxnas.training.Epoch`."""

    @property
    def epoch(self) -> int: ...
    @property
    def train_loss(self) -> float: ...
    @property
    def train_accuracy(self) -> float: ...
    @property
    def valid_accuracy(self) -> float | None: ...


class Curve(Protocol):
    """A candidate, `jaxnas.training.Trained`."""

    @property
    def label(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def curve(self) -> Sequence[Row]: ...


def plot_curves(trained: Sequence[Curve], path: Path, title: str = "") -> None:
    """Draws the curves as a PNG, a line a candidate, the best by validation named and coloured.

    Args:
        trained: the candidates; those without a finished epoch are left out.
        path: where the picture goes, which is replaced whole or not at all.
        title: what was trained on what.

    Raises:
        ResultsError: the disk refuses.
    """
    ranked = sorted((one for one in trained if one.curve), key=_last_accuracy, reverse=True)
    save(lambda: _figure(ranked, title), path, dpi=150)


def _figure(ranked: Sequence[Curve], title: str) -> Figure:
    figure = new_figure(8.4, 3.0)
    figure.suptitle(title, size=9)
    panels = _PANELS if _is_validated(ranked) else _PANELS[:-1]
    axes = figure.subplots(1, len(panels))
    for ax, (field, what) in zip(axes, panels, strict=True):
        _draw(ax, ranked, field)
        ax.set_xlabel("epoch")
        ax.set_ylabel(what)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if ranked:
        lines, names = axes[0].get_legend_handles_labels()
        heading = "by validation" if _is_validated(ranked) else "candidates"
        figure.legend(lines, names, loc="outside right upper", title=heading, title_fontsize=7)
    return figure


def _is_validated(trained: Sequence[Curve]) -> bool:
    return not trained or any(one.curve[-1].valid_accuracy is not None for one in trained)


def _last_accuracy(one: Curve) -> float:
    last = one.curve[-1].valid_accuracy
    return -math.inf if last is None else last


def _draw(ax: Axes, ranked: Sequence[Curve], field: str) -> None:
    """The curves of one panel, the best drawn last."""
    several = len({one.seed for one in ranked}) > 1
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, min(len(ranked), _NAMED) or 1))
    for rank, one in reversed(list(enumerate(ranked))):
        epochs = [epoch.epoch for epoch in one.curve]
        values = [getattr(epoch, field) for epoch in one.curve]
        named = rank < _NAMED
        name = one.label + (f", seed {one.seed}" if several else "")
        shown = name + (" (diverged)" if one.status == "diverged" else "")
        ax.plot(
            epochs,
            values,
            color=colours[rank] if named else LIGHT_GREY,
            linewidth=1.2 if named else 0.6,
            marker="o" if len(epochs) == 1 else None,
            markersize=3,
            label=shown if named else None,
        )
