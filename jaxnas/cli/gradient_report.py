"""What a search by gradient prints and leaves behind: its runs beside random search."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from jaxnas.cli import search_report
from jaxnas.cli.search_report import Benchmark, Common

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from jaxnas.estimators import Estimator
    from jaxnas.search import Summary
    from jaxnas.search.by_gradient.curves import Rows
    from jaxnas.search.by_gradient.searching import Curves, Settings

_TABLE, _CURVES, _PICTURE = "table.csv", "curves.csv", "curves.png"


def report(common: Common, name: str, estimator: Estimator, settings: Settings) -> None:
    """Runs searches on every data set, prints a table of each, writes all of them and the curves.

    Args:
        common: the options; `out` is a folder.
        name: of the method.
        estimator: of its gradient.
        settings: of each run.
    """
    import numpy as np

    from jaxnas.search.by_gradient.curves import curve_rows
    from jaxnas.spaces import nb201

    if common.out is not None and (
        common.out.is_file() or not common.out.absolute().parent.is_dir()
    ):
        raise ValueError(f"{common.out}: expected a folder, or a path in a folder that exists")
    # Refused before the table is read, which may take minutes.
    settings.steps(estimator)
    population = np.arange(nb201.NUM_CELLS)
    words = f"{settings.queries:,} queries, learning rate {settings.learning_rate:g}, "
    summaries: dict[str, list[Summary]] = {}
    rows: dict[str, Rows] = {}
    for benchmark in search_report.read_benchmarks(common, population):
        curves = _searched(benchmark, common, name, estimator, settings)
        summaries[benchmark.dataset] = _summaries(benchmark, name, curves, population)
        rows[benchmark.dataset] = curve_rows(
            curves, benchmark.rewards, benchmark.valid, benchmark.test
        )
        search_report.show(benchmark, common, words, summaries[benchmark.dataset])
    if estimator.mixing == "weights":
        click.echo(
            f"{name}: a query reads the whole table, at soft weights, so that no cell is trained "
            "and the number is not to be compared with trainings"
        )
    if common.out is not None:
        common.out.mkdir(exist_ok=True)
        search_report.write(summaries, common.out / _TABLE)
        _write_curves(rows, common.out / _CURVES)
        _draw(rows, common, name, words, common.out / _PICTURE)
        click.echo(f"table    {common.out / _TABLE}")
        click.echo(f"curves   {common.out / _CURVES}")
        click.echo(f"picture  {common.out / _PICTURE}")


def _searched(
    benchmark: Benchmark, common: Common, name: str, estimator: Estimator, settings: Settings
) -> Curves:
    from rich.console import Console
    from rich.progress import Progress

    from jaxnas.search.by_gradient.searching import concatenate, search_by_gradient

    console = Console(stderr=True)
    groups = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{benchmark.dataset}, {name}", total=common.runs)
        for curves in search_by_gradient(
            estimator,
            benchmark.rewards,
            benchmark.seconds,
            settings,
            range(common.runs),
            common.seed,
        ):
            groups.append(curves)
            progress.advance(task, len(curves.mode))
    return concatenate(groups)


def _summaries(
    benchmark: Benchmark, name: str, curves: Curves, population: NDArray[np.int64]
) -> list[Summary]:
    """What was run, what chance finds with as many queries, the optimum, and published figures."""
    from jaxnas.search import Found, Summary, optimum, published, summarise
    from jaxnas.search.chance import best_of_random

    spent = int(curves.queries[-1])
    trains = curves.best[0, -1] >= 0
    seconds = curves.seconds[:, -1].tolist()

    def found(label: str, cells: list[int]) -> Summary:
        return summarise(
            f"{name}, {label}",
            [Found(cell, spent, time) for cell, time in zip(cells, seconds, strict=True)],
            benchmark.valid,
            benchmark.test,
        )

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
    rows = [found("most probable cell", curves.mode[:, -1].tolist())]
    if trains:
        rows.append(found("best trained", curves.best[:, -1].tolist()))
    else:
        rows = [replace(row, queries=None, seconds=None) for row in rows]
    best = optimum(benchmark.valid, benchmark.test, population)
    return [*rows, chance, best, *published(benchmark.dataset)]


def _write_curves(rows: Mapping[str, Rows], path: Path) -> None:
    """Writes the curves of all data sets as CSV, whole or not at all; NaN is empty."""
    from jaxnas.results.files import write_atomically

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["dataset", *next(iter(rows.values()))])
    for dataset, columns in rows.items():
        for values in zip(*(column.tolist() for column in columns.values()), strict=True):
            known = ("" if math.isnan(value) else value for value in values)
            writer.writerow([dataset, *known])
    write_atomically(path, text.getvalue().encode())


def _draw(rows: Mapping[str, Rows], common: Common, name: str, words: str, path: Path) -> None:
    from jaxnas.plots import plot_curves

    searched = f"searched on {common.search_on}, " if common.search_on else ""
    plot_curves(rows, path, f"{name}: {searched}{words}{common.runs} runs, seed {common.seed}")
