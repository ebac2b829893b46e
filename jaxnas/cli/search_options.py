"""Options of every search on a benchmark's table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click

DATASETS = ("cifar10", "cifar100", "imagenet16-120")

_Command: TypeAlias = Callable[..., None]


def table_options(runs: int, *, required: bool = True) -> Callable[[_Command], _Command]:
    """Adds the options of `search_report.Common`, but for `out`.

    Args:
        runs: by default.
        required: whether the table and the data set are.
    """
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
            type=click.Choice(DATASETS),
            help="Whose accuracies are reported; may be given several times.",
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
