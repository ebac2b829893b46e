"""Axes on which both the bulk of some values and their tails are seen, with round ticks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

# Between the 95 % and the 5 % quantile: a ratio above which an axis is logarithmic.
_LOGARITHMIC = 30.0

# Between the whole range and that of the middle half: a ratio above which the tails are pressed.
_LONG_TAILS = 12.0

# Of ticks, times powers of ten.
_STEPS = (1, 2, 2.5, 5, 10)

# Between two ticks, of the axis's length.
_TICK_DISTANCE = 0.2


def scale_axis(ax: Axes, values: NDArray[np.float64], distance: float = _TICK_DISTANCE) -> None:
    """Scales the axis so that both the bulk of the values and their tails are seen.

    Logarithmic where values of one sign span decades; where the tails are long, the inverse
    hyperbolic sine about the median: linear in the bulk, logarithmic in the tails; else linear.

    Args:
        ax: whose horizontal axis is scaled.
        values: finite, at least one.
        distance: least distance of two ticks, as a part of the axis.
    """
    low, near, median, far, high = np.quantile(values, [0, 0.05, 0.5, 0.95, 1]).tolist()
    lower, upper = np.quantile(values, [0.25, 0.75]).tolist()
    bulk = upper - lower
    if near * far > 0 and low * high > 0 and _ratio(near, far) > _LOGARITHMIC:
        if low > 0:
            ax.set_xscale("log")
        else:
            ax.set_xscale("function", functions=(_minus_log, _minus_power))
        _set_ticks(ax, low, high, [], distance)
    elif bulk > 0 and (high - low) / bulk > _LONG_TAILS:
        unit = bulk / 2

        def press(x: Any) -> Any:
            return np.arcsinh((np.asarray(x) - median) / unit)

        def release(x: Any) -> Any:
            return np.sinh(np.asarray(x)) * unit + median

        ax.set_xscale("function", functions=(press, release))
        _set_ticks(ax, low, high, _round_numbers(lower, upper), distance)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(3, steps=_STEPS))
        ax.ticklabel_format(axis="x", scilimits=(-3, 4), useMathText=True)
        ax.xaxis.get_offset_text().set_fontsize(7)


def _ratio(a: float, b: float) -> float:
    return max(abs(a), abs(b)) / min(abs(a), abs(b))


def _minus_log(x: Any) -> Any:
    """Of negative numbers: rises with them, equal steps a decade."""
    return -np.log10(np.maximum(-np.asarray(x, np.float64), np.finfo(np.float64).tiny))


def _minus_power(x: Any) -> Any:
    return -(10.0 ** -np.asarray(x, np.float64))


def _set_ticks(ax: Axes, low: float, high: float, first: list[float], distance: float) -> None:
    """Ticks at round numbers that do not crowd: those of `first`, then powers of ten and 0.

    The outermost powers go before those within.
    """
    transform = ax.xaxis.get_transform()
    ends = np.asarray(transform.transform([low, high]))

    def place(x: float) -> float:
        return float((np.asarray(transform.transform([x]))[0] - ends[0]) / (ends[1] - ends[0]))

    powers = [sign * 10.0**power for sign in (-1, 1) for power in range(-30, 31)]
    powers = [x for x in (*powers, *([0.0] if low < 0 < high else [])) if low <= x <= high]
    taken: list[float] = []
    for x in (*first, *sorted(powers, key=lambda x: -abs(place(x) - 0.5))):
        if all(abs(place(x) - place(other)) >= distance for other in taken):
            taken.append(x)
    ax.xaxis.set_major_locator(FixedLocator(sorted(taken)))
    ax.xaxis.set_major_formatter(FixedFormatter([_tick_label(x) for x in sorted(taken)]))
    ax.xaxis.set_minor_locator(NullLocator())


def _round_numbers(low: float, high: float) -> list[float]:
    """A few round numbers within a range, those in its middle first."""
    ticks = MaxNLocator(3, steps=_STEPS).tick_values(low, high)
    within = [float(x) for x in ticks if low <= x <= high]
    return sorted(within, key=lambda x: abs(x - (low + high) / 2))


def _tick_label(value: float) -> str:
    power = math.log10(abs(value)) if value else 0.5
    if power.is_integer() and not -2 <= power <= 2:
        return f"${'-' if value < 0 else ''}10^{{{power:.0f}}}$"
    return short(value)


def short(value: float) -> str:
    """Three digits, as "−67.2", "−1.03e3" or "2.5e−4"."""
    text = f"{value:.3g}" if value == 0 or abs(value) >= 0.01 else f"{value:.2e}"
    digits, e, power = text.partition("e")
    if e:
        digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
        text = f"{digits}e{int(power)}"
    return text.replace("-", "−")
