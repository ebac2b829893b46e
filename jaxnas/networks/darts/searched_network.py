"""The DARTS space as a search on a supernet sees it."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from numpy.typing import NDArray

from jaxnas.networks.darts.supernet_module import PerKind, SupernetModule
from jaxnas.networks.supernet import Found, Rule, Supernet
from jaxnas.spaces import darts
from jaxnas.spaces.space import Sizes
from jaxnas.types import Array

_RULES: dict[Rule, darts.Rule] = {
    "every-edge": darts.every_edge,
    "top-edges": darts.top_edges,
    "top-pairs": darts.top_pairs,
}


def supernet(sizes: Sizes, *, num_classes: int, dtype: DTypeLike = jnp.float32) -> Supernet:
    """The supernet of the DARTS space: 28 edges, 8 operations.

    Args:
        sizes: channels of the first cell, an even number, and cells in all.
        num_classes: classes of the images.
        dtype: type of parameters and computation.

    Raises:
        ValueError: there is no such network.
    """
    darts.check_network(num_classes, *sizes, image_size=4)
    half = len(darts.EDGES)
    position = {edge: e for e, edge in enumerate(darts.EDGES)}

    def ops_of(genes: tuple[darts.Gene, ...]) -> list[int]:
        ops = [int(darts.Op.NONE)] * half
        # The heavier gene of a node comes first, and stays.
        for op, source, target in reversed(darts.edges_of(genes)):
            ops[position[source, target]] = int(op)
        return ops

    def discretised(weights: NDArray[Any], rule: Rule) -> Found:
        genotype = darts.discretise(weights[:half], weights[half:], _RULES[rule])
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

    return Supernet(
        name="darts",
        edges=2 * half,
        cells=2 * (darts.EDGES,),
        op_names=darts.OPS,
        none=darts.Op.NONE,
        skips=(darts.Op.SKIP_CONNECT,),
        pools=(darts.Op.MAX_POOL_3X3, darts.Op.AVG_POOL_3X3),
        convolutions=tuple(darts.KERNEL_SIZE),
        network=SupernetModule(
            num_classes=num_classes, channels=sizes.channels, depth=sizes.depth, dtype=dtype
        ),
        named=named,
        discretised=discretised,
        draw=lambda key: jax.vmap(draw_cell)(jax.random.split(key)).reshape(-1),
        of_cells=lambda values: PerKind(values[:half], values[half:]),
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
