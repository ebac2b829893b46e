"""Search spaces: what an architecture is, how it is written, and what it costs.

`SPACES` has every space by its name; each fulfils the protocol `Space`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from jaxnas.checks import quoted, unknown
from jaxnas.spaces.darts.space import Darts
from jaxnas.spaces.nb201.space import NB201
from jaxnas.spaces.selection import select
from jaxnas.spaces.space import CellGraph, Counts, GraphEdge, Sizes, Space

__all__ = [
    "DEFAULT",
    "SPACES",
    "CellGraph",
    "Counts",
    "GraphEdge",
    "Sizes",
    "Space",
    "find",
    "select",
]

SPACES: Mapping[str, Space] = MappingProxyType({"nb201": NB201(), "darts": Darts()})
"""Every space by its name."""

DEFAULT = SPACES["nb201"]
"""The space where none is named."""


def find(space: str | Space) -> Space:
    """A space by its name, or the space itself.

    Raises:
        ValueError: there is none of this name.
    """
    if not isinstance(space, str):
        if not hasattr(space, "notation"):
            raise ValueError(
                f"space: expected one of {', '.join(SPACES)}, or a space, got {quoted(space)}"
            )
        return space
    if space not in SPACES:
        raise ValueError(unknown("space", space, SPACES))
    return SPACES[space]
