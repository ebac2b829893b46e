"""Numbers within ranges that are said: whole ones, real ones, yes or no, one of several words."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterable
from typing import Any

from jaxnas.checks.words import quoted, unknown

LARGEST = 2**63 - 1
"""The largest whole number that tables, seeds and devices hold."""


def whole(name: str, value: Any, least: int = 0, most: int = LARGEST, why: str = "") -> int:
    """A whole number as Python's int; numpy's and 0-d integer arrays will do, 1.0 and True not.

    Args:
        name: what it is, which opens the sentence.
        value: what came.
        least: the smallest that is taken.
        most: the largest.
        why: a remark on the range, as in "expected a whole number of at least 2, <why>".

    Raises:
        ValueError: it is no whole number, or not within the range.
    """
    try:
        number = None if _is_flag(value) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        expected = f"a whole number {_range(str(least), str(most), most == LARGEST)}"
        raise ValueError(_refusal(name, expected + (f", {why}" if why else ""), value))
    return number


def real(
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """A finite number as Python's float.

    Args:
        name: what it is, which opens the sentence.
        value: what came.
        low: the smallest that is taken.
        high: the largest.
        above: whether it must be above `low`, not only from there.
        below: whether it must be below `high`.

    Raises:
        ValueError: it is no number, NaN or infinite, or not within the range.
    """
    number = _float(value)
    inside = (
        math.isfinite(number)
        and (low < number if above else low <= number)
        and (number < high if below else number <= high)
    )
    if not inside:
        bounds = [f"{'above' if above else 'from'} {low:g}"] if low > -math.inf else []
        bounds += [f"{'below' if below else 'up to'} {high:g}"] if high < math.inf else []
        raise ValueError(_refusal(name, " ".join(["a finite number", *bounds]), value))
    return number


def flag(name: str, value: Any) -> bool:
    """True or False, and nothing that only counts as one of them.

    Raises:
        ValueError: it is neither.
    """
    if not _is_flag(value):
        raise ValueError(_refusal(name, "True or False", value))
    return bool(value)


def one_of(name: str, value: Any, known: Iterable[str]) -> str:
    """A word, which is one of those that are known.

    Raises:
        ValueError: it is none of them.
    """
    words = tuple(known)
    if not isinstance(value, str):
        raise ValueError(_refusal(name, f"one of {', '.join(words)}", value))
    if value not in words:
        raise ValueError(unknown(name, value, words))
    return value


def several_whole(
    name: str, values: Any, least: int = 0, most: int = LARGEST, *, empty: bool = False
) -> tuple[int, ...]:
    """Whole numbers, each as by `whole`, without repetitions, in their order.

    Args:
        name: what they are.
        values: an iterable; neither text nor a number on its own.
        least: the smallest that is taken.
        most: the largest.
        empty: whether there may be none.

    Raises:
        ValueError: it is no sequence of such numbers, or is empty.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ValueError(_refusal(name, "a sequence of whole numbers such as [0, 1]", values))
    found = tuple(dict.fromkeys(whole(name, value, least, most) for value in values))
    if not found and not empty:
        raise ValueError(f"{name}: expected at least one, got none; give one")
    return found


def _is_flag(value: Any) -> bool:
    """Whether a value is Python's or numpy's True or False."""
    return isinstance(value, bool) or (
        type(value).__name__ in ("bool", "bool_") and hasattr(value, "dtype")
    )


def _float(value: Any) -> float:
    """A number as a float, NaN where it is none."""
    if _is_flag(value):
        return math.nan
    try:
        if isinstance(value, numbers.Real):
            return float(value)
        # An array of one number and no axes, such as a jax.Array.
        return float(value) if getattr(value, "shape", None) == () else math.nan
    except (OverflowError, TypeError, ValueError):
        return math.nan


def _range(least: str, most: str, open_end: bool) -> str:
    return f"of at least {least}" if open_end else f"from {least} to {most}"


def _refusal(name: str, expected: str, value: Any) -> str:
    return f"{name}: expected {expected}, got {quoted(value)}"
