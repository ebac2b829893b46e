"""The figures of `metrics` for many resamples of the networks at once.

A resample says how often each network is there, so every figure is one of weighted points: what
`metrics` gives for the points repeated that often, which is how it is tested.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jaxnas.evaluation.metrics import TOP_PER_CENT, Mask
from jaxnas.evaluation.pairs import Floats, pair_sums


class Ranking:
    """One variable's values in order.

    Attributes:
        distinct: its distinct values, rising, [g].
        group: of each point its value's place in `distinct`, [n].
    """

    def __init__(self, values: Floats) -> None:
        """`values` are finite, [n], at least one."""
        self.distinct, self.group = np.unique(values, return_inverse=True)
        self._order = np.argsort(self.group, kind="stable")
        self._starts = np.searchsorted(self.group[self._order], np.arange(len(self.distinct)))

    def counts(self, weights: Floats) -> Floats:
        """How often each distinct value is there, [R, g], from how often each point is, [R, n]."""
        return np.asarray(np.add.reduceat(weights[:, self._order], self._starts, axis=1))


def resample(group: NDArray[np.integer], count: int, seed: int) -> NDArray[np.int32]:
    """Bootstrap: as many groups drawn, with replacement, as there are.

    Args:
        group: of each point its group's number, 0 to G - 1, [n].
        count: number R of resamples.
        seed: fixes the draws.

    Returns:
        How often each group is drawn, [R, G]; every row sums to G. A resample of the points has
        each point as often as its group: ``[:, group]``.
    """
    groups = int(group.max()) + 1
    equal = np.full(groups, 1 / groups)
    return np.random.default_rng(seed).multinomial(groups, equal, count).astype(np.int32)


def rank_figures(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Monotonicity |τ_a|, Kendall's τ_b and Spearman's ρ.

    Args:
        x: finite, [n].
        y: finite, [n].
        weights: whole, [R, n].

    Returns:
        Each [R], NaN where undefined.
    """
    present = weights.any(axis=0)
    if not present.any():
        return tuple(np.full((3, len(weights)), np.nan))  # type: ignore[return-value]
    x, y, weights = x[present], y[present], weights[:, present]
    of_x, of_y = Ranking(x), Ranking(y)
    in_x, in_y = of_x.counts(weights), of_y.counts(weights)
    pairs = _pairs(weights.sum(axis=1))
    sums = pair_sums(x, y, weights)
    untied = (pairs - _pairs(in_x).sum(axis=1)) * (pairs - _pairs(in_y).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        tau_a, tau_b = np.abs(sums) / pairs, sums / np.sqrt(untied)
        a, b = _centred_ranks(in_x), _centred_ranks(in_y)
        covariance = np.einsum("ri,ri,ri->r", weights, a[:, of_x.group], b[:, of_y.group])
        variances = np.einsum("rg,rg,rg->r", in_x, a, a) * np.einsum("rg,rg,rg->r", in_y, b, b)
        return tau_a, tau_b, covariance / np.sqrt(variances)


def slopes(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Slope of y on x, [R]; x and y finite, [n], weights [R, n]."""
    x, y = x - x.mean(), y - y.mean()
    total = weights.sum(axis=1)
    sum_x, sum_y = weights @ x, weights @ y
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = weights @ (x * y) - sum_x * sum_y / total
        variance = weights @ (x * x) - sum_x**2 / total
        # Where x does not vary, rounding alone is left.
        return np.where(variance > 1e-12 * (weights @ (x * x)), covariance / variance, np.nan)


def deviations(x: Floats, weights: Floats) -> Floats:
    """Population standard deviation of x, [R]; x finite, [n], weights [R, n]."""
    x = x - x.mean()
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = weights @ x / total
        return np.sqrt(np.maximum(weights @ (x * x) / total - mean**2, 0))


def best_percentiles(score: Ranking, accuracy: Floats, weights: Floats) -> Floats:
    """Rank of the best network from the top of the score, in per cent, [R]; weights [R, n]."""
    # Stable and descending: of equally good networks the first.
    order = np.argsort(-accuracy, kind="stable")
    best = order[np.argmax(weights[:, order] > 0, axis=1)]
    counts = score.counts(weights)
    from_top = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
    row = np.arange(len(weights))
    place = score.group[best]
    rank = from_top[row, place] - (counts[row, place] - 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(100 * rank / weights.sum(axis=1))


def above_median(score: Ranking, weights: Floats) -> Mask:
    """Which points are above the median score, [R, n]."""
    cumulated = np.cumsum(score.counts(weights), axis=1)
    total = cumulated[:, -1:]
    # Of the points in order, counted from 0, the two in the middle, or twice the one.
    lower = (cumulated[:, :-1] <= (total - 1) // 2).sum(axis=1)
    upper = (cumulated[:, :-1] <= total // 2).sum(axis=1)
    medians = (score.distinct[lower] + score.distinct[upper]) / 2
    return score.distinct[score.group] > medians[:, None]


def top_accuracy(accuracy: Ranking, weights: Floats) -> Mask:
    """Which points are in the top 10 % by accuracy, [R, n]."""
    from_top = np.cumsum(accuracy.counts(weights)[:, ::-1], axis=1)
    wanted = -(-from_top[:, -1:] * TOP_PER_CENT // 100)
    threshold = len(accuracy.distinct) - 1 - (from_top[:, :-1] < wanted).sum(axis=1)
    return np.asarray(accuracy.group >= threshold[:, None])


def _pairs(count: Floats) -> Floats:
    return count * (count - 1) / 2


def _centred_ranks(counts: Floats) -> Floats:
    """Mean rank of each distinct value less the mean of all ranks, [R, g]."""
    up_to = np.cumsum(counts, axis=1)
    return up_to - (counts - 1) / 2 - (up_to[:, -1:] + 1) / 2
