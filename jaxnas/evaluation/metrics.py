"""How well a score ranks networks: the measures of a paper, and the field's own.

Higher scores should mean higher accuracy. All take finite values; NaN where a figure is undefined
(fewer than two points, or no variation).

Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.3.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.stats  # type: ignore[import-untyped]
from numpy.typing import ArrayLike, NDArray

from jaxnas.evaluation.pairs import Floats, pair_sums

Mask = NDArray[np.bool_]

# Of the networks, those of highest accuracy.
TOP_PER_CENT = 10


def monotonicity(x: ArrayLike, y: ArrayLike) -> float:
    """|τ_a|: the absolute sum of sign((x_i - x_j)(y_i - y_j)) over all pairs, ties giving 0, over
    their number.

    Args:
        x: finite, [n].
        y: finite, [n].

    Returns:
        Within [0, 1].

    References:
        "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.3.
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    n = len(a)
    if n < 2:
        return math.nan
    return abs(float(pair_sums(a, b, np.ones((n, 1)))[0])) / (n * (n - 1) / 2)


def kendall(x: Floats, y: Floats) -> float:
    """Kendall's τ_b of two finite [n]: ties in either are left out of its denominator."""
    return float(scipy.stats.kendalltau(x, y).statistic) if _varies(x, y) else math.nan


def spearman(x: Floats, y: Floats) -> float:
    """Spearman's ρ of two finite [n]; equal values have the mean of their ranks."""
    return float(scipy.stats.spearmanr(x, y).statistic) if _varies(x, y) else math.nan


def slope(x: Floats, y: Floats) -> float:
    """Slope of the least-squares line of y on x, both finite [n]; y's unit per unit of x."""
    return float(scipy.stats.linregress(x, y).slope) if _varies(x, x) else math.nan


def slope_scale(score: Floats) -> tuple[str, Floats]:
    """What accuracy is regressed on, and its name.

    Args:
        score: finite, [n].

    Returns:
        "log(1 - score)" where all scores are in [0, 1): falls as the score rises, as the paper
        draws it. Otherwise "standardised score": less the mean over the population standard
        deviation, both of all n; NaN where that is 0.
    """
    if len(score) and score.min() >= 0 and score.max() < 1:
        return "log(1 - score)", np.log1p(-score)
    if not _varies(score, score):
        return "standardised score", np.full_like(score, math.nan)
    return "standardised score", (score - score.mean()) / score.std()


def best_percentile(score: Floats, accuracy: Floats) -> float:
    """Where the score has the network of highest accuracy: its rank from the top, in per cent.

    Args:
        score: finite, [n].
        accuracy: finite, [n]; of equally good networks the first counts.

    Returns:
        100·rank/n; rank 1 has the highest score, equal scores have the mean of their ranks.
    """
    if not len(score):
        return math.nan
    its = score[np.argmax(accuracy)]
    rank = (score > its).sum() + ((score == its).sum() + 1) / 2
    return float(100 * rank / len(score))


def above_median(score: Floats) -> Mask:
    """Which of the scores, [n], are above their median."""
    return score > np.median(score) if len(score) else np.zeros(0, np.bool_)


def top_accuracy(accuracy: Floats) -> Mask:
    """Which are in the top 10 %: at least as high as the ⌈n/10⌉-th highest, of [n]."""
    if not len(accuracy):
        return np.zeros(0, np.bool_)
    count = -(-len(accuracy) * TOP_PER_CENT // 100)
    threshold: float = np.partition(accuracy, -count)[-count]
    return accuracy >= threshold


def _varies(x: Floats, y: Floats) -> bool:
    return len(x) >= 2 and bool(np.ptp(x) > 0 and np.ptp(y) > 0)
