"""The figures of `metrics` for many resamples of the networks at once.

A resample says how often each network is there, so every figure is one of weighted points: what
`metrics` gives for the points repeated that often, which is how it is tested.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse  # type: ignore[import-untyped]
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
        points = len(self.group)
        self._members = scipy.sparse.csr_array(
            (np.ones(points), (self.group, np.arange(points))), (len(self.distinct), points)
        )

    def counts(self, weights: Floats) -> Floats:
        """How often each distinct value is there, [g, R], from how often each point is, [n, R]."""
        return np.asarray(self._members @ weights)


def resample(group: NDArray[np.integer], count: int, seed: int) -> NDArray[np.int32]:
    """Bootstrap: as many groups drawn, with replacement, as there are.

    Args:
        group: of each point its group's number, 0 to G - 1, [n].
        count: number R of resamples.
        seed: fixes the draws.

    Returns:
        How often each group is drawn, [G, R]; every column sums to G. A resample of the points has
        each point as often as its group: ``[group]``, [n, R].
    """
    groups = int(group.max()) + 1
    equal = np.full(groups, 1 / groups)
    drawn = np.random.default_rng(seed).multinomial(groups, equal, count)
    return np.ascontiguousarray(drawn.T.astype(np.int32))


def rank_figures(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Monotonicity |τ_a|, Kendall's τ_b and Spearman's ρ.

    Args:
        x: finite, [n].
        y: finite, [n].
        weights: whole, [n, R].

    Returns:
        Each [R], NaN where undefined.
    """
    present = weights.any(axis=1)
    if not present.any():
        return tuple(np.full((3, weights.shape[1]), np.nan))  # type: ignore[return-value]
    if not present.all():
        x, y, weights = x[present], y[present], weights[present]
    of_x, of_y = Ranking(x), Ranking(y)
    in_x, in_y = of_x.counts(weights), of_y.counts(weights)
    pairs = _pairs(weights.sum(axis=0))
    sums = pair_sums(x, y, weights)
    untied = (pairs - _pairs(in_x).sum(axis=0)) * (pairs - _pairs(in_y).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        tau_a, tau_b = np.abs(sums) / pairs, sums / np.sqrt(untied)
        a, b = _centred_ranks(in_x), _centred_ranks(in_y)
        products = a[of_x.group]
        products *= b[of_y.group]
        covariance = np.einsum("nr,nr->r", weights, products)
        variances = np.einsum("gr,gr,gr->r", in_x, a, a) * np.einsum("gr,gr,gr->r", in_y, b, b)
        return tau_a, tau_b, covariance / np.sqrt(variances)


def slopes(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Slope of y on x, [R]; x and y finite, [n], weights [n, R]."""
    x, y = x - x.mean(), y - y.mean()
    total, sum_x, sum_y, sum_xy, sum_xx = np.array([np.ones_like(x), x, y, x * y, x * x]) @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = sum_xy - sum_x * sum_y / total
        variance = sum_xx - sum_x**2 / total
        # Where x does not vary, rounding alone is left.
        return np.where(variance > 1e-12 * sum_xx, covariance / variance, np.nan)


def deviations(x: Floats, weights: Floats) -> Floats:
    """Population standard deviation of x, [R]; x finite, [n], weights [n, R]."""
    x = x - x.mean()
    total, sum_x, sum_xx = np.array([np.ones_like(x), x, x * x]) @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(np.maximum(sum_xx / total - (sum_x / total) ** 2, 0))


def best_percentiles(score: Ranking, accuracy: Floats, weights: Floats) -> Floats:
    """Rank of the best network from the top of the score, in per cent, [R]; weights [n, R]."""
    # Stable and descending: of equally good networks the first.
    order = np.argsort(-accuracy, kind="stable")
    best = order[np.argmax(weights[order] > 0, axis=0)]
    counts = score.counts(weights)
    total = counts.sum(axis=0)
    place, resample = score.group[best], np.arange(weights.shape[1])
    below = np.cumsum(counts, axis=0)[place, resample]
    rank = total - below + (counts[place, resample] + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(100 * rank / total)


def above_median(score: Ranking, weights: Floats) -> Mask:
    """Which points are above the median score, [n, R]."""
    cumulated = np.cumsum(score.counts(weights), axis=0)
    total = cumulated[-1]
    # Of the points in order, counted from 0, the two in the middle, or twice the one.
    lower = (cumulated[:-1] <= (total - 1) // 2).sum(axis=0)
    upper = (cumulated[:-1] <= total // 2).sum(axis=0)
    medians = (score.distinct[lower] + score.distinct[upper]) / 2
    return score.distinct[score.group][:, None] > medians


def top_accuracy(accuracy: Ranking, weights: Floats) -> Mask:
    """Which points are in the top 10 % by accuracy, [n, R]."""
    from_top = np.cumsum(accuracy.counts(weights)[::-1], axis=0)
    wanted = -(-from_top[-1] * TOP_PER_CENT // 100)
    threshold = len(accuracy.distinct) - 1 - (from_top[:-1] < wanted).sum(axis=0)
    return np.asarray(accuracy.group[:, None] >= threshold)


def _pairs(count: Floats) -> Floats:
    return count * (count - 1) / 2


def _centred_ranks(counts: Floats) -> Floats:
    """Mean rank of each distinct value less the mean of all ranks, [g, R]."""
    up_to = np.cumsum(counts, axis=0)
    total = up_to[-1].copy()
    up_to -= (counts - 1) / 2
    up_to -= (total + 1) / 2
    return up_to
