"""Many runs of a search on a benchmark's table, and what they found on average."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import checked, ranges
from jaxnas.oracle.table import indices
from jaxnas.search.strategy import Query, Strategy, search
from jaxnas.spaces import DEFAULT, Space


class Found(NamedTuple):
    """What one run ended with.

    Attributes:
        arch: what it found.
        queries: trainings paid for.
        seconds: simulated, of all of them.
    """

    arch: str
    queries: int = 0
    seconds: float = 0.0


Run: TypeAlias = Callable[[np.random.Generator], Found]
"""One run of a method; all of its chance comes from the generator."""


@dataclass(frozen=True)
class Summary:
    """What a method finds on average; None where a published figure leaves it out.

    Attributes:
        method: what was run, in words.
        queries: mean number of trainings.
        seconds: mean simulated time of all trainings of a run.
        valid: accuracy of the found cells in percent, mean over runs.
        valid_std: its deviation over runs (not of the mean).
        test: as `valid`.
        test_std: as `valid_std`.
        source: where a published figure is from, empty for what was run here.
    """

    method: str
    queries: float | None = None
    seconds: float | None = None
    valid: float | None = None
    valid_std: float | None = None
    test: float | None = None
    test_std: float | None = None
    source: str = ""


def searching(
    strategy: Callable[[np.random.Generator], Strategy],
    query: Query,
    budget: float = float("inf"),
) -> Run:
    """A run that searches with a strategy of its own."""

    def run(rng: np.random.Generator) -> Found:
        trace = search(strategy(rng), query, budget)
        return Found(trace.best, len(trace.archs), trace.seconds)

    return run


def repeat(run: Run, runs: int, seed: int) -> Iterator[Found]:
    """Runs a method `runs` times; the i-th depends on the seed and on i alone."""
    seed = checked("seed", seed, ranges.Seed)
    for number in range(checked("runs", runs, ranges.Runs)):
        yield run(np.random.default_rng((seed, number)))


def summarise(
    method: str,
    found: Sequence[Found],
    valid: NDArray[np.float64],
    test: NDArray[np.float64],
    space: Space = DEFAULT,
) -> Summary:
    """Means and deviations of what the runs found.

    Args:
        method: its name.
        found: one or more runs.
        valid: percent [space.size], at official indices.
        test: the same.
        space: whose indices they are.
    """
    cells = indices([run.arch for run in found], space)
    return Summary(
        method,
        queries=float(np.mean([run.queries for run in found])),
        seconds=float(np.mean([run.seconds for run in found])),
        valid=float(valid[cells].mean()),
        valid_std=float(valid[cells].std()),
        test=float(test[cells].mean()),
        test_std=float(test[cells].std()),
    )


def optimum(
    valid: NDArray[np.float64],
    test: NDArray[np.float64],
    population: Sequence[str],
    space: Space = DEFAULT,
) -> Summary:
    """The highest validation and the highest test accuracy, in general of two different cells.

    Args:
        valid: percent [space.size], at official indices.
        test: the same.
        population: archs among which they are.
        space: whose indices they are.
    """
    cells = indices(population, space)
    return Summary("optimum", valid=float(valid[cells].max()), test=float(test[cells].max()))
