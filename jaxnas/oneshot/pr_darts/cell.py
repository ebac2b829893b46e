"""What PR-DARTS asks of a space: the edges of a cell, and what kind of operation each column is."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from jaxnas.networks.supernet import Supernet


class Cell(NamedTuple):
    """A kind of cell, whose gates are [E, K], edges by ops.

    Attributes:
        edges: (source node, target node) of each row.
        ops: K.
        skip: column of the skip connection.
        pooling: columns of the poolings.
        parameterised: columns of the ops that have weights wherever they stand.
    """

    edges: tuple[tuple[int, int], ...]
    ops: int
    skip: int
    pooling: tuple[int, ...]
    parameterised: tuple[int, ...]

    @property
    def consecutive(self) -> tuple[int, ...]:
        """Rows of the edges between neighbouring nodes, on which the longest path runs."""
        return tuple(e for e, (source, target) in enumerate(self.edges) if target == source + 1)


Kinds: TypeAlias = Sequence[Cell]
"""The kinds of cell of a space, in the order in which their rows follow each other in β."""


def cells_of(supernet: Supernet) -> Kinds:
    """The kinds of cell of a supernet.

    The skip of stride 2 in DARTS' reduction cell has weights, but is a skip.
    """
    (skip,) = supernet.skips
    kind = (supernet.ops, skip, supernet.pools, supernet.convolutions)
    return tuple(Cell(edges, *kind) for edges in supernet.cells)
