"""What PR-DARTS asks of a space: the edges of a cell, and what kind of operation each column is."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from jaxnas.spaces import darts, nb201


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


Space: TypeAlias = Sequence[Cell]
"""The kinds of cell of a space, in the order in which their rows follow each other in β."""

NB201: Space = (
    Cell(
        nb201.EDGES,
        len(nb201.OPS),
        nb201.Op.SKIP,
        (nb201.Op.POOL,),
        (nb201.Op.CONV1X1, nb201.Op.CONV3X3),
    ),
)

DARTS: Space = 2 * (
    Cell(
        darts.EDGES,
        len(darts.OPS),
        darts.Op.SKIP_CONNECT,
        (darts.Op.MAX_POOL_3X3, darts.Op.AVG_POOL_3X3),
        tuple(darts.KERNEL_SIZE),
    ),
)
"""Normal and reduction; β is [28, 8]. The skip of stride 2 has weights, but is a skip."""
