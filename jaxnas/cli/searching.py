"""`jaxnas search`: how good a cell a search finds, its trainings looked up or for real."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.cli import gradient_searching, search_report, search_training, supernet_searching
from jaxnas.cli.search_options import refuse, table_options
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

_TRAIN_EPILOG = (
    "With --train a search is one, of one seed. Stopped at any moment, the same command goes on. "
    "PATH gets chosen.csv, candidates.csv and curves.png, the scores in PATH/scores, the trainings "
    "in PATH/trained."
)

# Parameters of options that a search which trains does not have.
_OF_TABLE = ("search_on", "runs", "scores")


@click.group()
def search() -> None:
    """Searches, many times, with the trainings looked up in a benchmark's table.

    gt-nas --train searches once, with trainings for real; sf, relax, ram, snas, gdas and darts do
    with --space, and rsps always, on a supernet.
    """


_out = click.option("--out", type=_PATH, metavar="CSV", help="Also writes the table here.")

_budget = click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=12000.0,
    show_default=True,
    help="Simulated seconds of training a search may spend.",
)


@search.command(epilog=f"{_EPILOG} {_TRAIN_EPILOG}", context_settings={"show_default": True})
@table_options(runs=500, required=False)
@click.option(
    "--out",
    type=_PATH,
    metavar="PATH",
    help="Also writes the table here.  With --train the folder of everything.  "
    "[default with --train: runs/gt-nas-DATASET]",
)
@click.option(
    "--by",
    default="gradient_kernel",
    metavar="PROXY",
    help="Score to pick by; params and flops need no --scores.",
)
@click.option("--scores", type=_PATH, metavar="DIR", help=f"Folder of a run, with {_FILE}.")
@click.option("-s", "s", type=_COUNT, default=300, help="Cells scored.")
@click.option(
    "-k",
    "ks",
    type=_COUNT,
    multiple=True,
    default=(20, 40),
    help="Cells trained; may be given several times.",
)
@click.option(
    "--train",
    "images",
    is_flag=False,
    flag_value="digits",
    metavar="[NAME_OR_NPZ]",
    help="Scores and trains for real, on digits or these images, as for `jaxnas train`; the "
    "options below are for it.",
)
@search_training.training_options
@click.pass_context
def gt_nas(
    ctx: click.Context,
    /,
    *,
    by: str,
    scores: Path | None,
    s: int,
    ks: tuple[int, ...],
    images: str | None,
    baseline: bool,
    score_batch_size: int,
    **rest: Any,
) -> None:
    """Scores s cells, trains the best k, keeps the best.

    The trainings are looked up in --oracle, many searches at once; or, with --train, one search
    scores and trains on images.
    """
    common = Common(**{field.name: rest.pop(field.name) for field in fields(Common)})
    if images is not None:
        refuse(ctx, _OF_TABLE, "is of a search in a table: leave it out, or --train")
        if (common.oracle is None) != (not common.dataset):
            raise ValueError(
                "--train shows a benchmark's accuracies beside its own if both --oracle and "
                "--dataset are given, one of them is missing"
            )
        task = search_training.Task(
            images=images,
            by=by,
            s=s,
            ks=ks,
            baseline=baseline,
            seed=common.seed,
            score_batch_size=score_batch_size,
            oracle=common.oracle,
            dataset=common.dataset,
            out=common.out,
        )
        search_training.run(task, ctx.obj, **rest)
        return
    refuse(
        ctx,
        search_training.TRAINING_OPTIONS,
        "is of a search that trains: give --train too, or leave it out",
    )
    for option in ctx.command.params:
        if option.name in ("oracle", "dataset") and not getattr(common, option.name):
            raise click.MissingParameter(ctx=ctx, param=option)

    from jaxnas.search import picking

    score_of = _read_scores(by, scores)
    cells = tuple(sorted(score_of))

    def methods(population: NDArray[np.int64], query: Query) -> dict[str, Run]:
        return {
            f"top {k} of {s} by {by}": picking(population, score_of.__getitem__, s, k, query)
            for k in ks
        }

    search_report.report(common, methods, cells, s=s, ks=ks)


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


for _method in (*gradient_searching.COMMANDS, *supernet_searching.COMMANDS):
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

    from jaxnas.results import ranking

    path = folder / _FILE
    if not path.is_file():
        raise ValueError(f"{folder}: expected a folder with {_FILE}, as `jaxnas score` leaves it")
    table = pq.read_table(path)
    if by not in ranking.scores_of(table):
        raise ValueError(f"{path} has no scores {by}: it has {', '.join(ranking.scores_of(table))}")
    cells, _, _, means = ranking.mean_scores(table, by)
    return dict(zip(cells.tolist(), means.tolist(), strict=True))
