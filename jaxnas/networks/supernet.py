"""A space as a search on a supernet sees it: edges, operations, one network, one notation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from numpy.typing import NDArray

from jaxnas.types import Array, Params

Rule = Literal["every-edge", "top-edges", "top-pairs"]
"""Which edges and operations of the DARTS space stay, see `jaxnas.spaces.darts.discretise`; cells
that keep every edge take the operation of largest weight whatever the rule."""


class Found(NamedTuple):
    """A discrete architecture.

    Attributes:
        ops: operation of each edge; of two that a genotype has on one edge the heavier.
        notation: the field's: an arch string of NAS-Bench-201, a genotype of DARTS.
    """

    ops: tuple[int, ...]
    notation: str


@dataclass(frozen=True)
class Supernet:
    """The supernet of a space of E edges with K operations each.

    The DARTS space has the edges of its normal cell first, then those of its reduction cell.

    Attributes:
        name: the space's.
        edges: E.
        cells: (source node, target node) of each edge, kind of cell by kind of cell.
        op_names: K names; an operation's code is its position.
        none: code of the operation that cuts the edge.
        skips: codes of the identity.
        pools: codes of pooling.
        convolutions: codes of operations with parameters wherever they are.
        network: its Flax module.
        named: the architecture of operations [E].
        discretised: the architecture of weights [E, K] by a rule.
        draw: key → operations int32 [E], uniform over the architectures that random search with
            shared weights draws from.
        of_cells: values by edge [E, ...] → those of each kind of cell, as the supernet takes them.
    """

    name: str
    edges: int
    cells: tuple[tuple[tuple[int, int], ...], ...]
    op_names: tuple[str, ...]
    none: int
    skips: tuple[int, ...]
    pools: tuple[int, ...]
    convolutions: tuple[int, ...]
    network: nn.Module
    named: Callable[[tuple[int, ...]], Found]
    discretised: Callable[[NDArray[Any], Rule], Found]
    draw: Callable[[Array], Array]
    of_cells: Callable[[Array], Any]

    @property
    def ops(self) -> int:
        """K."""
        return len(self.op_names)

    def init(self, key: Array, image_size: int) -> Params:
        """Parameters of the supernet for square images."""
        dtype = self.network.dtype  # type: ignore[attr-defined]
        x = jnp.zeros((2, image_size, image_size, 3), dtype)
        ops = self.of_cells(jnp.zeros(self.edges, jnp.int32))
        weights = self.of_cells(jnp.zeros((self.edges, self.ops), dtype))
        # One compiled program; of the forward pass nothing stays in it.
        return jax.jit(self.network.init)(key, x, weights, ops)["params"]

    def logits(self, params: Params, x: Array, weights: Array, ops: Array | None = None) -> Array:
        """Logits [B, classes] of images [B, H, W, 3].

        Args:
            params: of the supernet.
            x: images.
            weights: [E, K], of the operations, used as they are.
            ops: None for the sum of all operations by weight; int [E] to compute these alone, the
                other weights, which should be zero, added bare (`jaxnas.estimators.add_bare`).
        """
        of_cells = self.of_cells
        apply: Any = self.network.apply
        logits: Array = apply(
            {"params": params}, x, of_cells(weights), None if ops is None else of_cells(ops)
        )
        return logits

    def count_skips(self, ops: tuple[int, ...]) -> int:
        """How many edges are the identity."""
        return sum(op in self.skips for op in ops)
