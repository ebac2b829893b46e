"""Searches by gradient on a benchmark's table; the part of `jaxnas.search` that needs JAX."""

from jaxnas.search.by_gradient.curves import Rows, curve_rows
from jaxnas.search.by_gradient.searching import (
    Curves,
    concatenate,
    evaluations,
    search_by_gradient,
    steps_of,
)

__all__ = [
    "Curves",
    "Rows",
    "concatenate",
    "curve_rows",
    "evaluations",
    "search_by_gradient",
    "steps_of",
]
