"""The supernet of the DARTS space: every edge a weighted sum of the eight operations.

The same parameters serve two ways of computing it: the mixture of all operations, and sampled
architectures, of which nothing but the sampled operations is computed.

Source: Liu, Simonyan & Yang, "DARTS", ICLR 2019, section 2.2 and 3.1: batch normalisation uses the
batch's statistics and has neither scale nor shift within cells, and follows the poolings as well.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxnas.networks import initialisers
from jaxnas.networks.darts import layers
from jaxnas.networks.darts.operations import (
    Kernels,
    before_norm,
    factorised_reduction,
    kernel_shapes,
    stacked,
)
from jaxnas.networks.initialisers import Initialisation, Initialiser
from jaxnas.networks.nb201 import BatchNorm, Classifier, Conv
from jaxnas.networks.nb201_supernet import other_weights
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


class Supernet(nn.Module):
    """Logits of the weighted or of the sampled network.

    Attributes:
        num_classes: width of the output.
        channels: of the first cell, an even number.
        cells: in all; those at 1/3 and 2/3 of the depth are reductions.
        init_scheme: "pytorch", "he" or "xavier".
        dtype: of parameters and computation, as the images'.
    """

    num_classes: int = 10
    channels: int = 16
    cells: int = 8
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
                same function, but for its gradient by those weights; see `other_weights`.

        Raises:
            ValueError: if there is no such network, or weights or operations of another shape.
        """
        check_network(self.num_classes, self.channels, self.cells, x.shape[1])
        _check_shapes(weights, ops)
        kernel = initialisers.KERNELS[self.init_scheme]
        stem = STEM_MULTIPLIER * self.channels
        x = Conv(stem, 3, kernel, self.dtype, name="stem_conv")(x)
        x = BatchNorm("batch", self.dtype, name="stem_bn")(x)
        before = last = layers.from_images(x)
        for i, shape in enumerate(cell_shapes(self.channels, self.cells)):
            kind = "reduce" if shape.reduction else "normal"
            cell = Cell(shape, kernel, self.dtype, name=f"cell{i}")
            output = cell(before, last, getattr(weights, kind), ops and getattr(ops, kind))
            before, last = last, output
        pooled = last[0].mean((1, 2)).T
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
        states = [
            self._entry("entry0", before, halve=self.shape.halve_first),
            self._entry("entry1", last, halve=False),
        ]
        kernels = {op: self._kernels(op) for op in Op}
        compute = partial(_mixture, weights) if ops is None else partial(_sampled, weights, ops)
        return jnp.concatenate(compute(self.shape.reduction, states, kernels), 1)

    def _entry(self, name: str, x: Array, *, halve: bool) -> Array:
        """Brings an input to the cell's width and size."""
        channels, inputs = self.shape.channels, x.shape[1]
        init = stacked(self.init_kernel)
        if halve:
            half = (1, channels // 2, inputs)
            pair = {part: self.param(f"{name}_{part}", init, half, self.dtype) for part in _HALVES}
            return layers.standardise(factorised_reduction(x, pair))
        kernel = self.param(name, init, (1, channels, inputs), self.dtype)
        return layers.standardise(layers.pointwise(jax.nn.relu(x), kernel))

    def _kernels(self, op: Op) -> list[Kernels]:
        """For each of the edges, the operation's kernels [1, ...]; they are stacked parameters."""
        strides = [_stride(self.shape.reduction, source) for source, _ in EDGES]
        shapes = [kernel_shapes(op, self.shape.channels, stride) for stride in strides]
        kernels: list[Kernels] = [{} for _ in EDGES]
        for name in sorted({name for shape in shapes for name in shape}):
            having = [e for e, shape in enumerate(shapes) if name in shape]
            shape = (len(having), *shapes[having[0]][name])
            init = stacked(self.init_kernel)
            parameter = self.param(f"{OPS[op]}_{name}", init, shape, self.dtype)
            # Split rather than indexed: the transpose is one concatenation.
            for e, kernel in zip(having, lax.split(parameter, [1] * len(having)), strict=True):
                kernels[e][name] = kernel
        return kernels


_HALVES = ("even", "odd")


def _stride(reduction: bool, source: int) -> int:
    return 2 if reduction and source < 2 else 1


def _add(total: Array | None, term: Array) -> Array:
    return term if total is None else total + term


def _mixture(
    weights: Array, reduction: bool, states: Sequence[Array], kernels: dict[Op, list[Kernels]]
) -> list[Array]:
    """The four nodes; the edges that leave one node are computed side by side."""
    nodes: dict[int, Array] = dict(enumerate(states))
    for source in range(NODES[-1]):
        rows = [e for e, edge in enumerate(EDGES) if edge[0] == source]
        own = {op: _concatenated([kernels[op][e] for e in rows]) for op in Op}
        x, stride = nodes[source], _stride(reduction, source)
        terms = mixed_edges(stride, x, own, weights[jnp.array(rows)])
        for e, term in zip(rows, lax.split(terms, [1] * len(rows)), strict=True):
            target = EDGES[e][1]
            nodes[target] = _add(nodes.get(target), term)
    return [nodes[node] for node in NODES]


def _concatenated(kernels: list[Kernels]) -> Kernels:
    return {name: jnp.concatenate([own[name] for own in kernels]) for name in kernels[0]}


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def mixed_edges(stride: int, x: Array, kernels: dict[Op, Kernels], weights: Array) -> Array:
    """Sums of all operations by weight on the edges that leave x, computed anew for gradients.

    What the operations of a whole network save for the backward pass takes tens of GB.

    Args:
        stride: 1 or 2.
        x: [1, C, H, W, B].
        kernels: of each operation, stacked over the edges.
        weights: [E, 8].

    Returns:
        [E, C, H / stride, W / stride, B].
    """
    return _weighted_sum(stride, x, kernels, weights)


_MixedResiduals = tuple[Array, dict[Op, Kernels], Array]


def _mixed_edges_forward(
    stride: int, x: Array, kernels: dict[Op, Kernels], weights: Array
) -> tuple[Array, _MixedResiduals]:
    # Not `mixed_edges`: what has a derivative of its own has none of a forward pass's.
    return _weighted_sum(stride, x, kernels, weights), (x, kernels, weights)


def _mixed_edges_backward(stride: int, residuals: _MixedResiduals, dy: Array) -> tuple[Any, ...]:
    # Not before its turn: XLA would compute everything at once and hold it all.
    (x, *others), dy = lax.optimization_barrier((residuals, dy))
    _, pull = jax.vjp(partial(_weighted_sum, stride), x, *others)
    return pull(dy)  # type: ignore[no-any-return]


mixed_edges.defvjp(_mixed_edges_forward, _mixed_edges_backward)


def _weighted_sum(stride: int, x: Array, kernels: dict[Op, Kernels], weights: Array) -> Array:
    total: Array | None = None
    for op in Op:
        if op == Op.NONE:
            continue
        weight = weights[:, op, None]
        if op == Op.SKIP_CONNECT and stride == 1:
            term = x * weight[..., None, None, None]
        elif kernel_shapes(op, x.shape[1], stride):
            y = before_norm(op, x, kernels[op], stride)
            scale = jnp.broadcast_to(weight, y.shape[:2])
            term = layers.batch_norm(y, scale, jnp.zeros_like(scale))
        else:  # Pools have no parameters: all edges share them.
            pooled = layers.standardise(before_norm(op, x, {}, stride))
            term = pooled * weight[..., None, None, None]
        total = _add(total, term)
    assert total is not None
    return total


def _sampled(
    weights: Array,
    ops: Array,
    reduction: bool,
    states: Sequence[Array],
    kernels: dict[Op, list[Kernels]],
) -> list[Array]:
    """The four nodes, one operation on each edge."""
    nodes: dict[int, Array] = dict(enumerate(states))
    for e, (source, target) in enumerate(EDGES):
        own = tuple(kernels[op][e] for op in Op)
        stride = _stride(reduction, source)
        term = sampled_edge(stride, ops[e], nodes[source], own, weights[e, ops[e]])
        term = term + other_weights(weights[e], ops[e])
        nodes[target] = _add(nodes.get(target), term)
    return [nodes[node] for node in NODES]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def sampled_edge(
    stride: int, op: Array, x: Array, kernels: tuple[Kernels, ...], weight: Array
) -> Array:
    """One operation by its weight; the others are not computed, nor is anything saved for them.

    Args:
        stride: 1 or 2.
        op: int [], code of the operation.
        x: [1, C, H, W, B].
        kernels: of all eight operations, in the order of `Op`.
        weight: [].
    """
    y: Array = lax.switch(op, _branches(stride), x, kernels, weight)
    return y


def _branches(stride: int) -> list[Any]:
    def none(x: Array, kernels: tuple[Kernels, ...], weight: Array) -> Array:
        return jnp.zeros_like(x[:, :, ::stride, ::stride])

    def branch(op: Op) -> Any:
        def compute(x: Array, kernels: tuple[Kernels, ...], weight: Array) -> Array:
            if op == Op.SKIP_CONNECT and stride == 1:
                return x * weight
            y = before_norm(op, x, kernels[op], stride)
            scale = jnp.broadcast_to(weight, y.shape[:2])
            return layers.batch_norm(y, scale, jnp.zeros_like(scale))

        return compute

    return [none, *(branch(op) for op in Op if op != Op.NONE)]


_Residuals = tuple[Array, Array, tuple[Kernels, ...], Array]


def _sampled_edge_forward(
    stride: int, op: Array, x: Array, kernels: tuple[Kernels, ...], weight: Array
) -> tuple[Array, _Residuals]:
    y: Array = lax.switch(op, _branches(stride), x, kernels, weight)
    return y, (op, x, kernels, weight)


def _sampled_edge_backward(stride: int, residuals: _Residuals, dy: Array) -> tuple[Any, ...]:
    """Switches again and computes the operation anew: a switch saves what any branch would."""
    op, *primals = residuals

    def gradient_of(branch: Any) -> Any:
        return lambda dy, *primals: jax.vjp(branch, *primals)[1](dy)

    branches = [gradient_of(branch) for branch in _branches(stride)]
    return None, *lax.switch(op, branches, dy, *primals)


sampled_edge.defvjp(_sampled_edge_forward, _sampled_edge_backward)
