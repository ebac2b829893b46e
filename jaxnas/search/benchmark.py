"""What a benchmark's table says of a data set, as a simulated search needs it.

A search is charged for trainings of 12 epochs, as NAS-Bench-201's own searches are, and what it
finds is reported by the accuracies after 200.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jaxnas.oracle import Oracle
from jaxnas.oracle.table import indices
from jaxnas.spaces import Space

REWARD_EPOCHS = 12
"""A search chooses by the validation accuracy after so many epochs, and pays for them."""

REPORT_EPOCHS = 200
"""What it finds is reported by the accuracies after so many."""


@dataclass(frozen=True)
class Benchmark:
    """What a table says of a data set, at official indices, [space.size] each.

    Attributes:
        space: whose architectures they are.
        dataset: the one reported.
        search_on: the one that answers the queries.
        rewards: validation accuracies of a short training, percent.
        seconds: times of that training.
        valid: validation accuracies to report, percent.
        test: test accuracies to report, percent.
    """

    space: Space
    dataset: str
    search_on: str
    rewards: NDArray[np.float64]
    seconds: NDArray[np.float64]
    valid: NDArray[np.float64]
    test: NDArray[np.float64]


def benchmark_of(
    table: Oracle, dataset: str, search_on: str | None, population: Sequence[str]
) -> Benchmark:
    """What a table says of a data set.

    Args:
        table: where from.
        dataset: the one reported.
        search_on: the one that answers the queries; None for the one reported.
        population: the archs that may be asked for, all of which must be there.

    Raises:
        OracleError: the table lacks an accuracy of one of them.
        ValueError: it lacks a training time.
    """
    charged = search_on or dataset
    cells = indices(population, table.space)
    for task in (
        (charged, "valid", REWARD_EPOCHS),
        (dataset, "valid", REPORT_EPOCHS),
        (dataset, "test", REPORT_EPOCHS),
    ):
        table.require(cells, *task)
    seconds = table.seconds(charged, REWARD_EPOCHS)
    lacking = cells[np.isnan(seconds[cells])]
    if lacking.size:
        raise ValueError(
            f"{table.source} lacks the {charged} {REWARD_EPOCHS}-epoch training time of "
            f"{lacking.size:,} of the {len(cells):,} cells asked for, e.g. cell {lacking[0]}"
        )
    return Benchmark(
        space=table.space,
        dataset=dataset,
        search_on=charged,
        rewards=table.accuracy(charged, "valid", REWARD_EPOCHS),
        seconds=seconds,
        valid=table.accuracy(dataset, "valid", REPORT_EPOCHS),
        test=table.accuracy(dataset, "test", REPORT_EPOCHS),
    )
