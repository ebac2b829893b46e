"""The whole table's answer: how well each score ranks the cells, and which it would pick."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.checks import checked, ranges
from jaxnas.evaluation import baselines, measures, metrics, picking
from jaxnas.evaluation.bootstrap import bootstrap
from jaxnas.evaluation.pairs import Floats
from jaxnas.evaluation.scores import Cells, Score, average, cells_of, combined, scores_of
from jaxnas.results import space_of
from jaxnas.spaces import Space

Accuracy: TypeAlias = NDArray[np.floating[Any]] | Mapping[str, float]
"""Per cent by official index, [size of the space], or by arch."""

REPLICATES = 1000
LEAST_CELLS = 10

_RANDOM_DRAWS = 5

# Per cent; the interval is between the quantiles that leave out half of the rest on each side.
_CONFIDENCE = 95


class EvaluationError(ValueError):
    """Scores and accuracies do not fit; the message says what to do."""


@dataclass(frozen=True)
class Evaluation:
    """How well scores agree with accuracies.

    Attributes:
        table: a row for each score, the columns of `evaluate`.
        archs: the architectures, by rising index, or by arch where there are no indices, [n].
        cells: their official indices, [n]; None where there are none.
        accuracy: of the cells, per cent, [n].
        scores: what was evaluated, in the order of the table's rows; values over `archs`.
        functions: number of functionally different cells among them.
        disconnected: number of cells whose output ignores the image.
        replicates: number of resamples behind each interval.
    """

    table: pa.Table
    archs: tuple[str, ...]
    cells: NDArray[np.int64] | None
    accuracy: Floats
    scores: tuple[Score, ...]
    functions: int
    disconnected: int
    replicates: int

    @property
    def labels(self) -> list[str]:
        """What to call the table's rows."""
        return [score.label for score in self.scores]

    @property
    def best(self) -> int:
        """Place of the architecture with the highest accuracy, the first of equal ones."""
        return int(self.accuracy.argmax())


def evaluate(
    table: pa.Table,
    accuracy: Accuracy,
    *,
    combinations: Sequence[str] = (),
    seconds: Mapping[str, float] | None = None,
    resamples: int = REPLICATES,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Evaluates every score of a table, combinations of them, and counts and chance beside them.

    Each figure is computed from the cells that have a finite score; `missing` says how many do not.
    A cell without a score is never picked. With several seeds a figure is the mean over them, and
    a row of its own, `averaged`, has the figures of the score averaged over the seeds. Intervals
    are of 95 %, percentiles of a bootstrap that resamples functions with all their cells; with
    several seeds, of the mean over these seeds.

    Columns:

    - ``score``; ``averaged``: over how many seeds its values are means; ``seeds``: over how many
      its figures are; ``cells`` asked for; ``missing``: values that are NaN or infinite, all seeds
      counted; ``slope_on``: what accuracy is regressed on.
    - ``monotonicity_*`` (|τ_a|), ``kendall_*`` (τ_b), ``spearman_*`` (ρ), each over ``all`` cells,
      those ``above_median`` score, and the ``top_10_percent`` by accuracy; ``slope_all``,
      ``slope_above_median`` (percentage points per unit); ``best_cell_percentile`` (rank from the
      top, per cent); ``kendall_all_minus_params``: less that of counting parameters, on the same
      cells. Each with its ``_low``, ``_high`` and, with several seeds, ``_seed_std``.
    - ``picked_RxN``: accuracy of the top-scored function of N cells, mean over R runs, and its
      ``_std`` over the runs.
    - ``seconds_per_cell``: all seeds of an averaged score.

    Args:
        table: of `jaxnas.score`; a row per cell and seed.
        accuracy: per cent by official index, [size of the space], NaN where unknown; or by arch,
            as a space without indices needs it.
        combinations: further rows, each the names of several scores, such as "js+params"; see
            `jaxnas.results.ranking.score_values`. Counts need not be in the table.
        seconds: of one cell by score, where known.
        resamples: number of bootstrap resamples.
        seed: fixes the resamples, draws and random scores.
        progress: told how much of the work is done, of how much.

    Raises:
        EvaluationError: fewer than ten cells, or cells without an accuracy.
        ResultsError: the table has no settings, or lacks a score that is to be combined.
    """
    resamples = checked("resamples", resamples, ranges.Resamples)
    seed = checked("seed", seed, ranges.Seed)
    if isinstance(combinations, str):
        combinations = (combinations,)
    space, cells = space_of(table), cells_of(table)
    archs, function = cells.archs, cells.function
    truth = _accuracies(cells, accuracy, space)
    counted = baselines.counted(table, archs)
    scores = [
        *_constant(counted),
        Score(baselines.RANDOM, *_given(baselines.chance(archs, _RANDOM_DRAWS, seed, space))),
    ]
    for name, score in scores_of(table).items():
        if name not in counted:
            scores += [score, average(score)] if len(score.values) > 1 else [score]
    scores += [combined(table, by) for by in combinations]

    params = counted[baselines.PARAMS]
    values, samples = bootstrap(scores, truth, params, function, resamples, seed, progress)
    picked = _picks(scores, truth, function, seed)
    columns = _identity(scores)
    for place, name in enumerate(measures.FIGURES):
        columns |= _with_interval(
            name, [v[:, place] for v in values], [s[..., place] for s in samples]
        )
    columns |= picked
    known = seconds or {}
    columns["seconds_per_cell"] = [
        known.get(score.name, math.nan) * score.averaged for score in scores
    ]
    return Evaluation(
        table=pa.table(columns),
        archs=archs,
        cells=cells.indices,
        accuracy=truth,
        scores=tuple(scores),
        functions=len(np.unique(function)),
        disconnected=int((~space.connected(archs)).sum()),
        replicates=resamples,
    )


def _accuracies(cells: Cells, accuracy: Accuracy, space: Space) -> Floats:
    """Accuracies of the cells, [n], all of them finite."""
    count = len(cells.archs)
    if isinstance(accuracy, Mapping):
        truth = np.array([accuracy.get(arch, math.nan) for arch in cells.archs], np.float64)
    elif cells.indices is None:
        raise EvaluationError(
            f"accuracies: expected a mapping from arch to per cent, as {space.title} has no "
            f"indices, got an array of shape {np.shape(accuracy)}"
        )
    elif np.shape(accuracy) != (space.size,):
        raise EvaluationError(
            f"accuracies: expected one for each of the {space.size:,} cells, got an array of "
            f"shape {np.shape(accuracy)}"
        )
    else:
        truth = np.asarray(accuracy, np.float64)[cells.indices]
    if count < LEAST_CELLS:
        raise EvaluationError(
            f"only {count} cells are scored: expected at least {LEAST_CELLS} to rank; score "
            "more cells"
        )
    lacking = np.flatnonzero(~np.isfinite(truth))
    if len(lacking):
        first = lacking[0]
        named = cells.archs[first] if cells.indices is None else f"cell {cells.indices[first]}"
        raise EvaluationError(
            f"{len(lacking):,} of the {count:,} scored cells have no accuracy, {named} the first: "
            "expected one for each; use an oracle that has them, or score only cells that it has"
        )
    return truth


def _given(values: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    return values, np.ones(values.shape, np.bool_)


def _constant(counted: Mapping[str, Floats]) -> Iterator[Score]:
    for name, values in counted.items():
        yield Score(name, *_given(values[None]))


def _identity(scores: list[Score]) -> dict[str, list[Any]]:
    return {
        "score": [score.name for score in scores],
        "averaged": [score.averaged for score in scores],
        "seeds": [len(score.values) for score in scores],
        "cells": [int(score.asked.any(axis=0).sum()) for score in scores],
        "missing": [score.missing for score in scores],
        "slope_on": [_slope_on(score) for score in scores],
    }


def _slope_on(score: Score) -> str:
    names = {metrics.slope_scale(row[~np.isnan(row)])[0] for row in score.values}
    return " or ".join(sorted(names))


def _with_interval(
    name: str, values: list[Floats], samples: list[Floats]
) -> dict[str, list[float]]:
    """A figure's columns, from its values, [S] of each score, and resamples, [S, R]."""
    means = [float(value.mean()) for value in values]
    ends = [_interval(sample.mean(axis=0)) for sample in samples]
    defined = [not math.isnan(mean) for mean in means]
    return {
        name: means,
        f"{name}_low": [end[0] if ok else math.nan for end, ok in zip(ends, defined, strict=True)],
        f"{name}_high": [end[1] if ok else math.nan for end, ok in zip(ends, defined, strict=True)],
        f"{name}_seed_std": [
            float(value.std(ddof=1)) if len(value) > 1 else math.nan for value in values
        ],
    }


def _interval(samples: Floats) -> tuple[float, float]:
    """Percentiles of the resamples in which the figure is defined."""
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return math.nan, math.nan
    half = (100 - _CONFIDENCE) / 2
    low, high = np.percentile(samples, [half, 100 - half])
    return float(low), float(high)


def _picks(
    scores: list[Score], accuracy: Floats, function: NDArray[np.integer], seed: int
) -> dict[str, list[float]]:
    columns: dict[str, list[float]] = {}
    for protocol in picking.PROTOCOLS:
        drawn: dict[int, NDArray[np.int64]] = {}
        means, stds = [], []
        for score in scores:
            each = []
            for asked, values in zip(score.asked, score.values, strict=True):
                pool = np.flatnonzero(asked)
                if len(pool) not in drawn:
                    drawn[len(pool)] = picking.draws(len(pool), protocol, seed)
                chance = score.name == baselines.RANDOM
                each.append(
                    picking.pick(
                        drawn[len(pool)],
                        None if chance else values[pool],
                        accuracy[pool],
                        function[pool],
                        seed,
                    )
                )
            means.append(float(np.mean([picked.mean for picked in each])))
            stds.append(float(np.mean([picked.std for picked in each])))
        columns |= {protocol.name: means, f"{protocol.name}_std": stds}
    return columns
