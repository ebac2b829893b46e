"""A table that a user sees, as data: the terminal prints it, CSV and pages keep it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Row = Mapping[str, Any]
"""Values by name; None or NaN where there is none."""


class Column(NamedTuple):
    """A column as the terminal shows it.

    Attributes:
        heading: what is over it, with the unit.
        text: a row's cell.
        right: whether it is aligned to the right, as numbers are.
    """

    heading: str
    text: Callable[[Row], str]
    right: bool = False


@dataclass(frozen=True)
class Report:
    """A table: rows of values, how they are shown, and what is said about them.

    Attributes:
        rows: the values, all with the same names; CSV has all of them, in full.
        columns: what the terminal shows.
        title: the line above; empty for none.
        notes: lines below.
    """

    rows: Sequence[Row]
    columns: Sequence[Column]
    title: str = ""
    notes: Sequence[str] = ()
