"""Options that several commands have."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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

# An option's name and type, its value in `training.Settings` and in `training.DartsSettings` (None
# where that has no such field), and its help.
_Field = tuple[str, Any, float | None, float | None, str]
FIELDS: tuple[_Field, ...] = (
    ("--epochs", _COUNT, 12, 600, "Passes over the training images; NAS-Bench-201 has 12 and 200."),
    ("--batch-size", _COUNT, 256, 96, "Images of a step."),
    ("--learning-rate", float, 0.1, 0.025, "Of the first epoch; a cosine falls from it to 0."),
    ("--momentum", float, 0.9, 0.9, "Of SGD, Nesterov's for cells."),
    ("--weight-decay", float, 5e-4, 3e-4, "Of all parameters."),
    ("--gradient-clip", float, 0, 5, "Largest norm of the gradient; 0 for any."),
    ("--cutout", click.IntRange(min=0), 0, 16, "Side of the square blanked in training images."),
    ("--channels", _COUNT, 16, 36, "Channels of the first cells."),
    ("--cells-per-stage", _COUNT, 5, None, "Cells in each of three stages."),
    ("--layers", _COUNT, None, 20, "Cells of a genotype's network."),
    ("--drop-path", float, None, 0.2, "Its probability at the end, to which it rises from 0."),
    ("--auxiliary-weight", float, None, 0.4, "Of the auxiliary head's loss; 0 for no such head."),
    (
        "--valid-fraction",
        float,
        0.2,
        0,
        "Part of each class of the training images that is held out for validation; "
        "NAS-Bench-201's cifar10-valid holds out 0.5.",
    ),
)


def recipe(*, genotypes: bool) -> tuple[Callable[[Any], Any], ...]:
    """The options of a training; those left out are None, for the settings to fill in.

    Args:
        genotypes: with those of genotypes' networks too.
    """
    found = []
    for name, kind, cells, darts, text in FIELDS:
        if cells is None and not genotypes:
            continue
        defaults = [] if cells is None else [f"{cells:g}"]
        if genotypes and darts not in (None, cells):
            defaults.append(f"{darts:g} for genotypes")
        note = f"{text}  [default: {', '.join(defaults)}]"
        found.append(click.option(name, type=kind, help=note))
    return tuple(found)


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the user has given."""
    return {name: value for name, value in values.items() if value is not None}


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
