"""`jaxnas search`: how good a cell a search finds, its trainings looked up in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.cli import gradient_searching, search_report
from jaxnas.cli.search_options import table_options
from jaxnas.cli.search_report import REPORT_EPOCHS, REWARD_EPOCHS, Common

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jaxnas.search import Query, Run

_COUNTS = ("params", "flops")
_COUNT = click.IntRange(min=1)
_PATH = click.Path(path_type=Path)
_FILE = "scores.parquet"

_EPILOG = (
    f"Rewards are validation accuracies after {REWARD_EPOCHS} epochs. Of the cells found the "
    f"table has the validation and test accuracy after {REPORT_EPOCHS}, mean and deviation over "
    "the runs, beside baselines and published figures. Times are those of the benchmark."
)


@click.group()
def search() -> None:
    """Searches, many times, with the trainings looked up in a benchmark's table."""


_out = click.option("--out", type=_PATH, metavar="CSV", help="Also writes the table here.")

_budget = click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=12000.0,
    show_default=True,
    help="Simulated seconds of training a search may spend.",
)


@search.command(epilog=_EPILOG)
@table_options(runs=500)
@_out
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
    """Scores s cells, trains the best k, keeps the best."""
    from jaxnas.search import picking

    score_of = _read_scores(by, scores)
    cells = tuple(sorted(score_of))

    def methods(population: NDArray[np.int64], query: Query) -> dict[str, Run]:
        return {
            f"top {k} of {s} by {by}": picking(population, score_of.__getitem__, s, k, query)
            for k in ks
        }

    search_report.report(Common(**common), methods, cells, s=s, ks=ks)


@search.command(epilog=_EPILOG)
@table_options(runs=500)
@_out
@_budget
def random(budget: float, **common: Any) -> None:
    """Trains random cells until the time is spent."""
    from jaxnas.search import random_search

    _report_strategy("random search", random_search, budget, common)


@search.command(epilog=_EPILOG)
@table_options(runs=500)
@_out
@_budget
def rea(budget: float, **common: Any) -> None:
    """Regularised evolution, population 10, tournaments of 3."""
    from jaxnas.search import regularized_evolution

    _report_strategy("REA", regularized_evolution, budget, common)


@search.command(epilog=_EPILOG)
@table_options(runs=500)
@_out
@_budget
def reinforce(budget: float, **common: Any) -> None:
    """A policy over ops, by its gradient; Adam at 0.01."""
    from jaxnas.search import reinforce as strategy

    _report_strategy("REINFORCE", strategy, budget, common)


@search.command(epilog=_EPILOG)
@table_options(runs=500)
@_out
@_budget
def bohb(budget: float, **common: Any) -> None:
    """Hyperband and kernel densities, as in NAS-Bench-201."""
    from jaxnas.search import bohb as strategy

    _report_strategy("BOHB", strategy, budget, common)


for _method in gradient_searching.COMMANDS:
    search.add_command(_method)


def _report_strategy(
    name: str, strategy: Callable[[Any], Any], budget: float, common: Mapping[str, Any]
) -> None:
    """Reports a strategy that may ask for any cell until the budget is spent."""
    from jaxnas.search import searching
    from jaxnas.spaces import nb201

    search_report.report(
        Common(**common),
        lambda _, query: {name: searching(strategy, query, budget)},
        range(nb201.NUM_CELLS),
        words=f"budget {budget:,g} s, ",
    )


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
