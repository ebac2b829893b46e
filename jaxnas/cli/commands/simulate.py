"""`jaxnas simulate METHOD`: how good a cell a search finds, its trainings looked up in a table."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.checks import kinds_of, ranges
from jaxnas.cli import options
from jaxnas.cli.terminal.messages import echo
from jaxnas.cli.values import Choice, Number
from jaxnas.oracle.table import DATASETS
from jaxnas.search.benchmark import REPORT_EPOCHS, REWARD_EPOCHS
from jaxnas.search.methods import METHODS, Descent, Method

if TYPE_CHECKING:
    from jaxnas.search.simulation import Progress

# How each setting of a method is written; its kind and its default are the method's own.
_OPTIONS: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    "s": (("-s", "s"), {"help": "Cells scored."}),
    "k": (
        ("-k", "k"),
        {"multiple": True, "help": "Cells trained; may be given several times."},
    ),
    "by": (
        ("--by",),
        {
            "metavar": "SCORE",
            "help": "Score to pick by, or several, such as js+params; params, flops, num_tensors "
            "and tensor_count need no --scores.",
        },
    ),
    "scores": (
        ("--scores",),
        {"type": options.PATH, "metavar": "DIR", "help": "Folder of a run of `jaxnas score`."},
    ),
    "budget": (
        ("--budget",),
        {"help": "Simulated seconds of training that a search may spend."},
    ),
    "queries": (
        ("--queries",),
        {"help": "Evaluations of the loss that a search may spend."},
    ),
    "learning_rate": (
        ("--learning-rate",),
        {"help": "Learning rate of the logits, by Adam."},
    ),
    "temperature": (
        ("--temperature",),
        {
            "metavar": "FIRST LAST",
            "help": "Temperature of the softmax at the first and at the last query.",
        },
    ),
    "edges_per_step": (
        ("--edges-per-step",),
        {
            "help": "Edges drawn for each estimate, whose other operations are all evaluated.  "
            "[default: all]",
        },
    ),
}

_CHARGED = (
    f"A search sees the validation accuracy after {REWARD_EPOCHS} epochs and is charged the "
    "benchmark's time of that training."
)
_BY_GRADIENT = (
    f"Logits of independent edges follow a gradient estimate of the expected {REWARD_EPOCHS}-epoch "
    f"validation error. Of the most probable cell, and of the best cell evaluated, the table has "
    f"the accuracies after {REPORT_EPOCHS} epochs, beside random search with as many queries. "
    "--out DIR gets table.csv, curves.csv and curves.png: accuracies, entropy of the distribution "
    "and variance of the estimate against queries."
)
_BY_TRAINING = (
    f"{_CHARGED} Of the cells found the table has the validation and test accuracy after "
    f"{REPORT_EPOCHS} epochs, mean and deviation over the runs, beside chance, counting "
    "parameters, the best cell of the table, and published results. --out DIR gets table.csv."
)
_WHOLE_TABLE = (
    " Soft weights are given the table's multilinear extension, the expected error under "
    "independent edges: a query reads the whole table, not one cell."
)


@click.group()
def simulate() -> None:
    """Runs searches, many times, whose trainings are looked up in a benchmark's table.

    `jaxnas search` searches for real, on images.
    """


def _command(method: Method) -> click.Command:
    """The command of a method: the options of all, and one for each of its settings."""
    fields = [field.name for field in dataclasses.fields(method.settings)]

    @click.option(
        "--oracle",
        "table",
        required=True,
        type=options.PATH,
        metavar="PATH",
        help="Accuracies and times: a .csv, .parquet or .npz table, or the NATS-Bench archive's "
        "folder.",
    )
    @click.option(
        "--dataset",
        "datasets",
        required=True,
        multiple=True,
        type=Choice(DATASETS, loose=True),
        help="Data set the accuracies are from; may be given several times.",
    )
    @click.option(
        "--search-on",
        type=Choice(DATASETS, loose=True),
        help="Data set whose rewards and times the search sees; NAS-Bench-201's authors: cifar10.  "
        "[default: the one of the accuracies]",
    )
    @options.space
    @click.option(
        "--runs",
        type=Number(ranges.Runs),
        default=method.runs,
        show_default=True,
        help="Number of searches to run.",
    )
    @(options.seed_of_words if isinstance(method.settings, Descent) else options.seed)
    @options.several(*(_option(name, method.settings) for name in fields))
    @options.out("Folder that the tables are written to as well.")
    def command(
        table: Path,
        datasets: tuple[str, ...],
        search_on: str | None,
        space: str,
        runs: int,
        seed: int,
        out: Path | None,
        **settings: Any,
    ) -> None:
        options.check_folders(out)

        from jaxnas import search
        from jaxnas.cli.terminal.progress import archive_bar
        from jaxnas.cli.terminal.tables import show
        from jaxnas.oracle import read
        from jaxnas.reports import simulation as reports

        # Refused before the table is read, which may take minutes.
        dataclasses.replace(method.settings, **settings)
        with archive_bar() as archive:
            oracle = read(table, archive, space)
        with _bars() as progress:
            found = search.simulate(
                method.name,
                oracle,
                datasets,
                search_on=search_on,
                runs=runs,
                seed=seed,
                progress=progress,
                **settings,
            )
        for report in reports.reports(found):
            show(report)
            echo()
        if out is not None:
            for what, path in reports.write(found, out).items():
                echo(f"{what:<9}{path}")

    epilog = _BY_GRADIENT if isinstance(method.settings, Descent) else _BY_TRAINING
    epilog += _WHOLE_TABLE if method.whole_table else ""
    return click.command(method.name, help=method.summary, epilog=epilog)(command)


def _option(name: str, settings: Any) -> Callable[[Any], Any]:
    """The option of a setting, with the method's default."""
    spellings, keywords = _OPTIONS[name]
    kind, default = kinds_of(type(settings)).get(name), getattr(settings, name)
    if kind is not None:
        keywords = {"type": options.type_of(kind), **keywords}
    return click.option(*spellings, **keywords, default=default, show_default=default is not None)


@contextlib.contextmanager
def _bars() -> Iterator[Progress]:
    """Shows a bar for each thing that is run."""
    from jaxnas.cli.terminal.progress import bar

    with contextlib.ExitStack() as stack:
        shown = ""
        advance: Callable[[int, int], None]

        def progress(what: str, done: int, total: int) -> None:
            nonlocal shown, advance
            if what != shown:
                stack.close()
                shown, advance = what, stack.enter_context(bar(what))
            advance(done, total)

        yield progress


for _method in METHODS.values():
    simulate.add_command(_command(_method))
