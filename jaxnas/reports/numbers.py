"""Numbers as tables show them."""

from __future__ import annotations

import math

MISSING = "-"
"""What stands where a value is undefined."""


def number(value: float) -> str:
    """A score: whole numbers in full, others with six digits, "-" where it is undefined."""
    if math.isnan(value):
        return MISSING
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.6g}"


def text(value: float | None, form: str = ".2f") -> str:
    """A value in a format, empty where there is none, "-" where it is undefined."""
    if value is None:
        return ""
    return MISSING if isinstance(value, float) and math.isnan(value) else format(value, form)


def spread(mean: float | None, deviation: float | None, form: str = ".2f") -> str:
    """A mean with its deviation, as "93.91 ± 0.12"; empty and "-" as in `text`."""
    if mean is None or math.isnan(mean) or deviation is None:
        return text(mean, form)
    return f"{mean:{form}} ± {deviation:{form}}"
