"""The NAS-Bench-201 network as pure Flax modules.

`Network` takes the cell's six operations as data: one compiled program serves all 15,625 cells.
`CellNetwork` is the same network specialised to one cell, with plain layers and plain autodiff; its
parameters are those of `Network` that the cell uses, under the same names and with the same values
for the same key of `init`.

Source: Dong & Yang, "NAS-Bench-201", ICLR 2020, section 2.1.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jax import lax

from jaxnas.networks import initialisers, layers
from jaxnas.networks.initialisers import Initialisation, Initialiser
from jaxnas.networks.layers import BatchNormMode
from jaxnas.networks.modules import BatchNorm, Classifier, Conv, Norm, scale_and_shift
from jaxnas.networks.nb201.switch_cell import EdgeParams, switch_cell
from jaxnas.spaces.nb201 import EDGES, Op
from jaxnas.types import Array, Params, Path

KERNEL_OF = {Op.CONV1X1: "conv1x1", Op.CONV3X3: "conv3x3"}


class ScaleAndShift(nn.Module):
    """Holds the parameters of an edge's batch normalisation."""

    channels: int
    dtype: Any

    @nn.compact
    def __call__(self) -> tuple[Array, Array]:
        return scale_and_shift(self, self.channels, self.dtype)


class Kernel(nn.Module):
    """Holds the kernel of an operation; zero unless `used`."""

    size: int
    channels: int
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, used: Array) -> Array:
        shape = (self.size, self.size, self.channels, self.channels)

        def draw(key: Array) -> Array:
            kernel = self.init_kernel(key, shape, self.dtype)
            return jnp.where(used, kernel, jnp.zeros_like(kernel))

        return self.param("kernel", draw)


class Edge(nn.Module):
    """Holds the parameters that an edge may need."""

    channels: int
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, op: Array) -> EdgeParams:
        def kernel(op_code: Op, size: int) -> Array:
            holder = Kernel(
                size, self.channels, self.init_kernel, self.dtype, name=KERNEL_OF[op_code]
            )
            return holder(op == op_code)

        scale, shift = ScaleAndShift(self.channels, self.dtype, name="bn")()
        return EdgeParams(kernel(Op.CONV1X1, 1), kernel(Op.CONV3X3, 3), scale, shift)


class SwitchCell(nn.Module):
    """A cell whose operations are data: `ops` int [6]."""

    mode: BatchNormMode
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, ops: Array) -> Array:
        params = tuple(
            Edge(x.shape[-1], self.init_kernel, self.dtype, name=f"edge{e}")(ops[e])
            for e in range(len(EDGES))
        )
        return switch_cell(self.mode, ops, x, params)


class PlainEdge(nn.Module):
    """An edge of a known operation with parameters: ReLU, convolution, batch normalisation."""

    op: Op
    mode: BatchNormMode
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels, size = x.shape[-1], 1 if self.op == Op.CONV1X1 else 3
        x = nn.Conv(
            channels,
            (size, size),
            padding=size // 2,
            use_bias=False,
            kernel_init=self.init_kernel,
            param_dtype=self.dtype,
            precision=lax.Precision.HIGHEST,
            name=KERNEL_OF[self.op],
        )(nn.relu(x))
        scale, shift = ScaleAndShift(channels, self.dtype, name="bn")()
        axes = (0, 1, 2) if self.mode == "batch" else (1, 2)
        if self.mode == "frozen":
            mean, variance = jnp.zeros((), x.dtype), jnp.ones((), x.dtype)
        else:
            mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        return (x - mean) / jnp.sqrt(variance + layers.BN_EPSILON) * scale + shift


class PlainCell(nn.Module):
    """A cell of known operations."""

    ops: tuple[int, ...]
    mode: BatchNormMode
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        nodes = [x, *(jnp.zeros_like(x) for _ in range(3))]
        for e, ((source, target), op) in enumerate(zip(EDGES, self.ops, strict=True)):
            match Op(op):
                case Op.NONE:
                    continue
                case Op.SKIP:
                    y = nodes[source]
                case Op.POOL:
                    y = nn.avg_pool(
                        nodes[source], (3, 3), padding=((1, 1), (1, 1)), count_include_pad=False
                    )
                case op:
                    y = PlainEdge(op, self.mode, self.init_kernel, self.dtype, name=f"edge{e}")(
                        nodes[source]
                    )
            nodes[target] = nodes[target] + y
        return nodes[3]


class ResidualBlock(nn.Module):
    """Halves the image and doubles the channels."""

    norm: Norm
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        batch, height, width, channels = x.shape

        def conv(size: int, name: str, stride: int = 1) -> Conv:
            return Conv(2 * channels, size, self.init_kernel, self.dtype, stride, name=name)

        y = self.norm(name="bn1")(conv(3, "conv1", 2)(nn.relu(x)))
        y = self.norm(name="bn2")(conv(3, "conv2")(nn.relu(y)))
        halved = x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))
        return y + conv(1, "shortcut")(halved)


class Skeleton(nn.Module):
    """All but the cells."""

    num_classes: int = 10
    init_scheme: Initialisation = "pytorch"
    dtype: Any = jnp.float32
    channels: int = 16
    depth: int = 5

    def logits(self, x: Array, norm: Norm, cell: Callable[[Array, str], Array]) -> Array:
        """Logits [B, num_classes] of a network of such cells, each called with its name."""
        kernel = initialisers.KERNELS[self.init_scheme]
        x = Conv(self.channels, 3, kernel, self.dtype, name="stem_conv")(x)
        x = norm(name="stem_bn")(x)
        for stage in range(3):
            if stage:
                x = ResidualBlock(norm, kernel, self.dtype, name=f"residual{stage}")(x)
            for i in range(self.depth):
                x = cell(x, f"stage{stage}_cell{i}")
        x = nn.relu(norm(name="last_bn")(x)).mean((1, 2))
        return Classifier(self.num_classes, self.init_scheme, self.dtype, name="classifier")(x)


class Network(Skeleton):
    """The network of any cell: the operations are an argument, int [6].

    The parameters have a place for every operation an edge may have; those of operations that the
    cell does not have are zero and get a gradient of exactly zero.

    Attributes:
        num_classes: width of the output.
        bn: mode of batch normalisation, "batch", "example" or "frozen".
        init_scheme: "pytorch", "he" or "xavier".
        dtype: of parameters and computation, as the images'.
        channels: channels of the first stage.
        depth: cells in each of the three stages.
    """

    bn: BatchNormMode = "batch"

    @nn.compact
    def __call__(self, x: Array, ops: Array) -> Array:
        """Logits [B, num_classes] of images x [B, H, W, 3], H and W multiples of 4."""
        kernel = initialisers.KERNELS[self.init_scheme]
        return self.logits(
            x,
            partial(BatchNorm, self.bn, self.dtype),
            lambda x, name: SwitchCell(self.bn, kernel, self.dtype, name=name)(x, ops),
        )

    def forward_order(self) -> tuple[Path, ...]:
        """Paths of the tensors with two or more axes, from the input to the output."""
        return tuple(self._forward_order())

    def _forward_order(self) -> Iterator[Path]:
        yield "stem_conv", "kernel"
        for stage in range(3):
            if stage:
                for conv in ("conv1", "conv2", "shortcut"):
                    yield f"residual{stage}", conv, "kernel"
            for i in range(self.depth):
                for e in range(len(EDGES)):
                    for conv in KERNEL_OF.values():
                        yield f"stage{stage}_cell{i}", f"edge{e}", conv, "kernel"
        yield "classifier", "kernel"


class CellNetwork(Skeleton):
    """The network of one cell, `ops`: six of the space's operations. Attributes as `Network`'s."""

    ops: tuple[int, ...] = (0,) * 6
    bn: BatchNormMode = "batch"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Logits [B, num_classes] of images x [B, H, W, 3], H and W multiples of 4."""
        kernel = initialisers.KERNELS[self.init_scheme]
        return self.logits(
            x,
            partial(BatchNorm, self.bn, self.dtype),
            lambda x, name: PlainCell(self.ops, self.bn, kernel, self.dtype, name=name)(x),
        )


def used_parameters(params: Params, ops: Any) -> Params:
    """For each parameter of `Network`, whether the cell uses it: a tree of bool like it.

    Args:
        params: the parameters, or their shapes.
        ops: the cell, int [6], concrete or traced.
    """

    def used(path: tuple[Any, ...], _: Any) -> Any:
        keys = [entry.key for entry in path]
        edge = next((key for key in keys if key.startswith("edge")), None)
        if edge is None:
            return True
        op = ops[int(edge.removeprefix("edge"))]
        if keys[-2] == "bn":
            return (op == Op.CONV1X1) | (op == Op.CONV3X3)
        return op == {name: code for code, name in KERNEL_OF.items()}[keys[-2]]

    return jax.tree_util.tree_map_with_path(used, params)


def cell_parameters(params: Params, ops: Sequence[int]) -> Params:
    """The parameters of `CellNetwork(ops)` among those of `Network`."""
    used = flatten_dict(used_parameters(params, tuple(ops)))
    kept = {path: leaf for path, leaf in flatten_dict(params).items() if used[path]}
    return unflatten_dict(kept)
