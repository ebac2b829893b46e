"""The noise scores, derived from the finished columns of `js` and `jsc`.

A proxy sees one network; these compare a network's scores with and without noise on the images,
ns_a = 1 - |js~ - js~_a|, where js~ is js rescaled to [0, 1] by the lowest and highest value of all
four js columns over the finished table, or by constants given by the user (then js~ may leave
[0, 1]; it is not clipped). So with the table's own range the value of a cell depends on which
other cells are in the table. `jsc` lies in [0, 1] and is not rescaled. From seeds/002.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from jaxnas.results.records import ResultsError

_JS = ("js", "js_n0.1", "js_n10", "js_n100")
_JSC = ("jsc", "jsc_n0.1", "jsc_n10", "jsc_n100")

# Name → the score without noise, those with noise, and whether the former is a factor itself.
_FORMULAS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "sns": ("js", ("js_n0.1",), False),
    "snsc": ("jsc", ("jsc_n0.1",), False),
    "lns": ("js", ("js_n10",), False),
    "lnsc": ("jsc", ("jsc_n10",), False),
    "mnjs": ("js", _JS[1:], True),
    "mnjsc": ("jsc", _JSC[1:], True),
}

# Derived score → the columns that it needs. Each score that rescales js needs all four js columns,
# so that its range does not depend on which other scores were asked for.
REQUIRES: dict[str, tuple[str, ...]] = {
    name: _JS if clean == "js" else (clean, *noisy) for name, (clean, noisy, _) in _FORMULAS.items()
}

# The derived scores that use a noise range.
RESCALED: tuple[str, ...] = tuple(name for name, bases in REQUIRES.items() if bases == _JS)


def with_bases(columns: Iterable[str]) -> tuple[str, ...]:
    """The columns and those that derived ones among them need, without repetitions."""
    given = tuple(columns)
    bases = (base for name in given for base in REQUIRES.get(name, ()))
    return tuple(dict.fromkeys((*given, *bases)))


def js_range(columns: Mapping[str, NDArray[np.float64]]) -> tuple[float, float] | None:
    """Lowest and highest finite value of the four js columns.

    Args:
        columns: column name → values [N], NaN where absent.

    Returns:
        (low, high), or None where there is no finite value.
    """
    values = np.concatenate([columns[name] for name in _JS])
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def check_range(noise_range: tuple[float, float]) -> None:
    """Raises ResultsError unless the user's constants are finite and rising."""
    low, high = noise_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ResultsError(
            f"The noise range: expected two finite numbers, low < high, got {low} and {high}."
        )


def derive(
    name: str,
    columns: Mapping[str, NDArray[np.float64]],
    noise_range: tuple[float, float] | None,
) -> NDArray[np.float64]:
    """One derived score for many networks.

    ``sns`` = ns_0.1, ``lns`` = ns_10, ``mnjs`` = js~ · ns_0.1 · ns_10 · ns_100; those that end in
    ``c`` are the same with jsc for js~.

    Args:
        name: a key of `REQUIRES`.
        columns: column name → values [N]; those that `REQUIRES` names.
        noise_range: (low, high) of js; unused for jsc.

    Returns:
        Values [N]; not finite where a value they need is not, and NaN throughout where js is
        rescaled and the range is None or of no width: then js says nothing.
    """
    clean_name, noisy_names, times_clean = _FORMULAS[name]
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = {
            base: _rescale(columns[base], noise_range) if name in RESCALED else columns[base]
            for base in (clean_name, *noisy_names)
        }
        clean = scaled[clean_name]
        result = clean if times_clean else np.ones_like(clean)
        for noisy in noisy_names:
            result = result * (1 - np.abs(clean - scaled[noisy]))
    return result


def _rescale(
    values: NDArray[np.float64], noise_range: tuple[float, float] | None
) -> NDArray[np.float64]:
    if noise_range is None or noise_range[0] >= noise_range[1]:
        return np.full_like(values, np.nan)
    low, high = noise_range
    return (values - low) / (high - low)
