"""Monotonicity of familiar functions.

Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", figure 1.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from jaxnas.evaluation.metrics import monotonicity
from jaxnas.plots.style import BLUE, VERMILLION, new_figure

_POINTS = 200
_SEED = 0


def draw_familiar() -> Figure:
    """Six functions on [-10, 10], each with its monotonicity."""
    x = np.linspace(-10, 10, _POINTS)
    noise = np.random.default_rng(_SEED).normal(size=(3, _POINTS))
    panels = {
        r"$y = e^x$": np.exp(x),
        r"$y = -e^x$": -np.exp(x),
        r"$y = -x/2 + \mathcal{N}(0, 1)$": -x / 2 + noise[0],
        r"$y = -x/2 + \mathcal{N}(0, 4^2)$": -x / 2 + 4 * noise[1],
        r"$y = -x/2 + \mathcal{N}(0, 16^2)$": -x / 2 + 16 * noise[2],
        r"$y = \sin x$": np.sin(x),
    }
    figure = new_figure(6.6, 4.0)
    axes = figure.subplots(2, 3, sharex=True)
    for letter, ax, (formula, y) in zip("abcdef", axes.ravel(), panels.items(), strict=True):
        ax.scatter(x, y, s=5, color=BLUE, alpha=0.7, linewidths=0)
        ax.set_title(f"({letter}) {formula}", loc="left", pad=14)
        found = rf"$|\tau_a|$ = {monotonicity(x, y):.2f}"
        ax.text(0.99, 1.03, found, transform=ax.transAxes, ha="right", color=VERMILLION)
        ax.ticklabel_format(axis="y", scilimits=(-3, 3), useMathText=True)
        ax.locator_params(nbins=5)
    for ax in axes[-1]:
        ax.set_xlabel("x")
    for ax in axes[:, 0]:
        ax.set_ylabel("y")
    return figure
