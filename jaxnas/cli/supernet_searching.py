"""`jaxnas search METHOD --space …`: searches by gradient on a supernet, on real images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.cli import options
from jaxnas.cli.search_report import REPORT_EPOCHS
from jaxnas.spaces import selection

if TYPE_CHECKING:
    from jaxnas.oneshot import Outcome
    from jaxnas.oracle import Oracle

PICTURE_FILE = "curves.png"
CELL_FILE = "cell.png"

SPACES = ("nb201", "darts")

_COUNT = click.IntRange(min=1)
_PATH = click.Path(path_type=Path)

# Options that are constants of every method's recipe, under the same name.
_CONSTANTS = ("epochs", "batch_size", "channels", "cells")

OPTIONS = ("space", *_CONSTANTS, "settings", "data_dir", "cache_dir", "no_cache")
"""Parameters of `supernet_options`."""


def supernet_options(*, required: bool) -> Callable[[Any], Any]:
    """Adds the options of a search on a supernet that a search in a table does not have.

    Args:
        required: whether the space is.
    """
    preset = "  [default: the paper's]"
    return options.several(
        click.option(
            "--space",
            type=click.Choice(SPACES),
            required=required,
            help="Searches on a supernet of this space.",
        ),
        click.option("--epochs", type=_COUNT, help=f"Passes over the images.{preset}"),
        click.option("--batch-size", type=_COUNT, help=f"Images of a step.{preset}"),
        click.option("--channels", type=_COUNT, help="Of the first stage or cell.  [default: 16]"),
        click.option(
            "--cells",
            type=_COUNT,
            help="nb201: cells in each of three stages; darts: in all.  [default: 5; 8]",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="NAME=VALUE",
            help="Any other constant of the method; a name that there is not lists them.",
        ),
        # All but the number of devices: a supernet is on one.
        *options.MACHINE[1:],
    )


def run(
    ctx: click.Context,
    method: str,
    constants: Mapping[str, Any],
    *,
    space: str,
    dataset: Sequence[str],
    out: Path | None,
    oracle: Path | None,
    seed: int,
    settings: Sequence[str],
    data_dir: Path | None,
    cache_dir: Path | None,
    no_cache: bool,
    **common: int | None,
) -> None:
    """Searches, and prints what is found. Everything that can be refused is, before the search.

    Args:
        ctx: of the command.
        method: its name.
        constants: of the method's recipe, from options of its own.
        space: "nb201" or "darts".
        dataset: the images, of which there must be one.
        out: folder of everything, which must be given.
        oracle: the benchmark's table, if the cell's true accuracies are to be shown.
        seed: of all chance.
        settings: further constants, NAME=VALUE.
        data_dir: folder of the data sets.
        cache_dir: of compiled programs.
        no_cache: keep none.
        **common: constants that every recipe has; None for the preset.
    """
    for option in ctx.command.params:
        if option.name in ("dataset", "out") and not ctx.params[option.name]:
            raise click.MissingParameter(ctx=ctx, param=option)
    if len(dataset) > 1:
        raise ValueError(f"--dataset: expected one data set with --space, got {len(dataset)}")
    if oracle is not None and space != "nb201":
        raise ValueError(f"--oracle is a table of NAS-Bench-201: leave it out with --space {space}")
    assert out is not None
    options.refuse_files(out, cache_dir)

    from jaxnas import data, oneshot
    from jaxnas.cli.commands.score import (
        describe,
        keep_compiled_programs,
        local_devices,
        memory_errors,
    )
    from jaxnas.cli.terminal.search_progress import SearchProgress
    from jaxnas.oneshot.run import FOUND_FILE, LOG_FILE
    from jaxnas.plots.cell_graph import plot_cell
    from jaxnas.plots.supernet_search import plot_search

    chosen = {name: value for name, value in common.items() if value is not None}
    chosen |= constants
    recipe = oneshot.make_recipe(method, space, **chosen, **_parsed(method, settings, chosen))
    images = data.load(dataset[0], data_dir=data_dir)
    table = _read_oracle(oracle)
    if not no_cache:
        keep_compiled_programs(cache_dir)
    with memory_errors(), SearchProgress(describe(local_devices(1)), recipe.epochs) as progress:
        outcome = oneshot.search(
            method,
            space,
            dataset=images,
            out=out,
            seed=seed,
            recipe=recipe,
            progress=progress,
            begin=progress.begin,
        )
    words = f"{method} on {space}: {images.name}, {recipe.channels} channels, {recipe.cells} cells"
    plot_search(outcome.epochs, out / PICTURE_FILE, f"{words}, seed {seed}")
    plot_cell(selection.parse_architecture(outcome.architecture), out / CELL_FILE)
    _report(outcome, table)
    files = {"log": LOG_FILE, "found": FOUND_FILE, "picture": PICTURE_FILE, "cell": CELL_FILE}
    for name, file in files.items():
        click.echo(f"{name:<9}{out / file}")


def _parsed(method: str, settings: Sequence[str], known: Mapping[str, Any]) -> dict[str, Any]:
    """Constants from texts NAME=VALUE."""
    from jaxnas.oneshot.methods import find
    from jaxnas.oneshot.recipe import parse

    recipe = find(method).recipe
    values: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set {text}: expected NAME=VALUE, such as alpha_decay=0")
        if name in known or name in values:
            raise ValueError(f"--set {text}: {name} is given twice")
        values[name] = parse(recipe, name, value)
    return values


def _read_oracle(path: Path | None) -> Oracle | None:
    """The table, if it holds what is to be shown of every cell.

    Raises:
        ValueError: it does not.
    """
    if path is None:
        return None

    from jaxnas import oracle
    from jaxnas.cli.terminal.archive_progress import ArchiveProgress
    from jaxnas.spaces import nb201

    with ArchiveProgress() as progress:
        table = oracle.read(path, progress)
    tasks = [task for task in table.tasks if task[2] == REPORT_EPOCHS]
    if not tasks:
        raise ValueError(
            f"{path}: expected accuracies after {REPORT_EPOCHS} epochs, but it has none"
        )
    for task in tasks:
        table.require(range(nb201.NUM_CELLS), *task)
    return table


def _report(outcome: Outcome, table: Oracle | None) -> None:
    """Prints what is found and, of a cell in a table, its accuracies there."""
    from jaxnas.cli.terminal.tables import print_table
    from jaxnas.spaces import nb201

    click.echo(outcome.architecture)
    click.echo(
        f"{outcome.valid_accuracy:.2f} % of the images held out, with shared weights; "
        f"{outcome.epochs[-1].evaluations:,} networks evaluated"
    )
    if table is None:
        return
    cell = nb201.arch_to_index(outcome.architecture)
    rows = []
    for dataset, split, epochs in table.tasks:
        if epochs == REPORT_EPOCHS:
            accuracy = table.accuracy(dataset, split, epochs)
            better = int((accuracy > accuracy[cell]).sum())
            numbers = (f"{accuracy[cell]:.2f}", f"{better + 1:,}", f"{accuracy.max():.2f}")
            rows.append((dataset, split, *numbers))
    click.echo(f"cell {cell}, trained for {REPORT_EPOCHS} epochs:")
    names = ["dataset", "split", "accuracy %", f"rank of {nb201.NUM_CELLS:,}", "best cell's %"]
    print_table(names, rows, right={2, 3, 4})


def supernet_command(name: str, words: str, *own: Callable[[Any], Any]) -> click.Command:
    """The command of a method that searches on supernets alone.

    Its own options are constants of its recipe, under the same name.
    """

    @click.option("--dataset", multiple=True, metavar="NAME_OR_NPZ", help="The images.")
    @click.option("--out", type=_PATH, metavar="DIR", help="Folder of everything.")
    @click.option(
        "--oracle",
        type=_PATH,
        metavar="PATH",
        help="A table of accuracies, to show those of the cell found.",
    )
    @click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all chance."
    )
    @supernet_options(required=True)
    @options.several(*own)
    @click.pass_context
    def command(ctx: click.Context, /, **values: Any) -> None:
        known = ("dataset", "out", "oracle", "seed", *OPTIONS)
        common = {key: values.pop(key) for key in known}
        constants = {key: value for key, value in values.items() if value is not None}
        run(ctx, name, constants, **common)

    return click.command(name, help=words)(command)


_CANDIDATES = click.option(
    "--candidates", type=_COUNT, help="Architectures scored at the end.  [default: 100]"
)

COMMANDS = (
    supernet_command(
        "pr-darts", "Stochastic gates, group-structured sparsity, path-depth regularisation."
    ),
    supernet_command("enas", "A recurrent controller, by the score function.", _CANDIDATES),
    supernet_command(
        "rsps", "Random search with shared weights: uniform sampling, no logits.", _CANDIDATES
    ),
)
