"""`jaxnas search sf|relax|ram|…`: searches by gradient, on a table or, with --space, a supernet."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.cli import gradient_report, supernet_searching
from jaxnas.cli.search_options import DATASETS, given, refuse, table_options
from jaxnas.cli.search_report import REPORT_EPOCHS, REWARD_EPOCHS, Common

if TYPE_CHECKING:
    from jaxnas.estimators import Estimator
    from jaxnas.estimators.temperature import Temperature

_COUNT = click.IntRange(min=1)
_POSITIVE = click.FloatRange(min=0, min_open=True)

_EPILOG = (
    "With --space nb201 or darts the weights that a supernet shares are trained on images; DIR "
    "gets log.csv, found.json, curves.png, cell.png and checkpoints, and the same command goes on "
    "where it was stopped. Without, trainings are looked up in --oracle. Logits of independent "
    f"edges follow a gradient estimate of the expected {REWARD_EPOCHS}-epoch validation error. Of "
    "the most probable cell, and of the best cell evaluated, the table has the accuracies after "
    f"{REPORT_EPOCHS} epochs, beside random search with as many queries. --out DIR gets table.csv, "
    "curves.csv and curves.png: accuracies, entropy of the distribution and variance of the "
    "estimate against queries."
)
_WHOLE_TABLE = (
    " Soft weights are given the table's multilinear extension, the expected error under "
    "independent edges: a query reads the whole table, not one cell."
)


def _command(
    name: str,
    words: str,
    make: Callable[..., Estimator],
    *options: Callable[[Callable[..., None]], Callable[..., None]],
    whole_table: bool = False,
) -> click.Command:
    """A method's command; `make` gets the values of its own options, and how many queries."""

    @table_options(runs=100, required=False, images=True)
    @click.option(
        "--queries",
        type=_COUNT,
        default=2000,
        show_default=True,
        help="Evaluations of the loss that a search may spend.",
    )
    @click.option(
        "--learning-rate",
        type=_POSITIVE,
        help="Adam's, of the logits.  [default: 0.1; with --space the paper's]",
    )
    @click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Also writes table, curves and picture here.  With --space the folder of everything.",
    )
    @supernet_searching.supernet_options(required=False)
    @click.pass_context
    def command(
        ctx: click.Context, /, queries: int, learning_rate: float | None, **rest: Any
    ) -> None:
        supernet = {name: rest.pop(name) for name in supernet_searching.OPTIONS}
        if supernet["space"] is not None:
            refuse(ctx, _OF_TABLE, "is of a search in a table: leave it out, or --space")
            common = {name: rest.pop(name) for name in ("oracle", "dataset", "seed", "out")}
            own = {name: rest[name] for name in rest if given(ctx, name)}
            constants = supernet_constants(learning_rate, **own)
            supernet_searching.run(ctx, name, constants, **common, **supernet)
            return
        refuse(ctx, (*supernet_searching.OPTIONS, *_OF_SUPERNET), "needs --space too")
        _check_table(ctx, rest["dataset"])

        from jaxnas.search.by_gradient.searching import Settings

        common_ = Common(**{field.name: rest.pop(field.name) for field in fields(Common)})
        settings = Settings(queries, 0.1 if learning_rate is None else learning_rate)
        own = {key: value for key, value in rest.items() if key not in _OF_SUPERNET}
        gradient_report.report(common_, name, make(queries=queries, **own), settings)

    function: Callable[..., None] = command
    for option in reversed(options):
        function = option(function)
    epilog = _EPILOG + (_WHOLE_TABLE if whole_table else "")
    return click.command(name, help=words, epilog=epilog)(function)


# Parameters of options that only a search in a table has, or only one on a supernet.
_OF_TABLE = ("search_on", "runs", "queries")
_OF_SUPERNET = ("order",)


def supernet_constants(
    learning_rate: float | None,
    temperature: tuple[float, float] | None = None,
    order: int | None = None,
    **same: Any,
) -> dict[str, Any]:
    """Constants of a recipe, from the options that a search in a table has too."""
    constants = dict(same)
    if learning_rate is not None:
        constants["alpha_rate"] = learning_rate
    if temperature is not None:
        constants["temperature"], constants["final_temperature"] = temperature
    if order is not None:
        constants["second_order"] = order == 2
    return constants


def _check_table(ctx: click.Context, datasets: tuple[str, ...]) -> None:
    """Raises a usage error unless the table is there, and the data sets are the benchmark's."""
    for option in ctx.command.params:
        if option.name in ("oracle", "dataset") and not ctx.params[option.name]:
            raise click.MissingParameter(ctx=ctx, param=option)
        if option.name == "dataset":
            for dataset in datasets:
                try:
                    click.Choice(DATASETS).convert(dataset, option, ctx)
                except click.BadParameter as error:
                    words = f"{error.message} With --space it may be images."
                    raise click.BadParameter(words, ctx, option) from error


def _temperature(start: float, end: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--temperature",
        type=(_POSITIVE, _POSITIVE),
        default=(start, end),
        show_default=True,
        metavar="FIRST LAST",
        help="Of the softmax, linear over the search.",
    )


def _annealed(temperature: tuple[float, float], queries: int) -> Temperature:
    import optax  # type: ignore[import-untyped]

    first, last = temperature
    if not (0 < first < math.inf and 0 < last < math.inf):
        raise ValueError(f"--temperature {first:g} {last:g}: expected two finite numbers above 0")
    schedule: Temperature = optax.linear_schedule(first, last, max(queries - 1, 1))
    return schedule


def _sf(queries: int) -> Estimator:
    from jaxnas import estimators

    return estimators.score_function()


def _relax(queries: int) -> Estimator:
    from jaxnas import estimators

    return estimators.relax()


def _ram(queries: int, edges_per_step: int | None) -> Estimator:
    from jaxnas import estimators

    # More at once than there are: all evaluations of a step together.
    return estimators.ram(edges_per_step, batch_size=queries)


def _snas(queries: int, temperature: tuple[float, float]) -> Estimator:
    from jaxnas import estimators

    return estimators.gumbel_softmax(_annealed(temperature, queries))


def _st(queries: int, temperature: tuple[float, float]) -> Estimator:
    from jaxnas import estimators

    return estimators.straight_through(_annealed(temperature, queries))


def _gdas(queries: int, temperature: tuple[float, float]) -> Estimator:
    from jaxnas import estimators

    return estimators.gdas(_annealed(temperature, queries))


def _darts(queries: int) -> Estimator:
    from jaxnas import estimators

    return estimators.softmax_mixture()


_EDGES_PER_STEP = click.option(
    "--edges-per-step",
    type=_COUNT,
    help="Edges drawn for each estimate, 4 queries each and one more.  [default: all 6]",
)

_ORDER = click.option(
    "--order",
    type=click.IntRange(1, 2),
    help="With --space: 2 for the validation loss after a step of the weights.  [default: 1]",
)

COMMANDS = (
    _command("sf", "Score function, less a moving average of losses.", _sf),
    _command("relax", "Score function with a learned control variate.", _relax),
    _command("ram", "Each edge's ops all evaluated, the others drawn.", _ram, _EDGES_PER_STEP),
    _command("snas", "Gumbel-softmax, annealed.", _snas, _temperature(1.0, 0.03), whole_table=True),
    _command(
        "st", "Straight-through Gumbel-softmax.", _st, _temperature(1.0, 1.0), whole_table=True
    ),
    _command("gdas", "Straight-through as GDAS's code has it.", _gdas, _temperature(10.0, 0.1)),
    _command("darts", "Softmax mixture, nothing drawn.", _darts, _ORDER, whole_table=True),
)
