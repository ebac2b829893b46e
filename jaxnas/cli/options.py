"""Options that several commands have."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

NoiseRange = tuple[float, float] | None

_COUNT = click.IntRange(min=1)
_PATH = click.Path(path_type=Path)


def _check(_: click.Context, __: click.Parameter, value: NoiseRange) -> NoiseRange:
    if value and not (all(map(math.isfinite, value)) and value[0] < value[1]):
        raise ValueError(f"--noise-range {value[0]} {value[1]}: expected finite LOW < HIGH")
    return value


noise_range: Callable[[Any], Any] = click.option(
    "--noise-range",
    nargs=2,
    type=float,
    metavar="LOW HIGH",
    callback=_check,
    help="js by which the noise scores (sns, lns, mnjs) are rescaled to [0, 1]; by default the "
    "lowest and highest in the table.",
)

# Of `training.Settings`.
RECIPE = (
    click.option("--epochs", type=_COUNT, default=12, help="NAS-Bench-201 has 12 and 200."),
    click.option("--batch-size", type=_COUNT, default=256, help="Images of a step."),
    click.option("--learning-rate", type=float, default=0.1, help="Of the first epoch."),
    click.option("--channels", type=_COUNT, default=16, help="Channels of the first stage."),
    click.option(
        "--cells-per-stage", type=_COUNT, default=5, help="Cells in each of three stages."
    ),
    click.option(
        "--valid-fraction",
        type=float,
        default=0.2,
        help="Part of each class of the training images that is held out for validation; "
        "NAS-Bench-201's cifar10-valid holds out 0.5.",
    ),
)

# Where a command computes, and from which folders.
MACHINE = (
    click.option("--devices", type=_COUNT, help="At most so many.  [default: all GPUs or cores]"),
    click.option(
        "--data-dir", type=_PATH, help="Folder of the data sets.  [default: user's cache]"
    ),
    click.option("--cache-dir", type=_PATH, help="Compiled programs.  [default: user's cache]"),
    click.option("--no-cache", is_flag=True, help="Keep no compiled programs."),
)


def several(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One decorator of several options, which the help lists in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def refuse_files(*folders: Path | None) -> None:
    """Raises ValueError where a folder is asked for and there is a file."""
    for path in folders:
        if path is not None and path.exists() and not path.is_dir():
            raise ValueError(f"{path} is a file: expected a folder, or a path where there is none")
