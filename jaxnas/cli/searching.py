"""`jaxnas search`: how good a cell a search finds, its trainings looked up in a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jaxnas.oracle import Oracle
    from jaxnas.search import Query, Run, Summary

DATASETS = ("cifar10", "cifar100", "imagenet16-120")

# Trained so long to choose by, and so long to report.
_REWARD_EPOCHS = 12
_REPORT_EPOCHS = 200

_COUNTS = ("params", "flops")
_COUNT = click.IntRange(min=1)
_PATH = click.Path(path_type=Path)
_FILE = "scores.parquet"

_EPILOG = (
    f"Rewards are validation accuracies after {_REWARD_EPOCHS} epochs. Of the cells found the "
    f"table has the validation and test accuracy after {_REPORT_EPOCHS}, mean and deviation over "
    "the runs, beside baselines and published figures. Times are those of the benchmark."
)


@click.group()
def search() -> None:
    """Searches, many times, with the trainings looked up in a benchmark's table."""


@dataclass(frozen=True)
class _Common:
    """What is asked of every method; the options below."""

    oracle: Path
    dataset: tuple[str, ...]
    search_on: str | None
    runs: int
    seed: int
    out: Path | None


def _common_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of `_Common`."""
    options = (
        click.option(
            "--oracle",
            required=True,
            type=_PATH,
            metavar="PATH",
            help="A table of accuracies and times, or the benchmark's archive.",
        ),
        click.option(
            "--dataset",
            required=True,
            multiple=True,
            type=click.Choice(DATASETS),
            help="Whose accuracies are reported; may be given several times.",
        ),
        click.option(
            "--search-on",
            type=click.Choice(DATASETS),
            help="Whose rewards and times the search sees; NAS-Bench-201's authors: cifar10.  "
            "[default: the data set reported]",
        ),
        click.option("--runs", type=_COUNT, default=500, show_default=True, help="Searches."),
        click.option(
            "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all runs."
        ),
        click.option("--out", type=_PATH, metavar="CSV", help="Also writes the table here."),
    )
    for option in reversed(options):
        command = option(command)
    return command


_budget = click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=12000.0,
    show_default=True,
    help="Simulated seconds of training a search may spend.",
)


@search.command(epilog=_EPILOG)
@_common_options
@click.option(
    "--by",
    default="gradient_kernel",
    show_default=True,
    metavar="PROXY",
    help="Score to pick by; params and flops need no --scores.",
)
@click.option("--scores", type=_PATH, metavar="DIR", help=f"Folder of a run, with {_FILE}.")
@click.option("-s", "s", type=_COUNT, default=300, show_default=True, help="Cells scored.")
@click.option(
    "-k",
    "ks",
    type=_COUNT,
    multiple=True,
    default=(20, 40),
    show_default=True,
    help="Cells trained; may be given several times.",
)
def gt_nas(by: str, scores: Path | None, s: int, ks: tuple[int, ...], **common: Any) -> None:
    """Scores s untrained cells, trains the best k, keeps the best of those."""
    from jaxnas.search import picking

    score_of = _read_scores(by, scores)
    cells = tuple(sorted(score_of))

    def methods(population: NDArray[np.int64], query: Query) -> dict[str, Run]:
        return {
            f"top {k} of {s} by {by}": picking(population, score_of.__getitem__, s, k, query)
            for k in ks
        }

    _report(_Common(**common), methods, cells, s=s, ks=ks)


@search.command(epilog=_EPILOG)
@_common_options
@_budget
def random(budget: float, **common: Any) -> None:
    """Trains random cells until the time is spent."""
    from jaxnas.search import random_search

    _report_strategy("random search", random_search, budget, common)


@search.command(epilog=_EPILOG)
@_common_options
@_budget
def rea(budget: float, **common: Any) -> None:
    """Regularised evolution, population 10, tournaments of 3."""
    from jaxnas.search import regularized_evolution

    _report_strategy("REA", regularized_evolution, budget, common)


@search.command(epilog=_EPILOG)
@_common_options
@_budget
def reinforce(budget: float, **common: Any) -> None:
    """A policy over the ops of each edge, by policy gradient and Adam at 0.01."""
    from jaxnas.search import reinforce as strategy

    _report_strategy("REINFORCE", strategy, budget, common)


@search.command(epilog=_EPILOG)
@_common_options
@_budget
def bohb(budget: float, **common: Any) -> None:
    """Hyperband with cells from a kernel density model, as published with NAS-Bench-201."""
    from jaxnas.search import bohb as strategy

    _report_strategy("BOHB", strategy, budget, common)


def _report_strategy(
    name: str, strategy: Callable[[Any], Any], budget: float, common: Mapping[str, Any]
) -> None:
    """Reports a strategy that may ask for any cell until the budget is spent."""
    from jaxnas.search import searching
    from jaxnas.spaces import nb201

    _report(
        _Common(**common),
        lambda _, query: {name: searching(strategy, query, budget)},
        range(nb201.NUM_CELLS),
        words=f"budget {budget:,g} s, ",
    )


def _report(
    common: _Common,
    methods: Callable[[NDArray[np.int64], Query], dict[str, Run]],
    cells: Sequence[int],
    *,
    s: int = 300,
    ks: Sequence[int] = (20, 40),
    words: str = "",
) -> None:
    """Runs methods and baselines and prints one table a data set.

    Args:
        common: the options.
        methods: name → run, of a population of cells and a query.
        cells: the population.
        s: cells that a baseline samples.
        ks: how many of them it trains.
        words: of the methods' settings, for the line above the table.
    """
    import numpy as np

    from jaxnas import oracle
    from jaxnas.cli.archive_progress import ArchiveProgress
    from jaxnas.search import baselines

    if common.out is not None and not common.out.absolute().parent.is_dir():
        raise ValueError(f"{common.out}: expected a path in a folder that exists")
    with ArchiveProgress() as progress:
        table = oracle.read(common.oracle, progress)
    population = np.array(cells, np.int64)
    benchmarks = [
        _Benchmark.of(table, dataset, common.search_on or dataset, population)
        for dataset in dict.fromkeys(common.dataset)
    ]
    summaries: dict[str, list[Summary]] = {}
    for benchmark in benchmarks:
        query = benchmark.query
        runs = methods(population, query) | dict(baselines(population, query, s, ks))
        rows = _summaries(benchmark, runs, population, common)
        click.echo(
            f"{benchmark.dataset}: searched on {benchmark.search_on}, {words}{common.runs} runs, "
            f"seed {common.seed}; accuracies in percent, mean ± deviation over runs"
        )
        _print(rows)
        click.echo()
        summaries[benchmark.dataset] = rows
    if common.out is not None:
        _write(summaries, common.out)
        click.echo(f"table    {common.out}")


@dataclass(frozen=True)
class _Benchmark:
    """What a table says of a data set.

    Attributes:
        dataset: the one reported.
        search_on: the one that answers the queries.
        query: validation accuracy and time of a short training.
        valid: accuracies to report, percent [15625].
        test: the same.
    """

    dataset: str
    search_on: str
    query: Query
    valid: NDArray[np.float64]
    test: NDArray[np.float64]

    @classmethod
    def of(
        cls, table: Oracle, dataset: str, search_on: str, population: NDArray[np.int64]
    ) -> _Benchmark:
        """Raises ValueError where the table lacks something of a cell of the population."""
        import numpy as np

        from jaxnas.search import tabular

        for task in (
            (search_on, "valid", _REWARD_EPOCHS),
            (dataset, "valid", _REPORT_EPOCHS),
            (dataset, "test", _REPORT_EPOCHS),
        ):
            table.require(population, *task)
        seconds = table.seconds(search_on, _REWARD_EPOCHS)
        lacking = population[np.isnan(seconds[population])]
        if lacking.size:
            raise ValueError(
                f"{table.source} lacks the {search_on} {_REWARD_EPOCHS}-epoch training time of "
                f"{lacking.size:,} of the {len(population):,} cells asked for, "
                f"e.g. cell {lacking[0]}"
            )
        rewards = table.accuracy(search_on, "valid", _REWARD_EPOCHS)
        valid, test = (
            table.accuracy(dataset, split, _REPORT_EPOCHS) for split in ("valid", "test")
        )
        return cls(dataset, search_on, tabular(rewards, seconds), valid, test)


def _summaries(
    benchmark: _Benchmark,
    runs: Mapping[str, Run],
    population: NDArray[np.int64],
    common: _Common,
) -> list[Summary]:
    """What was run here, the optimum, and what others have published."""
    from rich.console import Console
    from rich.progress import track

    from jaxnas.search import optimum, published, repeat, summarise

    console = Console(stderr=True)
    rows = []
    for name, run in runs.items():
        results = track(
            repeat(run, common.runs, common.seed),
            description=f"{benchmark.dataset}, {name}",
            total=common.runs,
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        rows.append(summarise(name, list(results), benchmark.valid, benchmark.test))
    best = optimum(benchmark.valid, benchmark.test, population)
    return [*rows, best, *published(benchmark.dataset)]


def _read_scores(by: str, folder: Path | None) -> dict[int, float]:
    """Score of each cell that has one, NaN where it is undefined: the mean over seeds.

    Raises:
        ValueError: there are no such scores.
    """
    from jaxnas.spaces import nb201

    if folder is None:
        if by not in _COUNTS:
            raise ValueError(
                f"--by {by} needs --scores DIR, the folder of a `jaxnas score` that has it; "
                f"without, cells are picked by {' or '.join(_COUNTS)}"
            )
        count = nb201.num_params if by == "params" else nb201.num_flops
        return dict(enumerate(count(nb201.cell_ops()).astype(float).tolist()))

    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    from jaxnas.cli import ranking

    path = folder / _FILE
    if not path.is_file():
        raise ValueError(f"{folder}: expected a folder with {_FILE}, as `jaxnas score` leaves it")
    table = pq.read_table(path)
    if by not in ranking.scores_of(table):
        raise ValueError(f"{path} has no scores {by}: it has {', '.join(ranking.scores_of(table))}")
    cells, _, _, means = ranking.mean_scores(table, by)
    return dict(zip(cells.tolist(), means.tolist(), strict=True))


def _print(rows: Sequence[Summary]) -> None:
    from jaxnas.cli.printing import print_table

    columns = ["method", "trainings", "seconds", "validation", "test", "source"]
    print_table(
        columns,
        (
            (
                row.method,
                _count(row.queries, ".1f"),
                _count(row.seconds, ",.0f"),
                _accuracy(row.valid, row.valid_std),
                _accuracy(row.test, row.test_std),
                row.source,
            )
            for row in rows
        ),
        right={1, 2},
    )


def _count(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _accuracy(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return ""
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"


def _write(summaries: Mapping[str, Sequence[Summary]], path: Path) -> None:
    """Writes all rows as CSV, whole or not at all; what is not known is empty."""
    from jaxnas.results.parts import write_atomically
    from jaxnas.search import Summary

    text = io.StringIO()
    writer = csv.DictWriter(text, ["dataset", *(field.name for field in fields(Summary))])
    writer.writeheader()
    for dataset, rows in summaries.items():
        writer.writerows({"dataset": dataset} | asdict(row) for row in rows)
    write_atomically(path, text.getvalue().encode())
