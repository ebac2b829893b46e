"""The Flax modules that the networks of several spaces share; images are [B, H, W, C]."""

from collections.abc import Callable
from typing import Any, TypeAlias

import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from jaxnas.networks import initialisers, layers
from jaxnas.networks.initialisers import Initialisation, Initialiser
from jaxnas.networks.layers import BatchNormMode
from jaxnas.types import Array

# Makes a batch normalisation of the given `name`.
Norm: TypeAlias = Callable[..., nn.Module]


class Conv(nn.Module):
    """A convolution without bias; `size` // 2 pixels of padding."""

    channels: int
    size: int
    init_kernel: Initialiser
    dtype: Any
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.size, self.size, x.shape[-1], self.channels)
        return layers.conv(
            x, self.param("kernel", self.init_kernel, shape, self.dtype), self.stride
        )


class BatchNorm(nn.Module):
    """Batch normalisation with scale and shift, in one of three modes."""

    mode: BatchNormMode
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        scale, shift = scale_and_shift(self, x.shape[-1], self.dtype)
        return layers.batch_norm(x, scale, shift, self.mode)


def scale_and_shift(module: nn.Module, channels: int, dtype: Any) -> tuple[Array, Array]:
    """The parameters of a batch normalisation [C], made in `module`."""
    return (
        module.param("scale", nn.initializers.ones, (channels,), dtype),
        module.param("shift", nn.initializers.zeros, (channels,), dtype),
    )


class Classifier(nn.Module):
    """The linear layer."""

    num_classes: int
    init_scheme: Initialisation
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = self.param(
            "kernel",
            initialisers.KERNELS[self.init_scheme],
            (x.shape[-1], self.num_classes),
            self.dtype,
        )
        bias = self.param(
            "bias",
            initialisers.linear_bias(self.init_scheme, x.shape[-1]),
            (self.num_classes,),
            self.dtype,
        )
        return jnp.dot(x, kernel, precision=lax.Precision.HIGHEST) + bias
