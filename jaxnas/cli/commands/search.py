"""`jaxnas search METHOD`: searches for an architecture on images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.checks import quoted, ranges
from jaxnas.checks.kinds import Whole
from jaxnas.cli import options
from jaxnas.cli.commands.search_gt_nas import gt_nas
from jaxnas.cli.terminal.messages import echo
from jaxnas.cli.values import Number
from jaxnas.oneshot.recipe import Recipe, parse
from jaxnas.oneshot.recipes import METHODS, Annealed, Darts, definition_of, make_recipe
from jaxnas.spaces import SPACES

if TYPE_CHECKING:
    from jaxnas.oracle import Oracle

PICTURE_FILE = "curves.png"
CELL_FILE = "cell.png"

# Options that are constants of a recipe, under the same name; of those that it has.
_HELP = {
    "epochs": "Passes over the images that train the weights.",
    "batch_size": "Images of a step.",
    "channels": "Channels of the first stage or cell.",
    "depth": "Cells, counted as `jaxnas spaces` says.",
    "weight_rate": "Learning rate of the weights in the first epoch.",
    "alpha_rate": "Learning rate of the distribution's parameters.",
    "edges_per_step": "Edges whose operations are all evaluated for an estimate.",
    "candidates": "Architectures sampled and compared at the end.",
}

# Options that were published under other names.
_RENAMED = {"--learning-rate": "--alpha-rate"}

_EPILOG = (
    "A supernet, whose weights all architectures share, is trained on images, and a distribution "
    "over architectures with it. DIR gets log.csv, found.json, curves.png, cell.png and "
    "checkpoints. If it is interrupted, run the same command again: it goes on. Train what was "
    "found by `jaxnas train --space SPACE --cells @DIR/found.json`."
)


@click.group()
def search() -> None:
    """Searches for an architecture on images.

    `jaxnas simulate` runs searches whose trainings are looked up in a benchmark's table.
    """


def _command(method: str) -> click.Command:
    """The command of a method that searches on a supernet."""
    definition = METHODS[method]

    @options.space
    @options.images(None)
    @options.out("Folder of everything.", required=True)
    @click.option(
        "--oracle",
        type=options.PATH,
        metavar="PATH",
        help="A table of accuracies, or the benchmark's archive, to show those of what is found.",
    )
    @options.seed_of_words
    @_recipe_options(method)
    @click.option(
        "--set",
        "others",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any other constant of the method; a name that there is not lists them.",
    )
    @options.several(*map(_renamed, _RENAMED))
    # All but the number of devices: a supernet is on one.
    @options.several(*options.MACHINE[1:])
    def command(
        space: str,
        dataset: str,
        out: Path,
        oracle: Path | None,
        seed: int,
        others: Sequence[str],
        data_dir: Path | None,
        cache_dir: Path | None,
        no_cache: bool,
        **constants: Any,
    ) -> None:
        machine = options.Machine(1, data_dir, cache_dir, no_cache)
        given = _constants(**options.given(constants))
        recipe = make_recipe(method, space, **given, **_parsed(method, others, given))
        _run(method, space, recipe, dataset, out, oracle, seed, machine)

    return click.command(method, help=definition.title, epilog=_EPILOG)(command)


def _recipe_options(method: str) -> options.Decorator:
    """Options for the constants of a method, with its presets as defaults."""
    kind = definition_of(method).recipe
    known = {field.name for field in dataclasses.fields(kind)}
    names = [name for name in _HELP if name in known and not _is_unused(kind, name)]
    defaults = {name: _default(method, name) for name in names}
    own = []
    if issubclass(kind, Annealed):
        pair = f"{_default(method, 'temperature')} {_default(method, 'final_temperature')}"
        own.append(
            click.option(
                "--temperature",
                type=(Number(ranges.Temperature),) * 2,
                metavar="FIRST LAST",
                help=f"Temperature of the first epoch and of the last, linear between them.  "
                f"[default: {pair}]",
            )
        )
    if issubclass(kind, Darts):
        own.append(
            click.option(
                "--order",
                type=Number(Whole(1, 2)),
                help="2 for the validation loss after a step of the weights.  [default: 1]",
            )
        )
    texts = {name: _HELP[name] for name in names}
    return options.several(options.of_fields(kind, texts, defaults), *own)


def _renamed(old: str) -> options.Decorator:
    """An option that says what it is called now."""

    def refuse(_: click.Context, __: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise ValueError(
                f"{old}: expected its new name, got the old one; give {_RENAMED[old]} instead"
            )

    return click.option(old, hidden=True, expose_value=False, callback=refuse)


def _is_unused(kind: type[Recipe], name: str) -> bool:
    """Whether a method has a constant, as all have it, without making use of it."""
    if name == "candidates":
        return not kind().candidates
    return name == "alpha_rate" and kind is METHODS["rsps"].recipe


def _default(method: str, name: str) -> str:
    """A constant's preset in words, by space where it differs."""
    values = {space: _in_words(getattr(make_recipe(method, space), name)) for space in SPACES}
    different = set(values.values())
    if len(different) == 1:
        return different.pop()
    return ", ".join(f"{value} for {space}" for space, value in values.items())


def _in_words(value: float | None) -> str:
    return "all" if value is None else f"{value:g}"


def _constants(
    temperature: tuple[float, float] | None = None, order: int | None = None, **same: Any
) -> dict[str, Any]:
    """Constants of a recipe, from a method's options."""
    constants = dict(same)
    if temperature is not None:
        constants["temperature"], constants["final_temperature"] = temperature
    if order is not None:
        constants["second_order"] = order == 2
    return constants


def _parsed(method: str, texts: Sequence[str], known: Mapping[str, Any]) -> dict[str, Any]:
    """Constants from texts NAME=VALUE.

    Raises:
        ValueError: a text is something else, or names a constant that is given already.
    """
    recipe = definition_of(method).recipe
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set {quoted(text)}: expected NAME=VALUE, such as alpha_decay=0")
        if name in known or name in values:
            raise ValueError(f"--set {quoted(text)}: expected each constant once, got {name} twice")
        values[name] = parse(recipe, name, value)
    return values


def _run(
    method: str,
    space: str,
    recipe: Recipe,
    dataset: str,
    out: Path,
    oracle: Path | None,
    seed: int,
    machine: options.Machine,
) -> None:
    """Searches, and shows what is found; what can be refused is, before the search."""
    options.check_folders(out)
    machine.ready(None)

    from jaxnas import data, oneshot
    from jaxnas.cli.terminal.progress import SearchProgress
    from jaxnas.cli.terminal.tables import show
    from jaxnas.engine.devices import describe, memory_errors
    from jaxnas.oneshot.run import FOUND_FILE, LOG_FILE
    from jaxnas.plots.cell_graph import plot_cell
    from jaxnas.plots.supernet_search import plot_search
    from jaxnas.reports.oneshot import found_report

    images = data.load(dataset, data_dir=machine.data_dir)
    table = None if oracle is None else _read_oracle(oracle, space)
    local = machine.local_devices()
    with (
        memory_errors("a smaller --batch-size, --channels or --depth"),
        SearchProgress(describe(local), recipe.epochs) as progress,
    ):
        outcome = oneshot.search(
            method,
            space=space,
            dataset=images,
            out=out,
            seed=seed,
            recipe=recipe,
            progress=progress,
            begin=progress.begin,
        )
    words = f"{method} on {space}: {images.name}, {recipe.channels} channels, depth {recipe.depth}"
    plot_search(outcome.epochs, out / PICTURE_FILE, f"{words}, seed {seed}")
    plot_cell(outcome.architecture, out / CELL_FILE, space=space)
    show(found_report(outcome, table))
    files = {"log": LOG_FILE, "found": FOUND_FILE, "picture": PICTURE_FILE, "cell": CELL_FILE}
    for name, file in files.items():
        echo(f"{name:<9}{out / file}")


def _read_oracle(path: Path, space: str) -> Oracle:
    """The table, if it holds what is to be shown of every architecture."""
    from jaxnas import oracle
    from jaxnas.cli.terminal.progress import archive_bar
    from jaxnas.reports.oneshot import check_oracle

    with archive_bar() as progress:
        table = oracle.read(path, progress)
    check_oracle(table, space)
    return table


search.add_command(gt_nas)
for _method in METHODS:
    search.add_command(_command(_method))
