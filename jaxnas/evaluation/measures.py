"""The figures of one score over one set of cells: their names, values and resamples."""

from __future__ import annotations

import numpy as np

from jaxnas.evaluation import metrics, replicates
from jaxnas.evaluation.pairs import Floats
from jaxnas.evaluation.replicates import Ranking

AMONG = ("all", "above_median", "top_10_percent")
RANK_FIGURES = ("monotonicity", "kendall", "spearman")

# In the order in which `values` and `resampled` have them.
FIGURES = (
    *(f"{figure}_{among}" for among in AMONG for figure in RANK_FIGURES),
    "slope_all",
    "slope_above_median",
    "best_cell_percentile",
    "kendall_all_minus_params",
)


def values(score: Floats, accuracy: Floats, params: Floats) -> Floats:
    """The figures of a score, in the order of `FIGURES`.

    Args:
        score: finite, [n].
        accuracy: finite, [n].
        params: number of parameters, [n].
    """
    everywhere = np.ones(len(score), np.bool_)
    above = metrics.above_median(score)
    found = [
        figure(score[among], accuracy[among])
        for among in (everywhere, above, metrics.top_accuracy(accuracy))
        for figure in (metrics.monotonicity, metrics.kendall, metrics.spearman)
    ]
    _, scale = metrics.slope_scale(score)
    found += [metrics.slope(scale[among], accuracy[among]) for among in (everywhere, above)]
    found.append(metrics.best_percentile(score, accuracy))
    found.append(found[FIGURES.index("kendall_all")] - metrics.kendall(params, accuracy))
    return np.array(found)


def resampled(scores: list[Floats], accuracy: Floats, params: Floats, weights: Floats) -> Floats:
    """The figures of several scores of the same cells in resamples of them.

    Each resample has its own median, top 10 % and standardisation.

    Args:
        scores: finite, each [n], n at least one.
        accuracy: finite, [n].
        params: number of parameters, [n].
        weights: [n, R], how often each cell is there.

    Returns:
        [number of scores, R, number of figures].
    """
    top = weights * replicates.top_accuracy(Ranking(accuracy), weights)
    _, kendall_of_params, _ = replicates.rank_figures(params, accuracy, weights)
    return np.array(
        [_resampled(score, accuracy, kendall_of_params, weights, top) for score in scores]
    )


def _resampled(
    score: Floats, accuracy: Floats, kendall_of_params: Floats, weights: Floats, top: Floats
) -> Floats:
    ranking = Ranking(score)
    above = weights * replicates.above_median(ranking, weights)
    found: list[Floats] = []
    for among in (weights, above, top):
        found += replicates.rank_figures(score, accuracy, among)
    name, scale = metrics.slope_scale(score)
    # A resample standardises by its own deviation.
    unit = replicates.deviations(scale, weights) if name.startswith("standardised") else 1.0
    found += [replicates.slopes(scale, accuracy, among) * unit for among in (weights, above)]
    found.append(replicates.best_percentiles(ranking, accuracy, weights))
    found.append(found[FIGURES.index("kendall_all")] - kendall_of_params)
    return np.stack(found, axis=1)
