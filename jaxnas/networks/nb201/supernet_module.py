"""The supernet of NAS-Bench-201: every edge a weighted sum of the five operations.

The same parameters serve the mixture of all operations and sampled architectures, of which nothing
but the sampled operations is computed. Batch normalisation uses the batch's statistics; in the
cells it has neither scale nor shift, as in the benchmark's search code.

Source: Dong & Yang, "NAS-Bench-201", ICLR 2020, section 2.1 and the released search code.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxnas.networks import initialisers, layers
from jaxnas.networks.initialisers import Initialiser
from jaxnas.networks.modules import BatchNorm
from jaxnas.networks.nb201.network import Skeleton
from jaxnas.networks.supernet_edges import add_edges, ends_of, sampled_edge
from jaxnas.spaces.nb201 import EDGES, OPS, Op
from jaxnas.types import Array

_SIZES = {Op.CONV1X1: 1, Op.CONV3X3: 3}
_OUTPUT = EDGES[-1][1]

Kernels = dict[Op, Array]
"""Kernels [k, k, C, C] of an edge's two convolutions."""


class SupernetModule(Skeleton):
    """Logits of the weighted or of the sampled network.

    Attributes:
        num_classes: width of the output.
        init_scheme: "pytorch", "he" or "xavier".
        dtype: of parameters and computation, as the images'.
        channels: channels of the first stage.
        depth: cells in each of the three stages.
    """

    @nn.compact
    def __call__(self, x: Array, weights: Array, ops: Array | None = None) -> Array:
        """Logits [B, num_classes] of images x [B, H, W, 3], H and W multiples of 4.

        Args:
            x: images.
            weights: of the operations, [6, 5] in the order of `EDGES` and `Op`, used as they are.
            ops: None for the sum of all operations by weight; otherwise the sampled operation of
                each edge, int [6]: only that one is computed and multiplied by its weight, and the
                other weights, which should be zero, are added bare. So it is the same function,
                but for its gradient by those weights; see
                `jaxnas.networks.supernet_edges.other_weights`.

        Raises:
            ValueError: if weights or operations have another shape.
        """
        if jnp.shape(weights) != (len(EDGES), len(OPS)):
            raise ValueError(
                f"Weights of the cell: expected shape [{len(EDGES)}, {len(OPS)}], edges by "
                f"operations, got {list(jnp.shape(weights))}."
            )
        if ops is not None and jnp.shape(ops) != (len(EDGES),):
            raise ValueError(
                f"Operations of the cell: expected shape [{len(EDGES)}], one for each edge, got "
                f"{list(jnp.shape(ops))}."
            )
        kernel = initialisers.KERNELS[self.init_scheme]

        def cell(x: Array, name: str) -> Array:
            return SuperCell(kernel, self.dtype, name=name)(x, weights, ops)

        return self.logits(x, partial(BatchNorm, "batch", self.dtype), cell)


class SuperCell(nn.Module):
    """A cell of the supernet."""

    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, weights: Array, ops: Array | None) -> Array:
        channels = x.shape[-1]
        edges: list[Kernels] = [
            {
                op: self.param(
                    f"edge{e}_{OPS[op]}",
                    self.init_kernel,
                    (size, size, channels, channels),
                    self.dtype,
                )
                for op, size in _SIZES.items()
            }
            for e in range(len(EDGES))
        ]
        if ops is None:
            return _mixture(x, edges, weights)
        kernels = jax.tree.map(lambda *own: jnp.stack(own), *edges)
        nodes = jnp.concatenate([x[None], jnp.zeros((_OUTPUT, *x.shape), x.dtype)])
        edge = partial(sampled_edge, _BRANCHES)
        return add_edges(edge, ends_of(EDGES), ops, None, nodes, kernels, weights)[_OUTPUT]


def _mixture(x: Array, edges: list[Kernels], weights: Array) -> Array:
    """The cell's output; the convolutions of all edges that leave one node are computed as one."""
    nodes = {0: x}
    for source in range(_OUTPUT):
        rows = [e for e, edge in enumerate(EDGES) if edge[0] == source]
        x, width = nodes[source], nodes[source].shape[-1]
        active, pooled = jax.nn.relu(x), layers.avg_pool(x)
        convolved = []
        for op in _SIZES:
            y = layers.conv(active, jnp.concatenate([edges[e][op] for e in rows], 3))
            scale = jnp.repeat(weights[jnp.array(rows), op], width)
            convolved.append(layers.batch_norm(y, scale, jnp.zeros_like(scale), "batch"))
        total = convolved[0] + convolved[1]
        for i, e in enumerate(rows):
            term = total[..., i * width : (i + 1) * width]
            term = term + weights[e, Op.SKIP] * x + weights[e, Op.POOL] * pooled
            target = EDGES[e][1]
            nodes[target] = nodes[target] + term if target in nodes else term
    return nodes[_OUTPUT]


def _conv_branch(op: Op, x: Array, kernels: Kernels, weight: Array) -> Array:
    y = layers.conv(jax.nn.relu(x), kernels[op])
    scale = jnp.broadcast_to(weight, y.shape[-1:])
    return layers.batch_norm(y, scale, jnp.zeros_like(scale), "batch")


_BRANCHES = (
    lambda x, kernels, weight: jnp.zeros_like(x),
    lambda x, kernels, weight: weight * x,
    partial(_conv_branch, Op.CONV1X1),
    partial(_conv_branch, Op.CONV3X3),
    lambda x, kernels, weight: weight * layers.avg_pool(x),
)
