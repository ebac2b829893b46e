"""The spaces as a search on a supernet sees them: edges, operations, one network, one notation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from numpy.typing import NDArray

from jaxnas.networks import darts as darts_networks
from jaxnas.networks.nb201 import supernet as nb201_supernet
from jaxnas.oneshot.recipe import Rule
from jaxnas.spaces import darts, nb201
from jaxnas.types import Array, Params

_DARTS_RULES: dict[Rule, darts.Rule] = {
    "every-edge": darts.every_edge,
    "top-edges": darts.top_edges,
    "top-pairs": darts.top_pairs,
}


class Found(NamedTuple):
    """A discrete architecture.

    Attributes:
        ops: of each edge; of two that a genotype has on one edge the heavier.
        notation: the field's: an arch string of NAS-Bench-201, a genotype of DARTS.
    """

    ops: tuple[int, ...]
    notation: str


@dataclass(frozen=True)
class Space:
    """A space of E edges with K operations each, and its supernet.

    The DARTS space has the edges of its normal cell first, then those of its reduction cell.

    Attributes:
        name: "nb201" or "darts".
        edges: E.
        cells: (source node, target node) of each edge, kind of cell by kind of cell.
        op_names: K names; an operation's code is its position.
        none: code of the operation that cuts the edge.
        skips: codes of the identity.
        pools: codes of pooling.
        convolutions: codes of operations with parameters wherever they are.
        network: the supernet.
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


def nb201_space(
    num_classes: int, channels: int = 16, cells: int = 5, dtype: DTypeLike = jnp.float32
) -> Space:
    """NAS-Bench-201: 6 edges, 5 operations.

    Args:
        num_classes: of the images.
        channels: of the first stage.
        cells: in each of the three stages.
        dtype: of parameters and computation.
    """

    def named(ops: tuple[int, ...]) -> Found:
        return Found(tuple(int(op) for op in ops), nb201.ops_to_arch(ops))

    def discretised(weights: NDArray[Any], rule: Rule) -> Found:
        del rule
        return named(tuple(np.asarray(weights).argmax(1).tolist()))

    into = jnp.asarray([[target == node for _, target in nb201.EDGES] for node in (1, 2, 3)])

    def draw(key: Array) -> Array:
        """Drawn again until every node has an input, as the benchmark's code does."""

        def lacks_input(drawn: tuple[Array, Array]) -> Array:
            alive = drawn[1] != nb201.Op.NONE
            return ~jnp.all(jnp.any(into & alive, axis=1))

        def again(drawn: tuple[Array, Array]) -> tuple[Array, Array]:
            key, own = jax.random.split(drawn[0])
            return key, jax.random.randint(own, (len(nb201.EDGES),), 0, len(nb201.OPS), jnp.int32)

        none = jnp.full(len(nb201.EDGES), nb201.Op.NONE, jnp.int32)
        return jax.lax.while_loop(lacks_input, again, (key, none))[1]

    return Space(
        name="nb201",
        edges=len(nb201.EDGES),
        cells=(nb201.EDGES,),
        op_names=nb201.OPS,
        none=nb201.Op.NONE,
        skips=(nb201.Op.SKIP,),
        pools=(nb201.Op.POOL,),
        convolutions=(nb201.Op.CONV1X1, nb201.Op.CONV3X3),
        network=nb201_supernet.Supernet(
            num_classes=num_classes, stem_channels=channels, cells_per_stage=cells, dtype=dtype
        ),
        named=named,
        discretised=discretised,
        draw=draw,
        of_cells=lambda values: values,
    )


def darts_space(
    num_classes: int, channels: int = 16, cells: int = 8, dtype: DTypeLike = jnp.float32
) -> Space:
    """The DARTS space: 28 edges, 8 operations.

    Args:
        num_classes: of the images.
        channels: of the first cell, an even number.
        cells: in all, two of them reductions.
        dtype: of parameters and computation.

    Raises:
        ValueError: there is no such network.
    """
    darts.check_network(num_classes, channels, cells, image_size=4)
    half = len(darts.EDGES)
    position = {edge: e for e, edge in enumerate(darts.EDGES)}

    def ops_of(genes: tuple[darts.Gene, ...]) -> list[int]:
        ops = [int(darts.Op.NONE)] * half
        # The heavier gene of a node comes first, and stays.
        for op, source, target in reversed(darts.edges_of(genes)):
            ops[position[source, target]] = int(op)
        return ops

    def discretised(weights: NDArray[Any], rule: Rule) -> Found:
        genotype = darts.discretise(weights[:half], weights[half:], _DARTS_RULES[rule])
        return Found((*ops_of(genotype.normal), *ops_of(genotype.reduce)), str(genotype))

    def named(ops: tuple[int, ...]) -> Found:
        genes = [_genes(ops[:half]), _genes(ops[half:])]
        genotype = darts.Genotype(genes[0], darts.NODES, genes[1], darts.NODES)
        return Found(tuple(int(op) for op in ops), str(genotype))

    targets = jnp.asarray([target for _, target in darts.EDGES])

    def draw_cell(key: Array) -> Array:
        """Two inputs of each node and their operations, but for `none`."""
        at_edges, at_ops = jax.random.split(key)
        order = jax.random.uniform(at_edges, (half,))
        ahead = (targets[:, None] == targets) & (order[:, None] > order)
        ops = jax.random.randint(at_ops, (half,), 1, len(darts.OPS), jnp.int32)
        return jnp.where(ahead.sum(1) < 2, ops, jnp.int32(darts.Op.NONE))

    return Space(
        name="darts",
        edges=2 * half,
        cells=2 * (darts.EDGES,),
        op_names=darts.OPS,
        none=darts.Op.NONE,
        skips=(darts.Op.SKIP_CONNECT,),
        pools=(darts.Op.MAX_POOL_3X3, darts.Op.AVG_POOL_3X3),
        convolutions=tuple(darts.KERNEL_SIZE),
        network=darts_networks.Supernet(
            num_classes=num_classes, channels=channels, cells=cells, dtype=dtype
        ),
        named=named,
        discretised=discretised,
        draw=lambda key: jax.vmap(draw_cell)(jax.random.split(key)).reshape(-1),
        of_cells=lambda values: darts_networks.PerKind(values[:half], values[half:]),
    )


def _genes(ops: tuple[int, ...]) -> tuple[darts.Gene, ...]:
    """Two genes a node where two of its edges are not `none`, otherwise all edges."""
    every = tuple((darts.OPS[op], edge[0]) for op, edge in zip(ops, darts.EDGES, strict=True))
    alive = [
        (gene, edge[1])
        for gene, edge, op in zip(every, darts.EDGES, ops, strict=True)
        if op != darts.Op.NONE
    ]
    two_each = [target for _, target in alive] == [node for node in darts.NODES for _ in range(2)]
    return tuple(gene for gene, _ in alive) if two_each else every


SPACES: dict[str, Callable[..., Space]] = {"nb201": nb201_space, "darts": darts_space}
"""Makers of spaces by name: of the number of classes, channels, cells and dtype."""
