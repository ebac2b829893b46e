"""The network of one cell as it is trained: batch normalisation keeps running statistics.

Its parameters are those of `CellNetwork`, under the same names and so interchangeable with scored
ones; the running statistics are apart, in Flax's collection `batch_stats`.

Source: Dong & Yang, "NAS-Bench-201", ICLR 2020, section 2.1; PyTorch's BatchNorm2d.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from jaxnas.networks import initialisers, layers
from jaxnas.networks.initialisers import Initialiser
from jaxnas.networks.modules import Conv, Norm, scale_and_shift
from jaxnas.networks.nb201.network import KERNEL_OF, Skeleton
from jaxnas.spaces.nb201 import EDGES, Op
from jaxnas.types import Array

# How far the running statistics move to those of a batch, as PyTorch's default.
MOMENTUM = 0.1


class RunningBatchNorm(nn.Module):
    """Batch normalisation by the batch's statistics, or by the running ones.

    The running mean and variance move by `MOMENTUM` to those of each batch, where `batch_stats` is
    mutable; the batch's variance is the unbiased one there, the biased one in the output.

    Attributes:
        use_running: normalise by the running statistics, and leave them as they are.
        dtype: of the statistics, the scale and the shift.
    """

    use_running: bool
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [B, H, W, C], normalised."""
        channels = x.shape[-1]
        scale, shift = scale_and_shift(self, channels, self.dtype)
        mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), self.dtype)
        variance = self.variable("batch_stats", "variance", jnp.ones, (channels,), self.dtype)
        if self.use_running:
            inverse = lax.rsqrt(variance.value + layers.BN_EPSILON)
            return (x - mean.value) * (inverse * scale) + shift
        if self.is_mutable_collection("batch_stats") and not self.is_initializing():
            count = x.size // channels
            of_batch = (a.reshape(channels) for a in layers.batch_statistics(lax.stop_gradient(x)))
            batch_mean, biased = of_batch
            unbiased = biased * (count / max(count - 1, 1))
            mean.value += MOMENTUM * (batch_mean - mean.value)
            variance.value += MOMENTUM * (unbiased - variance.value)
        return layers.batch_norm(x, scale, shift, "batch")


class TrainableEdge(nn.Module):
    """An edge of a known operation with parameters: ReLU, convolution, batch normalisation."""

    op: Op
    norm: Norm
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels, size = x.shape[-1], 1 if self.op == Op.CONV1X1 else 3
        conv = Conv(channels, size, self.init_kernel, self.dtype, name=KERNEL_OF[self.op])
        y: Array = self.norm(name="bn")(conv(nn.relu(x)))
        return y


class TrainableCell(nn.Module):
    """A cell of known operations."""

    ops: tuple[int, ...]
    norm: Norm
    init_kernel: Initialiser
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        nodes: dict[int, Array] = {0: x}
        for e, ((source, target), op) in enumerate(zip(EDGES, map(Op, self.ops), strict=True)):
            if op == Op.NONE or source not in nodes:
                continue
            if op == Op.SKIP:
                y = nodes[source]
            elif op == Op.POOL:
                y = layers.avg_pool(nodes[source])
            else:
                edge = TrainableEdge(op, self.norm, self.init_kernel, self.dtype, name=f"edge{e}")
                y = edge(nodes[source])
            nodes[target] = nodes[target] + y if target in nodes else y
        return nodes.get(3, jnp.zeros_like(x))


class TrainableNetwork(Skeleton):
    """The network of one cell, with running statistics.

    Edges that nothing reaches have no parameters here; give `live_ops`, whose parameters are
    exactly those of `CellNetwork`.

    Attributes:
        ops: six of the space's operations. The others are `Network`'s.
    """

    ops: tuple[int, ...] = (0,) * 6

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Logits [B, num_classes] of images x [B, H, W, 3], H and W multiples of 4.

        Args:
            x: the images.
            train: normalise by the batch's statistics and, where the collection `batch_stats` is
                mutable, move the running ones; otherwise normalise by the running ones.
        """
        kernel = initialisers.KERNELS[self.init_scheme]
        norm = partial(RunningBatchNorm, not train, self.dtype)
        return self.logits(
            x,
            norm,
            lambda x, name: TrainableCell(self.ops, norm, kernel, self.dtype, name=name)(x),
        )
