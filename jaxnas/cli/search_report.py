"""What `jaxnas search` prints: runs of a method, baselines and published figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jaxnas.oracle import Oracle
    from jaxnas.search import Query, Run, Summary

# Trained so long to choose by, and so long to report.
REWARD_EPOCHS = 12
REPORT_EPOCHS = 200


@dataclass(frozen=True)
class Common:
    """What is asked of every method.

    Attributes:
        oracle: table of accuracies and times, or the benchmark's archive.
        dataset: those reported.
        search_on: the one that answers the queries, None for the one reported.
        runs: searches.
        seed: of all runs.
        out: where results go, if anywhere.
    """

    oracle: Path
    dataset: tuple[str, ...]
    search_on: str | None
    runs: int
    seed: int
    out: Path | None


@dataclass(frozen=True)
class Benchmark:
    """What a table says of a data set.

    Attributes:
        dataset: the one reported.
        search_on: the one that answers the queries.
        rewards: validation accuracies of a short training, percent [15625].
        seconds: times of that training [15625].
        valid: accuracies to report, percent [15625].
        test: the same.
    """

    dataset: str
    search_on: str
    rewards: NDArray[np.float64]
    seconds: NDArray[np.float64]
    valid: NDArray[np.float64]
    test: NDArray[np.float64]

    @classmethod
    def of(
        cls, table: Oracle, dataset: str, search_on: str, population: NDArray[np.int64]
    ) -> Benchmark:
        """Raises ValueError where the table lacks something of a cell of the population."""
        import numpy as np

        for task in (
            (search_on, "valid", REWARD_EPOCHS),
            (dataset, "valid", REPORT_EPOCHS),
            (dataset, "test", REPORT_EPOCHS),
        ):
            table.require(population, *task)
        seconds = table.seconds(search_on, REWARD_EPOCHS)
        lacking = population[np.isnan(seconds[population])]
        if lacking.size:
            raise ValueError(
                f"{table.source} lacks the {search_on} {REWARD_EPOCHS}-epoch training time of "
                f"{lacking.size:,} of the {len(population):,} cells asked for, "
                f"e.g. cell {lacking[0]}"
            )
        rewards = table.accuracy(search_on, "valid", REWARD_EPOCHS)
        valid, test = (table.accuracy(dataset, split, REPORT_EPOCHS) for split in ("valid", "test"))
        return cls(dataset, search_on, rewards, seconds, valid, test)


def report(
    common: Common,
    methods: Callable[[NDArray[np.int64], Query], dict[str, Run]],
    cells: Sequence[int],
    *,
    s: int = 300,
    ks: Sequence[int] = (20, 40),
    words: str = "",
) -> None:
    """Runs methods and baselines and prints one table a data set.

    Args:
        common: the options; `out` is a CSV file.
        methods: name → run, of a population of cells and a query.
        cells: the population.
        s: cells that a baseline samples.
        ks: how many of them it trains.
        words: of the methods' settings, for the line above the table.
    """
    import numpy as np

    from jaxnas.search import baselines, tabular

    if common.out is not None and not common.out.absolute().parent.is_dir():
        raise ValueError(f"{common.out}: expected a path in a folder that exists")
    population = np.array(cells, np.int64)
    summaries: dict[str, list[Summary]] = {}
    for benchmark in read_benchmarks(common, population):
        query = tabular(benchmark.rewards, benchmark.seconds)
        runs = methods(population, query) | dict(baselines(population, query, s, ks))
        rows = _summaries(benchmark, runs, population, common)
        show(benchmark, common, words, rows)
        summaries[benchmark.dataset] = rows
    if common.out is not None:
        write(summaries, common.out)
        click.echo(f"table    {common.out}")


def read_benchmarks(common: Common, population: NDArray[np.int64]) -> list[Benchmark]:
    """One for each data set to report, all checked before any is searched."""
    from jaxnas import oracle
    from jaxnas.cli.terminal.archive_progress import ArchiveProgress

    with ArchiveProgress() as progress:
        table = oracle.read(common.oracle, progress)
    return [
        Benchmark.of(table, dataset, common.search_on or dataset, population)
        for dataset in dict.fromkeys(common.dataset)
    ]


def show(benchmark: Benchmark, common: Common, words: str, rows: Sequence[Summary]) -> None:
    """Prints a data set's table under a line that says how it came about."""
    click.echo(
        f"{benchmark.dataset}: searched on {benchmark.search_on}, {words}{common.runs} runs, "
        f"seed {common.seed}; accuracies in percent, mean ± deviation over runs"
    )
    _print(rows)
    click.echo()


def _summaries(
    benchmark: Benchmark,
    runs: Mapping[str, Run],
    population: NDArray[np.int64],
    common: Common,
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


def _print(rows: Sequence[Summary]) -> None:
    from jaxnas.cli.terminal.tables import print_table

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


def write(summaries: Mapping[str, Sequence[Summary]], path: Path) -> None:
    """Writes all rows as CSV, whole or not at all; what is not known is empty."""
    from jaxnas.results.files import write_atomically
    from jaxnas.search import Summary

    text = io.StringIO()
    writer = csv.DictWriter(text, ["dataset", *(field.name for field in fields(Summary))])
    writer.writeheader()
    for dataset, rows in summaries.items():
        writer.writerows({"dataset": dataset} | asdict(row) for row in rows)
    write_atomically(path, text.getvalue().encode())
