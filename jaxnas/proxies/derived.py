"""The noise scores, derived from the finished columns of `js` and `jsc`.

A proxy sees one network; these compare a network's scores with and without noise on the images,
ns_a = 1 - |js~ - js~_a|, where js~ is js rescaled to [0, 1] by the lowest and highest value of all
four js columns over the finished table, or by constants given by the user (then js~ may leave
[0, 1]; it is not clipped). So with the table's own range the value of a cell depends on which
other cells are in the table. `jsc` lies in [0, 1] and is not rescaled. Source: "Improving Zero-Shot
Neural Architecture Search with Parameters Scoring", section 3.2 (SNS to MNJSC).

What makes a table is handed `DERIVED` and need know no score's name:

    constants = DERIVED.constants(names, columns, given)   # of the table, to be kept with it
    values = DERIVED.compute(name, columns, constants)     # for each name in DERIVED.requires
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import checked, ranges

Columns: TypeAlias = Mapping[str, NDArray[np.float64]]
"""Column name → values [N], NaN where absent."""

Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Constant:
    """Numbers that derived scores share and that a table is made with.

    Attributes:
        name: by which they are given, and kept with the table.
        requires: the columns that they are found from.
        find: from those columns to the numbers, or None where they say nothing.
        check: raises ValueError unless a user's numbers are what they should be.
    """

    name: str
    requires: tuple[str, ...]
    find: Callable[[Columns], Range | None]
    check: Callable[[Range], None]


@dataclass(frozen=True)
class Derived:
    """A score made of other columns of the finished table.

    Attributes:
        requires: the columns that it needs, its constant's among them.
        formula: from those columns and the constant to the values [N].
        constant: the constant that it uses, if any.
    """

    requires: tuple[str, ...]
    formula: Callable[[Columns, Range | None], NDArray[np.float64]]
    constant: Constant | None = None


@dataclass(frozen=True)
class DerivedScores:
    """All derived scores, as what makes a table needs them.

    Attributes:
        scores: by name, in the order of a table's columns.
        requires: name → the columns that the score needs.
    """

    scores: Mapping[str, Derived]
    requires: Mapping[str, tuple[str, ...]] = field(init=False)

    def __post_init__(self) -> None:
        requires = {name: score.requires for name, score in self.scores.items()}
        object.__setattr__(self, "requires", requires)

    def with_bases(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The columns and those that derived ones among them need, without repetitions."""
        given = tuple(columns)
        bases = (base for name in given for base in self.requires.get(name, ()))
        return tuple(dict.fromkeys((*given, *bases)))

    def constants(
        self,
        names: Iterable[str],
        columns: Columns,
        given: Mapping[str, Range | None] | None = None,
    ) -> dict[str, Range | None]:
        """The constants that a table is made with.

        Args:
            names: the table's scores.
            columns: its values; those that the derived scores among them require.
            given: the user's constants by name; None for the table's own.

        Returns:
            Every constant there is by name: None where none of the scores uses it, or where the
            columns say nothing.

        Raises:
            ValueError: a constant is not what it should be.
        """
        given = {name: value for name, value in (given or {}).items() if value is not None}
        self.check(given)
        used = {s.constant.name for n, s in self.scores.items() if n in set(names) and s.constant}
        return {
            name: (given[name] if name in given else constant.find(columns))
            if name in used
            else None
            for name, constant in self._every_constant().items()
        }

    def check(self, given: Mapping[str, Range | None]) -> None:
        """Raises ValueError unless constants that are given are known and what they should be."""
        every = self._every_constant()
        for name, value in given.items():
            if name not in every:
                raise ValueError(
                    f"constants of derived scores: expected some of {', '.join(every)}, got {name}"
                )
            if value is not None:
                every[name].check(value)

    def compute(
        self, name: str, columns: Columns, constants: Mapping[str, Range | None]
    ) -> NDArray[np.float64]:
        """One derived score for many networks.

        Args:
            name: a key of `requires`.
            columns: column name → values [N]; those that `requires` names.
            constants: of the table, from `constants`.

        Returns:
            Values [N]; not finite where a value they need is not.
        """
        score = self.scores[name]
        constant = constants[score.constant.name] if score.constant else None
        return score.formula({base: columns[base] for base in score.requires}, constant)

    def _every_constant(self) -> dict[str, Constant]:
        return {s.constant.name: s.constant for s in self.scores.values() if s.constant}


_JS = ("js", "js_n0.1", "js_n10", "js_n100")
_JSC = ("jsc", "jsc_n0.1", "jsc_n10", "jsc_n100")


def js_range(columns: Columns) -> Range | None:
    """Lowest and highest finite value of the four js columns.

    Returns:
        (low, high), or None where there is no finite value.
    """
    values = np.concatenate([columns[name] for name in _JS])
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def check_range(noise_range: Range) -> None:
    """Raises ValueError unless the user's constants are finite and rising."""
    low, high = checked("noise_range", noise_range, tuple[ranges.Finite, ranges.Finite])
    if not low < high:
        raise ValueError(
            f"noise_range: expected two finite numbers, low < high, got {low} and {high}; give the "
            "lowest and the highest js"
        )


NOISE_RANGE = Constant("noise_range", _JS, js_range, check_range)
"""The lowest and highest js, by which js is rescaled."""


def _noise_score(clean: str, noisy: tuple[str, ...], times_clean: bool = False) -> Derived:
    """The product of ns_a over the noisy columns, and of the clean one where that is a factor.

    NaN throughout where js is rescaled and its range is None or of no width: then js says nothing.
    Each score that rescales js needs all four js columns, so that its range does not depend on
    which other scores were asked for.
    """
    rescaled = clean == "js"

    def formula(columns: Columns, limits: Range | None) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = {
                base: _rescale(columns[base], limits) if rescaled else columns[base]
                for base in (clean, *noisy)
            }
            result = scaled[clean] if times_clean else np.ones_like(scaled[clean])
            for name in noisy:
                result = result * (1 - np.abs(scaled[clean] - scaled[name]))
        return result

    if rescaled:
        return Derived(_JS, formula, NOISE_RANGE)
    return Derived((clean, *noisy), formula)


DERIVED = DerivedScores(
    {
        "sns": _noise_score("js", ("js_n0.1",)),
        "snsc": _noise_score("jsc", ("jsc_n0.1",)),
        "lns": _noise_score("js", ("js_n10",)),
        "lnsc": _noise_score("jsc", ("jsc_n10",)),
        "mnjs": _noise_score("js", _JS[1:], times_clean=True),
        "mnjsc": _noise_score("jsc", _JSC[1:], times_clean=True),
    }
)
"""sns = ns_0.1, lns = ns_10, mnjs = js~ · ns_0.1 · ns_10 · ns_100; with a c at the end of jsc."""


def _rescale(values: NDArray[np.float64], limits: Range | None) -> NDArray[np.float64]:
    if limits is None or limits[0] >= limits[1]:
        return np.full_like(values, np.nan)
    low, high = limits
    return (values - low) / (high - low)
