"""Options of every search on a benchmark's table."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeAlias

import click
from click.core import ParameterSource

DATASETS = ("cifar10", "cifar100", "imagenet16-120")

_Command: TypeAlias = Callable[..., None]


def table_options(
    runs: int,
    *,
    required: bool = True,
    images: bool = False,
) -> Callable[[_Command], _Command]:
    """Adds the options of `search_report.Common`, but for `out`.

    Args:
        runs: by default.
        required: whether the table and the data set are.
        images: whether the data set may be images too; which one it is, is then not checked.
    """
    reported = "Whose accuracies are reported; may be given several times."
    of_images = " With --space the images, as for `jaxnas train`." if images else ""
    options = (
        click.option(
            "--oracle",
            required=required,
            type=click.Path(path_type=Path),
            metavar="PATH",
            help="A table of accuracies and times, or the benchmark's archive.",
        ),
        click.option(
            "--dataset",
            required=required,
            multiple=True,
            type=str if images else click.Choice(DATASETS),
            metavar="NAME_OR_NPZ" if images else None,
            help=reported + of_images,
        ),
        click.option(
            "--search-on",
            type=click.Choice(DATASETS),
            help="Whose rewards and times the search sees; NAS-Bench-201's authors: cifar10.  "
            "[default: the data set reported]",
        ),
        click.option(
            "--runs", type=click.IntRange(min=1), default=runs, show_default=True, help="Searches."
        ),
        click.option(
            "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all runs."
        ),
    )

    def add(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def given(ctx: click.Context, name: str) -> bool:
    """Whether the user has given the option of this name."""
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def refuse(ctx: click.Context, names: Collection[str], why: str) -> None:
    """Raises ValueError if the user has given an option of one of these names."""
    for option in ctx.command.params:
        if option.name in names and given(ctx, option.name):
            raise ValueError(f"{option.opts[0]} {why}")
