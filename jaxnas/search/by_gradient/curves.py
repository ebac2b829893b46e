"""Curves of many runs of a search by gradient, as columns of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnas.search.chance import best_of_random

if TYPE_CHECKING:
    from jaxnas.search.by_gradient.searching import Curves

Rows: TypeAlias = dict[str, NDArray[np.float64]]


def curve_rows(
    curves: Curves,
    rewards: NDArray[np.float64],
    valid: NDArray[np.float64],
    test: NDArray[np.float64],
) -> Rows:
    """Means and deviations over runs at each point, by column name, [P] each.

    Args:
        curves: of all runs.
        rewards: [space.size], what cells were trained for.
        valid: accuracies to report, percent [space.size].
        test: the same.

    Returns:
        queries; of mode, best and random (random search after as many queries) the accuracies
        {what}_{split} in percent; entropy in nats; each with {column}_std, its deviation over
        runs; variance, the mean over runs of the estimate's; seconds. NaN where there is none.
    """
    rows: Rows = {"queries": curves.queries.astype(np.float64)}
    trained = (curves.best >= 0).all()
    for split, accuracy in (("valid", valid), ("test", test)):
        best = accuracy[curves.best] if trained else np.full(curves.best.shape, np.nan)
        for what, values in (("mode", accuracy[curves.mode]), ("best", best)):
            rows[f"{what}_{split}"] = values.mean(axis=0)
            rows[f"{what}_{split}_std"] = values.std(axis=0)
        mean, deviation = best_of_random(rewards, accuracy, curves.queries)
        rows[f"random_{split}"] = mean
        rows[f"random_{split}_std"] = deviation
    rows["entropy"] = curves.entropy.mean(axis=0)
    rows["entropy_std"] = curves.entropy.std(axis=0)
    rows["variance"] = curves.variance.mean(axis=0)
    rows["seconds"] = curves.seconds.mean(axis=0)
    return rows
