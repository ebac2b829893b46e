"""The pictures of an evaluation, as two papers have them.

Sources: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring",
figures 1 to 5; "A Gradient-based Kernel Approach for Efficient Network Architecture Search",
figure 4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from jaxnas.evaluation import PROTOCOLS, Evaluation, baselines
from jaxnas.plots.bars import Panel, draw_bars
from jaxnas.plots.clouds import Floats, draw_clouds, draw_kernel
from jaxnas.plots.familiar import draw_familiar
from jaxnas.plots.style import save

KERNEL = "gradient_kernel"

_HALVES = {"all": "all cells", "above_median": "above the median score"}
_ORANGE_MEANS = "orange: baselines"
_INTERVALS = "95 % intervals"


def plot_evaluation(evaluation: Evaluation, folder: Path, what: str) -> list[Path]:
    """Draws an evaluation as PNGs.

    - ``monotonicity_of_familiar_functions``: what the measure gives where the answer is known.
    - ``scores_and_accuracy``: every cell, for each score, all and above the median score.
    - ``picked``: accuracy of what each score picks, and seconds a cell.
    - ``monotonicity``, ``slope``: all and above the median score, with intervals.
    - ``gradient_kernel``: that score against accuracy, where it is there.

    Args:
        evaluation: from `evaluate`.
        folder: where they go, under these names.
        what: which accuracy, as "CIFAR-10 test accuracy after 200 epochs (%)".

    Returns:
        Their paths.

    Raises:
        ResultsError: the disk refuses.
    """
    scores = _clouds(evaluation)
    accuracy = evaluation.accuracy
    counted = f"{len(accuracy):,} cells, {evaluation.functions:,} functions"
    pictures: dict[str, Callable[[], Figure]] = {
        "monotonicity_of_familiar_functions": draw_familiar,
        "scores_and_accuracy": partial(draw_clouds, scores, accuracy, what, f"Scores, {counted}"),
        "picked": partial(_draw_picked, evaluation, what),
        "monotonicity": partial(_draw_monotonicity, evaluation, f"{what}, {counted}"),
        "slope": partial(_draw_slopes, evaluation, f"{what}, {counted}"),
    }
    if KERNEL in scores:
        pictures[KERNEL] = partial(
            draw_kernel, KERNEL, scores[KERNEL], accuracy, what, f"Gradient kernel, {counted}"
        )
    paths = []
    for name, draw in pictures.items():
        paths.append(folder / f"{name}.png")
        save(draw, paths[-1])
    return paths


def _clouds(evaluation: Evaluation) -> dict[str, Floats]:
    """Values of each score but chance; over several seeds their mean."""
    shown = (score for score in evaluation.scores if score.name != baselines.RANDOM)
    # Of a score with several seeds the averaged one comes last, and stays.
    return {score.name: score.values[0] for score in shown}


def _draw_picked(evaluation: Evaluation, what: str) -> Figure:
    """Figure 3; with fewer cells than its protocol draws, that of the largest draw there is."""
    possible = [p for p in PROTOCOLS if p.cells <= len(evaluation.archs)]
    # The first of the largest: the paper's, where there are cells enough for it.
    runs, cells = protocol = max(possible or PROTOCOLS, key=lambda p: p.cells)
    mean, std = (_column(evaluation, f"{protocol.name}{end}") for end in ("", "_std"))
    best = float(evaluation.accuracy.max())
    seconds = _column(evaluation, "seconds_per_cell")
    title = f"picked of {cells:,} cells, {runs} runs"
    panels = [Panel(title, what, mean, mean - std, mean + std, mark=best)]
    if np.isfinite(seconds).any():
        label = "s per cell, median"
        panels.append(Panel("time of a score", label, seconds, seconds, seconds, from_zero=True))
    note = f"mean ± standard deviation; dashed: the best cell, {best:.2f} %; {_ORANGE_MEANS}"
    return _bars(evaluation, panels, "Accuracy of the top-scored function", note)


def _draw_monotonicity(evaluation: Evaluation, what: str) -> Figure:
    """Figure 4."""
    panels = []
    for among, title in _HALVES.items():
        name = f"monotonicity_{among}"
        values, low, high = (_column(evaluation, f"{name}{end}") for end in ("", "_low", "_high"))
        params = float(values[evaluation.labels.index(baselines.PARAMS)])
        label = r"monotonicity $|\tau_a|$"
        panels.append(Panel(title, label, values, low, high, mark=params, from_zero=True))
    note = f"{_INTERVALS}; dashed: counting parameters; {_ORANGE_MEANS}"
    return _bars(evaluation, panels, f"Monotonicity: {what}", note)


def _draw_slopes(evaluation: Evaluation, what: str) -> Figure:
    """Figure 5: absolute, as in the paper; hollow where the unit is another."""
    hollow = np.array([on != "log(1 - score)" for on in evaluation.table["slope_on"].to_pylist()])
    label = "|slope|, percentage points"
    panels = []
    for among, title in _HALVES.items():
        name = f"slope_{among}"
        values, low, high = (_column(evaluation, f"{name}{end}") for end in ("", "_low", "_high"))
        ends = np.abs([low, high])
        least = np.where(low * high < 0, 0, ends.min(axis=0))
        panels.append(Panel(title, label, np.abs(values), least, ends.max(axis=0), hollow))
    note = (
        f"filled: per unit of log(1 − score), hollow: per standard deviation of the score; "
        f"{_INTERVALS}; {_ORANGE_MEANS}"
    )
    return _bars(evaluation, panels, f"Slope: {what}", note, log=True)


def _bars(
    evaluation: Evaluation, panels: list[Panel], title: str, note: str, log: bool = False
) -> Figure:
    baseline = np.array([score.name in baselines.NAMES for score in evaluation.scores])
    return draw_bars(evaluation.labels, baseline, panels, title, note, log)


def _column(evaluation: Evaluation, name: str) -> Floats:
    return np.asarray(evaluation.table[name].to_numpy(), np.float64)
