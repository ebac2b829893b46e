"""The picture of a search on a supernet: accuracy, entropy, temperature and skips over epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxnas.plots.style import BLUE, GREEN, GREY, ORANGE, VERMILLION, new_figure, save

_PANELS = (
    ("valid_accuracy", "validation accuracy, %\n(shared weights)", BLUE),
    ("entropy", "entropy, nats an edge", VERMILLION),
    ("temperature", "temperature", ORANGE),
    ("skips", "skip connections", GREEN),
)


class Row(Protocol):
    """An epoch, `jaxnas.oneshot.Epoch`."""

    @property
    def epoch(self) -> int: ...
    @property
    def valid_accuracy(self) -> float: ...
    @property
    def entropy(self) -> float: ...
    @property
    def temperature(self) -> float: ...
    @property
    def skips(self) -> int: ...


def plot_search(epochs: Sequence[Row], path: Path, title: str) -> None:
    """Draws the course of a search as a PNG; what a method does not have gets no panel.

    Args:
        epochs: at least one.
        path: of the picture, replaced whole or not at all.
        title: what was searched.

    Raises:
        ResultsError: the disk refuses.
    """
    save(lambda: _draw(epochs, title), path, dpi=150)


def _draw(epochs: Sequence[Row], title: str) -> Figure:
    panels = [
        (name, label, colour)
        for name, label, colour in _PANELS
        if not all(math.isnan(getattr(epoch, name)) for epoch in epochs)
    ]
    figure = new_figure(4.8, 0.5 + 1.5 * len(panels))
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    numbers = [epoch.epoch for epoch in epochs]
    for ax, (name, label, colour) in zip(axes, panels, strict=True):
        values = [getattr(epoch, name) for epoch in epochs]
        marker = "o" if len(epochs) == 1 else None
        if name == "skips":
            ax.step(numbers, values, color=colour, linewidth=1, where="mid", marker=marker)
            ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        else:
            ax.plot(numbers, values, color=colour, linewidth=1, marker=marker, markersize=3)
        if name != "valid_accuracy":
            # An axis of zeros alone would be all fractions.
            ax.set_ylim(0, max(1.05 * max(values), 1) if name == "skips" else None)
        ax.set_ylabel(label)
        ax.grid(axis="y", color=GREY, alpha=0.15, linewidth=0.5)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title, size=8, x=0.01, ha="left")
    return figure
