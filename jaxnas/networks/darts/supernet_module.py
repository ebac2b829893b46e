"""The supernet of the DARTS space: every edge a weighted sum of the eight operations.

The same parameters serve two ways of computing it: the mixture of all operations, and sampled
architectures, of which nothing but the sampled operations is computed.

Source: Liu, Simonyan & Yang, "DARTS", ICLR 2019, section 2.2 and 3.1: batch normalisation uses the
batch's statistics and has neither scale nor shift within cells, and follows the poolings as well.
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxnas.networks import initialisers
from jaxnas.networks.darts import layers
from jaxnas.networks.darts.edges import mixed_edge, sampled_edge
from jaxnas.networks.darts.operations import (
    factorised_reduction,
    in_layout,
    kernel_shapes,
    stacked,
)
from jaxnas.networks.initialisers import Initialisation, Initialiser
from jaxnas.networks.modules import BatchNorm, Classifier, Conv
from jaxnas.networks.supernet_edges import add_edges, ends_of
from jaxnas.spaces.darts import (
    EDGES,
    NODES,
    OPS,
    STEM_MULTIPLIER,
    CellShape,
    Op,
    cell_shapes,
    check_network,
)
from jaxnas.types import Array


class PerKind(NamedTuple):
    """Something of each of the two kinds of cell."""

    normal: Array
    reduce: Array


class SupernetModule(nn.Module):
    """Logits of the weighted or of the sampled network.

    Attributes:
        num_classes: width of the output.
        channels: of the first cell, an even number.
        depth: cells in all; those at 1/3 and 2/3 of the depth are reductions.
        init_scheme: "pytorch", "he" or "xavier".
        dtype: of parameters and computation, as the images'.
    """

    num_classes: int = 10
    channels: int = 16
    depth: int = 8
    init_scheme: Initialisation = "pytorch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, weights: PerKind, ops: PerKind | None = None) -> Array:
        """Logits [B, num_classes] of images x [B, H, W, 3], H and W multiples of 4.

        Args:
            x: images.
            weights: of the operations, [14, 8] for each kind of cell, in the order of `EDGES` and
                `Op`. They are used as they are: no softmax, and any number of them may be zero.
            ops: None for the sum of all operations by weight. Otherwise the sampled operation of
                each edge, int [14] for each kind: only that one is computed and multiplied by its
                weight, and the other weights, which should be zero, are added bare. So it is the
                same function, but for its gradient by those weights; see
                `jaxnas.networks.supernet_edges.other_weights`.

        Raises:
            ValueError: if there is no such network, or weights or operations of another shape.
        """
        check_network(self.num_classes, self.channels, self.depth, x.shape[1])
        _check_shapes(weights, ops)
        kernel = initialisers.KERNELS[self.init_scheme]
        stem = STEM_MULTIPLIER * self.channels
        x = Conv(stem, 3, kernel, self.dtype, name="stem_conv")(x)
        x = BatchNorm("batch", self.dtype, name="stem_bn")(x)
        before = last = layers.from_images(x)
        for i, shape in enumerate(cell_shapes(self.channels, self.depth)):
            kind = "reduce" if shape.reduction else "normal"
            cell = Cell(shape, kernel, self.dtype, name=f"cell{i}")
            output = cell(before, last, getattr(weights, kind), ops and getattr(ops, kind))
            before, last = last, output
        pooled = last.mean((1, 2)).T
        return Classifier(self.num_classes, self.init_scheme, self.dtype, name="classifier")(pooled)


def _check_shapes(weights: PerKind, ops: PerKind | None) -> None:
    for kind in PerKind._fields:
        shape = jnp.shape(getattr(weights, kind))
        if shape != (len(EDGES), len(OPS)):
            raise ValueError(
                f"Weights of the {kind} cell: expected shape [{len(EDGES)}, {len(OPS)}], edges by "
                f"operations, got {list(shape)}."
            )
        if ops is not None and jnp.shape(getattr(ops, kind)) != (len(EDGES),):
            raise ValueError(
                f"Operations of the {kind} cell: expected shape [{len(EDGES)}], one for each edge, "
                f"got {list(jnp.shape(getattr(ops, kind)))}."
            )


class Cell(nn.Module):
    """A cell of the supernet."""

    shape: CellShape
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, before: Array, last: Array, weights: Array, ops: Array | None) -> Array:
        inputs = jnp.stack(
            [
                self._entry("entry0", before, halve=self.shape.halve_first),
                self._entry("entry1", last, halve=False),
            ]
        )
        stride = 2 if self.shape.reduction else 1
        like = inputs[:, :, ::stride, ::stride]
        nodes = jnp.zeros((len(NODES), *like.shape[1:]), like.dtype)
        rest = (self.init_kernel, self.dtype)
        if self.shape.reduction:
            nodes = SuperEdges(_OUTER, 2, *rest, name="outer")(inputs, nodes, weights, ops)
            nodes = SuperEdges(_INNER, 1, *rest, name="inner")(None, nodes, weights, ops)
        else:
            states = jnp.concatenate([inputs, nodes])
            states = SuperEdges(_ALL, 1, *rest, name="edges")(None, states, weights, ops)
            nodes = states[len(inputs) :]
        return nodes.reshape(-1, *nodes.shape[2:])

    def _entry(self, name: str, x: Array, *, halve: bool) -> Array:
        """Brings an input to the cell's width and size."""
        channels, inputs = self.shape.channels, x.shape[0]
        init = in_layout(self.init_kernel)
        if halve:
            half = (channels // 2, inputs)
            pair = {part: self.param(f"{name}_{part}", init, half, self.dtype) for part in _HALVES}
            return layers.standardise(factorised_reduction(x, pair))
        kernel = self.param(name, init, (channels, inputs), self.dtype)
        return layers.standardise(layers.pointwise(jax.nn.relu(x), kernel))


_HALVES = ("even", "odd")


class Edges(NamedTuple):
    """Edges of a cell, each after those that lead to its source.

    Attributes:
        rows: positions in `EDGES`.
        ends: (source, target) of each, positions among the images that it leads from and to.
    """

    rows: tuple[int, ...]
    ends: tuple[tuple[int, int], ...]


_INPUTS = NODES[0]
_ALL = Edges(tuple(range(len(EDGES))), EDGES)
_OUTER = Edges(
    tuple(e for e, (source, _) in enumerate(EDGES) if source < _INPUTS),
    tuple((source, target - _INPUTS) for source, target in EDGES if source < _INPUTS),
)
_INNER = Edges(
    tuple(e for e, (source, _) in enumerate(EDGES) if source >= _INPUTS),
    tuple((source - _INPUTS, target - _INPUTS) for source, target in EDGES if source >= _INPUTS),
)


class SuperEdges(nn.Module):
    """Edges of one stride, with all operations; the kernels of an operation are one parameter."""

    edges: Edges
    stride: int
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(
        self, inputs: Array | None, nodes: Array, weights: Array, ops: Array | None
    ) -> Array:
        rows = np.asarray(self.edges.rows)
        init = stacked(in_layout(self.init_kernel))
        channels = nodes.shape[1]
        kernels = tuple(
            {
                name: self.param(f"{OPS[op]}_{name}", init, (len(rows), *shape), self.dtype)
                for name, shape in kernel_shapes(op, channels, self.stride).items()
            }
            for op in Op
        )
        edge = partial(mixed_edge if ops is None else sampled_edge, self.stride)
        own = None if ops is None else ops[rows]
        return add_edges(edge, ends_of(self.edges.ends), own, inputs, nodes, kernels, weights[rows])
