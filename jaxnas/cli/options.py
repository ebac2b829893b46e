"""Options that several commands have."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click

NoiseRange = tuple[float, float] | None


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
