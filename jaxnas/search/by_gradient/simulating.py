"""Simulated searches by gradient, and what they found beside random search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jaxnas.search.benchmark import Benchmark
from jaxnas.search.by_gradient.curves import Rows, curve_rows
from jaxnas.search.by_gradient.searching import Curves, concatenate, search_by_gradient
from jaxnas.search.chance import best_of_random
from jaxnas.search.experiment import Found, Summary, summarise
from jaxnas.search.methods import Descent, Method


def search_benchmark(
    method: Method,
    settings: Descent,
    benchmark: Benchmark,
    runs: int,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> tuple[list[Summary], Rows]:
    """Runs a method on a data set.

    Args:
        method: one with an estimator.
        settings: of each run.
        benchmark: what the table says of the data set.
        runs: how many.
        seed: of all runs.
        progress: called with what is run, how many runs are done, and how many there are.

    Returns:
        What the runs found, and random search with as many queries; and the curves.
    """
    assert method.estimator is not None
    progress(method.title, 0, runs)
    groups: list[Curves] = []
    for group in search_by_gradient(
        method.estimator(settings),
        benchmark.rewards,
        benchmark.seconds,
        settings,
        range(runs),
        seed,
        space=benchmark.space,
    ):
        groups.append(group)
        progress(method.title, sum(len(curves.mode) for curves in groups), runs)
    curves = concatenate(groups)
    rows = curve_rows(curves, benchmark.rewards, benchmark.valid, benchmark.test)
    return _summaries(method, benchmark, curves), rows


def _summaries(method: Method, benchmark: Benchmark, curves: Curves) -> list[Summary]:
    spent = int(curves.queries[-1])
    seconds = curves.seconds[:, -1].tolist()

    def found(label: str, cells: list[int]) -> Summary:
        archs = map(benchmark.space.arch, cells)
        return summarise(
            f"{method.title}, {label}",
            [Found(arch, spent, time) for arch, time in zip(archs, seconds, strict=True)],
            benchmark.valid,
            benchmark.test,
            benchmark.space,
        )

    rows = [found("most probable cell", curves.mode[:, -1].tolist())]
    if method.whole_table:
        rows = [replace(row, queries=None, seconds=None) for row in rows]
    else:
        rows.append(found("best trained", curves.best[:, -1].tolist()))
    valid, valid_std = best_of_random(benchmark.rewards, benchmark.valid, spent)
    test, test_std = best_of_random(benchmark.rewards, benchmark.test, spent)
    chance = Summary(
        "random search, best trained",
        queries=spent,
        seconds=spent * float(benchmark.seconds.mean()),
        valid=float(valid),
        valid_std=float(valid_std),
        test=float(test),
        test_std=float(test_std),
    )
    return [*rows, chance]
