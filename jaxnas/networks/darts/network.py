"""The evaluation network of a DARTS genotype: what is trained once the search is over.

Source: Liu, Simonyan & Yang, "DARTS", ICLR 2019, section 3.2 and the released code: batch
normalisation with scale and shift, none after poolings; drop path on every operation that is not
the identity; an auxiliary head after the second reduction.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxnas.networks import initialisers
from jaxnas.networks.darts import layers
from jaxnas.networks.darts.operations import DILATION, factorised_reduction, in_layout
from jaxnas.networks.initialisers import Initialisation, Initialiser
from jaxnas.networks.layers import BN_EPSILON
from jaxnas.networks.modules import Classifier, Conv, Norm
from jaxnas.spaces.darts import (
    KERNEL_SIZE,
    STEM_MULTIPLIER,
    TWICE,
    CellShape,
    Genotype,
    Op,
    cell_shapes,
    check_network,
    edges_of,
)
from jaxnas.types import Array

MOMENTUM = 0.1
"""How far running statistics move to those of a batch, as PyTorch's default."""

_AUXILIARY_WIDTHS = (128, 768)


class BatchNorm(nn.Module):
    """Batch normalisation of [C, H, W, B] by the batch's or by running statistics.

    The running ones, in the collection `batch_stats`, move where that is mutable; the variance they
    move to is the unbiased one.
    """

    train: bool
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[0]
        scale = self.param("scale", nn.initializers.ones, (channels,), self.dtype)
        shift = self.param("shift", nn.initializers.zeros, (channels,), self.dtype)
        mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), self.dtype)
        variance = self.variable("batch_stats", "variance", jnp.ones, (channels,), self.dtype)
        if not self.train:
            factor = scale * lax.rsqrt(variance.value + BN_EPSILON)
            return x * layers.wide(factor) + layers.wide(shift - mean.value * factor)
        if self.is_mutable_collection("batch_stats") and not self.is_initializing():
            pixels = lax.stop_gradient(x)
            count = pixels[0].size
            unbiased = pixels.var((1, 2, 3)) * (count / max(count - 1, 1))
            mean.value += MOMENTUM * (pixels.mean((1, 2, 3)) - mean.value)
            variance.value += MOMENTUM * (unbiased - variance.value)
        return layers.batch_norm(x, scale, shift)


class EvaluationNetwork(nn.Module):
    """The stacked network of a genotype.

    Attributes:
        genotype: the architecture.
        num_classes: width of the output.
        channels: of the first cell, an even number.
        depth: cells in all; those at 1/3 and 2/3 of the depth are reductions.
        auxiliary: has the auxiliary head; for images of 32 to 40 pixels.
        init_scheme: "pytorch", "he" or "xavier".
        dtype: of parameters and computation, as the images'.
    """

    genotype: Genotype
    num_classes: int = 10
    channels: int = 36
    depth: int = 20
    auxiliary: bool = False
    init_scheme: Initialisation = "pytorch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Array, *, train: bool = False, drop_path: Array | float = 0.0
    ) -> tuple[Array, Array | None]:
        """Logits [B, num_classes] of the network and, in training, of its auxiliary head.

        Args:
            x: images [B, H, W, 3], H and W multiples of 4.
            train: normalise by the batch's statistics, and move the running ones where the
                collection `batch_stats` is mutable.
            drop_path: in training, the probability that an image goes without an operation's
                output (an operation that is not the identity); the rest is scaled up. Needs the
                random stream "drop_path" unless it is the number 0.

        Raises:
            ValueError: if there is no such network.
        """
        check_network(
            self.num_classes, self.channels, self.depth, x.shape[1], auxiliary=self.auxiliary
        )
        kernel = initialisers.KERNELS[self.init_scheme]
        stem = Conv(STEM_MULTIPLIER * self.channels, 3, kernel, self.dtype, name="stem_conv")(x)
        before = last = BatchNorm(train, self.dtype, name="stem_bn")(layers.from_images(stem))
        widths = len(self.genotype.normal_concat), len(self.genotype.reduce_concat)
        auxiliary = None
        for i, shape in enumerate(cell_shapes(self.channels, self.depth, *widths)):
            cell = Cell(self.genotype, shape, train, kernel, self.dtype, name=f"cell{i}")
            before, last = last, cell(before, last, drop_path)
            # The head's parameters are there whenever the network has it, its output in training.
            if self.auxiliary and i == 2 * self.depth // 3 and (train or self.is_initializing()):
                head = AuxiliaryHead(
                    self.num_classes, train, self.init_scheme, self.dtype, name="auxiliary"
                )
                auxiliary = head(last)
        classifier = Classifier(self.num_classes, self.init_scheme, self.dtype, name="classifier")
        return classifier(last.mean((1, 2)).T), auxiliary


class Cell(nn.Module):
    """A cell of the evaluation network."""

    genotype: Genotype
    shape: CellShape
    train: bool
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, before: Array, last: Array, drop_path: Array | float) -> Array:
        channels, reduction = self.shape.channels, self.shape.reduction
        genes, concat = (
            (self.genotype.reduce, self.genotype.reduce_concat)
            if reduction
            else (self.genotype.normal, self.genotype.normal_concat)
        )
        entry = ReducedEntry if self.shape.halve_first else Entry
        norm = partial(BatchNorm, self.train, self.dtype)
        common = (norm, self.init_kernel, self.dtype)
        nodes = {
            0: entry(channels, *common, name="entry0")(before),
            1: Entry(channels, *common, name="entry1")(last),
        }
        for e, (op, source, target) in enumerate(edges_of(genes)):
            stride = 2 if reduction and source < 2 else 1
            if op == Op.NONE:
                halved = nodes[source][..., ::stride, ::stride, :]
                y = jnp.zeros_like(halved)
            elif op == Op.SKIP_CONNECT and stride == 1:
                y = nodes[source]
            else:
                y = Operation(op, stride, *common, name=f"edge{e}")(nodes[source])
                y = self._drop(y, drop_path)
            nodes[target] = nodes[target] + y if target in nodes else y
        return jnp.concatenate([nodes[node] for node in concat])

    def _drop(self, x: Array, probability: Array | float) -> Array:
        if not self.train or (isinstance(probability, float | int) and probability == 0):
            return x
        keep = 1 - jnp.asarray(probability, x.dtype)
        kept = jax.random.bernoulli(self.make_rng("drop_path"), keep, x.shape[-1:])
        return x * jnp.where(kept, 1 / keep, jnp.zeros((), x.dtype))


class Entry(nn.Module):
    """Brings an input to the cell's width: ReLU, pointwise convolution, batch normalisation."""

    channels: int
    norm: Norm
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.channels, x.shape[0])
        kernel = self.param("pointwise", in_layout(self.init_kernel), shape, self.dtype)
        y = layers.pointwise(jax.nn.relu(x), kernel)
        return self.norm(name="bn")(y)


class ReducedEntry(nn.Module):
    """The same of an input twice as large: a factorised reduction."""

    channels: int
    norm: Norm
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.channels // 2, x.shape[0])
        kernels = {
            half: self.param(half, in_layout(self.init_kernel), shape, self.dtype)
            for half in ("even", "odd")
        }
        return self.norm(name="bn")(factorised_reduction(x, kernels))


class Operation(nn.Module):
    """An operation other than `none` and the identity, on one edge."""

    op: Op
    stride: int
    norm: Norm
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[0]
        match self.op:
            case Op.MAX_POOL_3X3:
                return layers.max_pool(x, self.stride)
            case Op.AVG_POOL_3X3:
                return layers.avg_pool(x, self.stride)
            case Op.SKIP_CONNECT:
                common = (self.norm, self.init_kernel, self.dtype)
                return ReducedEntry(channels, *common, name="reduce")(x)
        size, init = KERNEL_SIZE[self.op], in_layout(self.init_kernel)
        for i in range(2 if self.op in TWICE else 1):
            depthwise = self.param(f"depthwise{i}", init, (channels, size, size), self.dtype)
            pointwise = self.param(f"pointwise{i}", init, (channels, channels), self.dtype)
            stride = self.stride if i == 0 else 1
            x = layers.relu_depthwise(x, depthwise, stride, DILATION.get(self.op, 1))
            x = layers.pointwise(x, pointwise)
            x = self.norm(name=f"bn{i}")(x)
        return x


class AuxiliaryHead(nn.Module):
    """The classifier on the features after the second reduction [C, H, W, B], H = 8 to 10."""

    num_classes: int
    train: bool
    init_scheme: Initialisation
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = initialisers.KERNELS[self.init_scheme]
        x = nn.avg_pool(jax.nn.relu(x.transpose(3, 1, 2, 0)), (5, 5), (3, 3))
        for i, (width, size) in enumerate(zip(_AUXILIARY_WIDTHS, (1, 2), strict=True)):
            shape = (size, size, x.shape[-1], width)
            # No padding: the second convolution sees its whole 2x2 input.
            x = lax.conv_general_dilated(
                x,
                self.param(f"kernel{i}", kernel, shape, self.dtype),
                (1, 1),
                "VALID",
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                precision=lax.Precision.HIGHEST,
            )
            normalise = BatchNorm(self.train, self.dtype, name=f"bn{i}")
            x = jax.nn.relu(normalise(layers.from_images(x)).transpose(3, 1, 2, 0))
        classifier = Classifier(self.num_classes, self.init_scheme, self.dtype, name="classifier")
        return classifier(x.reshape(x.shape[0], -1))
