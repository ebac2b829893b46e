"""Simulated searches: many runs of a method, every training looked up in a benchmark's table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.checks import checked, quoted, ranges, user_path
from jaxnas.evaluation import baselines as counting
from jaxnas.evaluation.scores import values
from jaxnas.oracle import Oracle
from jaxnas.oracle.table import known_dataset
from jaxnas.results import read_finished, space_of
from jaxnas.search.benchmark import Benchmark, benchmark_of
from jaxnas.search.experiment import Found, Run, Summary, optimum, repeat, searching, summarise
from jaxnas.search.literature import published
from jaxnas.search.methods import Budgeted, Descent, Method, Picking, Settings, find_method
from jaxnas.search.strategy import Query, tabular
from jaxnas.search.yardsticks import baselines, picking
from jaxnas.spaces import Space

if TYPE_CHECKING:
    from jaxnas.search.by_gradient.curves import Rows

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is run, how many of its runs are done, and how many there are."""

_Scores: TypeAlias = Mapping[str, float]


@dataclass(frozen=True)
class Searched:
    """What searches of one data set found.

    Attributes:
        dataset: the one reported.
        search_on: the one that answered the queries.
        summaries: the method's, of what it has to beat, of the optimum, and published ones.
        curves: of a search by gradient, by column name; None of any other.
    """

    dataset: str
    search_on: str
    summaries: tuple[Summary, ...]
    curves: Rows | None = None


@dataclass(frozen=True)
class Simulation:
    """Many simulated searches.

    Attributes:
        method: what was run.
        settings: of each run.
        space: what was searched.
        search_on: the data set that answered the queries; None for the one reported.
        runs: searches of each data set.
        seed: of all runs.
        searched: of each data set.
    """

    method: Method
    settings: Settings
    space: Space
    search_on: str | None
    runs: int
    seed: int
    searched: tuple[Searched, ...]


def simulate(
    method: str,
    oracle: Oracle,
    datasets: str | Sequence[str],
    *,
    search_on: str | None = None,
    runs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **settings: Any,
) -> Simulation:
    """Searches many times, with the trainings looked up in a benchmark's table.

    A search is charged the simulated time of each training for 12 epochs and sees the validation
    accuracy after it. What it finds is reported by the accuracies after 200 epochs, beside chance
    and counting parameters, the optimum, and published figures.

    Args:
        method: a name in `METHODS`.
        oracle: from `jaxnas.oracle.read`; its space is searched.
        datasets: whose accuracies are reported.
        search_on: whose rewards and times the search sees; that of NAS-Bench-201's authors is
            cifar10. By default the data set reported.
        runs: searches; by default the method's own number.
        seed: of all runs; the i-th depends on it and on i alone.
        progress: told how far the runs are.
        **settings: of each run, the fields of the class of `METHODS[method].settings`.

    Raises:
        ValueError: there is no such method or setting, or it is out of range; the space cannot be
            searched so; the oracle lacks something.
        ResultsError: there are no such scores.

    Examples:
        >>> simulate("rea", oracle.read("nb201.npz"), "cifar10", runs=100)  # doctest: +SKIP
    """
    chosen = find_method(method)
    of_run = _replaced(chosen, settings)
    count = chosen.runs if runs is None else checked("runs", runs, ranges.Runs)
    by_gradient = isinstance(of_run, Descent)
    seed = checked("seed", seed, ranges.SeedOfWords if by_gradient else ranges.Seed)
    given = [datasets] if isinstance(datasets, str) else datasets
    names = list(dict.fromkeys(known_dataset("datasets", name) for name in given))
    search_on = None if search_on is None else known_dataset("search_on", search_on)
    if not isinstance(oracle, Oracle):
        raise ValueError(
            f"oracle: expected one of jaxnas.oracle.read, got {quoted(oracle)}; read it first"
        )
    space = oracle.space
    scores = _scores(of_run, space) if isinstance(of_run, Picking) else None
    if isinstance(of_run, Descent):
        _check_queries(chosen, of_run, space)
    population = list(map(space.arch, range(space.size))) if scores is None else list(scores)
    # All of them are checked before any is searched.
    benchmarks = [benchmark_of(oracle, name, search_on, population) for name in names]
    searched = []
    for benchmark in benchmarks:

        def told(what: str, done: int, total: int, name: str = benchmark.dataset) -> None:
            if progress:
                progress(f"{name}, {what}", done, total)

        if isinstance(of_run, Descent):
            from jaxnas.search.by_gradient.simulating import search_benchmark

            summaries, curves = search_benchmark(chosen, of_run, benchmark, count, seed, told)
        else:
            run = _runs(chosen, of_run, benchmark, population, scores)
            summaries, curves = list(_summaries(run, benchmark, count, seed, told)), None
        best = optimum(benchmark.valid, benchmark.test, population, space)
        rows = (*summaries, best, *published(benchmark.dataset, space))
        searched.append(Searched(benchmark.dataset, benchmark.search_on, rows, curves))
    return Simulation(chosen, of_run, space, search_on, count, seed, tuple(searched))


def _replaced(method: Method, settings: Mapping[str, Any]) -> Settings:
    """The method's settings, those given replaced."""
    known = [field.name for field in dataclasses.fields(method.settings)]
    for name in settings:
        if name not in known:
            raise ValueError(
                f"{method.name}: expected settings among {', '.join(known)}, got {name}; leave it "
                "out"
            )
    return dataclasses.replace(method.settings, **settings)


def _check_queries(method: Method, settings: Descent, space: Space) -> None:
    """Raises ValueError unless the queries pay for an estimate; before a table is looked at."""
    from jaxnas.search.by_gradient.searching import steps_of

    assert method.estimator is not None
    steps_of(settings, method.estimator(settings), space)


def _runs(
    method: Method,
    settings: Settings,
    benchmark: Benchmark,
    population: Sequence[str],
    scores: _Scores | None,
) -> dict[str, Run]:
    """Name and run of the method and of what it has to beat."""
    space = benchmark.space
    query = tabular(benchmark.rewards, benchmark.seconds, space)
    beside = settings if isinstance(settings, Picking) else Picking()
    to_beat = dict(baselines(population, query, beside.s, beside.k, space))
    if scores is None:
        assert isinstance(settings, Budgeted)
        return {method.title: _strategy(method, settings.budget, query, space), **to_beat}
    return {
        f"top {k} of {beside.s} by {beside.by}": picking(
            population, scores.__getitem__, beside.s, k, query, space
        )
        for k in beside.k
    } | to_beat


def _strategy(method: Method, budget: float, query: Query, space: Space) -> Run:
    strategy = method.strategy
    assert strategy is not None
    return searching(lambda rng: strategy(rng, space), query, budget)


def _summaries(
    methods: Mapping[str, Run], benchmark: Benchmark, runs: int, seed: int, progress: Progress
) -> Iterator[Summary]:
    for name, run in methods.items():
        progress(name, 0, runs)
        found: list[Found] = []
        for one in repeat(run, runs, seed):
            found.append(one)
            progress(name, len(found), runs)
        yield summarise(name, found, benchmark.valid, benchmark.test, benchmark.space)


def _scores(settings: Picking, space: Space) -> _Scores:
    """The score of each arch that has one, by rising index, NaN where it is undefined."""
    table, by = settings.scores, settings.by
    if table is None:
        archs = list(map(space.arch, range(space.size)))
        counts = counting.counts(archs, space)
        if by not in counts:
            raise ValueError(
                f"by {by}: expected scores too, the folder of a run of jaxnas score that has it, "
                f"got none; without, cells are picked by {' or '.join(counts)}"
            )
        return dict(zip(archs, counts[by].tolist(), strict=True))
    if not isinstance(table, pa.Table):
        table = read_finished(user_path("scores", table))
    if space_of(table).name != space.name:
        raise ValueError(
            f"scores: expected a table of {space.title}, whose accuracies the oracle has, got one "
            f"of {space_of(table).title}; give scores and oracle of one space"
        )
    found = values(table, by)
    indices = space.indices(found.archs)
    assert indices is not None
    return {found.archs[i]: float(found.values[i]) for i in indices.argsort()}
