"""What random search finds on a table, by formula."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def best_of_random(
    rewards: NDArray[np.float64], values: NDArray[np.float64], queries: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of the value of the best of n cells, drawn with replacement.

    Of N cells in the order of their rewards the r-th is the best with probability
    (r / N)^n - ((r - 1) / N)^n, r = 1 … N; of equal rewards the first cell counts as the higher.

    Args:
        rewards: [N], what is chosen by.
        values: [N], of the chosen.
        queries: n, integers [...] from 1.

    Returns:
        Mean and deviation over searches, float64 [...] each.
    """
    ranked = values[np.argsort(-rewards, kind="stable")[::-1]]
    share = np.arange(len(ranked) + 1) / len(ranked)
    chances = np.diff(share ** np.asarray(queries)[..., None])
    mean = chances @ ranked
    variance = (chances * (ranked - mean[..., None]) ** 2).sum(axis=-1)
    return mean, np.sqrt(variance)
