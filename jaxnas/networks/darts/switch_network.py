"""The network of any genotype: the architecture is an argument, so one program serves all of them.

A cell is a loop over its eight edges, the slots of a genotype: each takes its source from what is
computed already and switches to its operation. Every operation has its parameters in every slot, a
stack of eight of each; those of operations that a genotype does not have get a gradient of zero.

Source: Liu, Simonyan & Yang, "DARTS", ICLR 2019, section 3.2: what `EvaluationNetwork` is in
training, without auxiliary head and drop path.
"""

import functools
from collections.abc import Iterator
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxnas.networks import initialisers
from jaxnas.networks.darts import layers
from jaxnas.networks.darts.network import Entry, ReducedEntry
from jaxnas.networks.darts.operations import DILATION, factorised_reduction, in_layout, stacked
from jaxnas.networks.darts.operations import kernel_shapes as shapes_of
from jaxnas.networks.initialisers import Initialisation, Initialiser
from jaxnas.networks.layers import BatchNormMode
from jaxnas.networks.modules import Classifier, Conv, scale_and_shift
from jaxnas.networks.supernet_edges import Edge, add_edges, switched
from jaxnas.spaces.darts import (
    NODES,
    OPS,
    STEM_MULTIPLIER,
    TWICE,
    CellShape,
    Op,
    cell_shapes,
    check_network,
)
from jaxnas.spaces.darts.space import TARGETS
from jaxnas.types import Array, Tensor

SLOTS = len(TARGETS)

_INPUTS = NODES[0]
_FIRST_INNER = TARGETS.index(NODES[1])
"""Before this slot no edge can lead from a node."""

AllParams = dict[str, dict[str, Array]]
"""Parameters of all operations on one edge: by operation, by name."""


class SwitchNetwork(nn.Module):
    """The stacked network of any genotype.

    Attributes:
        num_classes: width of the output.
        bn: mode of batch normalisation, "batch", "example" or "frozen".
        init_scheme: "pytorch", "he" or "xavier".
        dtype: of parameters and computation, as the images'.
        channels: of the first cell, an even number.
        depth: cells in all; those at 1/3 and 2/3 of the depth are reductions.
    """

    num_classes: int = 10
    bn: BatchNormMode = "batch"
    init_scheme: Initialisation = "pytorch"
    dtype: Any = jnp.float32
    channels: int = 16
    depth: int = 8

    @nn.compact
    def __call__(self, x: Array, code: Array) -> Array:
        """Logits [B, num_classes].

        Args:
            x: images [B, H, W, 3], H and W multiples of 4.
            code: the genotype, int [32], as `jaxnas.spaces.darts.space.Darts.encode` has it.

        Raises:
            ValueError: if there is no such network.
        """
        check_network(self.num_classes, self.channels, self.depth, x.shape[1])
        genes = genes_of(code)
        kernel = initialisers.KERNELS[self.init_scheme]
        stem = Conv(STEM_MULTIPLIER * self.channels, 3, kernel, self.dtype, name="stem_conv")(x)
        stem = layers.from_images(stem)
        before = last = ModeNorm(self.bn, self.dtype, name="stem_bn")(stem)
        for i, shape in enumerate(cell_shapes(self.channels, self.depth)):
            cell = SwitchCell(shape, self.bn, kernel, self.dtype, name=f"cell{i}")
            before, last = last, cell(before, last, *genes[int(shape.reduction)])
        classifier = Classifier(self.num_classes, self.init_scheme, self.dtype, name="classifier")
        return classifier(last.mean((1, 2)).T)

    def tensors(self) -> Iterator[Tensor]:
        """Tensors with two or more axes from the input to the output, all operations in a slot."""
        yield Tensor(("stem_conv", "kernel"))
        for i, shape in enumerate(cell_shapes(self.channels, self.depth)):
            entries = [("entry0", ("even", "odd") if shape.halve_first else ("pointwise",))]
            for entry, names in (*entries, ("entry1", ("pointwise",))):
                for name in names:
                    yield Tensor((f"cell{i}", entry, name), output_axis=0)
            for slot in range(SLOTS):
                for op in Op:
                    for name in shapes_of(op, shape.channels, _stride(shape)):
                        yield Tensor((f"cell{i}", OPS[op], name), slot, 0)
        yield Tensor(("classifier", "kernel"))


def genes_of(code: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """`Op` and source of each slot, int [8] each, of the normal and of the reduction cell.

    Args:
        code: int [32], of NumPy or of JAX.
    """
    (normal, normal_sources), (reduce, reduce_sources) = code.reshape(2, SLOTS, 2).swapaxes(1, 2)
    return (normal + 1, normal_sources), (reduce + 1, reduce_sources)


def _stride(shape: CellShape) -> int:
    return 2 if shape.reduction else 1


class ModeNorm(nn.Module):
    """Batch normalisation of [C, H, W, B] with scale and shift, in one of three modes."""

    mode: BatchNormMode
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return layers.batch_norm(x, *scale_and_shift(self, x.shape[0], self.dtype), self.mode)


class SwitchCell(nn.Module):
    """A cell whose operations and sources are data, int [8] each."""

    shape: CellShape
    mode: BatchNormMode
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, before: Array, last: Array, ops: Array, sources: Array) -> Array:
        channels, stride = self.shape.channels, _stride(self.shape)
        common = (channels, partial(ModeNorm, self.mode, self.dtype), self.init_kernel, self.dtype)
        entry = ReducedEntry if self.shape.halve_first else Entry
        inputs = jnp.stack(
            [entry(*common, name="entry0")(before), Entry(*common, name="entry1")(last)]
        )
        params = {
            OPS[op]: Stack(op, channels, stride, self.init_kernel, self.dtype, name=OPS[op])()
            for op in Op
            if parameter_shapes(op, channels, stride)
        }
        walk = _walk_reduction if self.shape.reduction else _walk_normal
        nodes = walk(self.mode, ops, sources, inputs, params)
        return nodes.reshape(-1, *nodes.shape[2:])


class Stack(nn.Module):
    """Holds the parameters of an operation in each slot [8, ...]."""

    op: Op
    channels: int
    stride: int
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self) -> dict[str, Array]:
        inits = {"scale": nn.initializers.ones, "shift": nn.initializers.zeros}
        kernel = stacked(in_layout(self.init_kernel))
        return {
            name: self.param(name, inits.get(name[:5], kernel), (SLOTS, *shape), self.dtype)
            for name, shape in parameter_shapes(self.op, self.channels, self.stride).items()
        }


def parameter_shapes(op: Op, channels: int, stride: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of an operation's parameters: kernels, then scale and shift of each norm."""
    kernels = shapes_of(op, channels, stride)
    norms = 2 if op in TWICE else int(bool(kernels))
    vectors = {f"{name}{i}": (channels,) for i in range(norms) for name in ("scale", "shift")}
    return kernels | vectors


def _walk_normal(
    mode: BatchNormMode, ops: Array, sources: Array, inputs: Array, params: AllParams
) -> Array:
    """The four nodes of a normal cell, of its two inputs [2, C, H, W, B]."""
    nodes = jnp.zeros((len(NODES), *inputs.shape[1:]), inputs.dtype)
    states = jnp.concatenate([inputs, nodes])
    ends = sources, _targets()
    return add_edges(partial(_edge, mode, 1), ends, ops, None, states, params)[_INPUTS:]


def _walk_reduction(
    mode: BatchNormMode, ops: Array, sources: Array, inputs: Array, params: AllParams
) -> Array:
    """The four nodes of a reduction cell; edges that lead from its inputs have stride 2.

    Those are walked first, then those between nodes; in each walk the others are `none`.
    """
    none, outer = jnp.asarray(Op.NONE, ops.dtype), sources < _INPUTS
    targets = _targets() - _INPUTS
    like = inputs[0, :, ::2, ::2]
    nodes = jnp.zeros((len(NODES), *like.shape), like.dtype)
    ends = jnp.where(outer, sources, 0), targets
    from_inputs = jnp.where(outer, ops, none)
    nodes = add_edges(partial(_edge, mode, 2), ends, from_inputs, inputs, nodes, params)
    # Between nodes the skip is the identity.
    kept = {name: stack for name, stack in params.items() if name != OPS[Op.SKIP_CONNECT]}
    between = (jnp.where(outer, 0, sources - _INPUTS), targets), jnp.where(outer, none, ops), kept
    ends, from_nodes, own = jax.tree.map(lambda stack: stack[_FIRST_INNER:], between)
    return add_edges(partial(_edge, mode, 1), ends, from_nodes, None, nodes, own)


def _targets() -> Array:
    return jnp.asarray(TARGETS, jnp.int32)


def _edge(mode: BatchNormMode, stride: int, op: Array, x: Array, params: AllParams) -> Array:
    """One operation of an image [C, H, W, B], by its code."""
    return switched(_branches(mode, stride), op, x, params)


@functools.cache
def _branches(mode: BatchNormMode, stride: int) -> tuple[Edge, ...]:
    return tuple(partial(_operation, op, stride, mode) for op in Op)


def _operation(op: Op, stride: int, mode: BatchNormMode, x: Array, params: AllParams) -> Array:
    match op:
        case Op.NONE:
            return jnp.zeros_like(x[:, ::stride, ::stride])
        case Op.MAX_POOL_3X3:
            return layers.max_pool(x, stride)
        case Op.AVG_POOL_3X3:
            return layers.avg_pool(x, stride)
        case Op.SKIP_CONNECT if stride == 1:
            return x
    own = params[OPS[op]]
    if op == Op.SKIP_CONNECT:
        halved = factorised_reduction(x, own)
        return layers.batch_norm(halved, own["scale0"], own["shift0"], mode)
    dilation = DILATION.get(op, 1)
    for i in range(2 if op in TWICE else 1):
        x = layers.relu_depthwise(x, own[f"depthwise{i}"], stride if i == 0 else 1, dilation)
        x = layers.pointwise(x, own[f"pointwise{i}"])
        x = layers.batch_norm(x, own[f"scale{i}"], own[f"shift{i}"], mode)
    return x
