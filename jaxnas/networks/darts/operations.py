"""The operations of the DARTS space; images are [C, H, W, B], as in `layers`."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxnas.networks.darts import layers
from jaxnas.networks.initialisers import Initialiser
from jaxnas.spaces.darts import KERNEL_SIZE, TWICE, Op
from jaxnas.types import Array

Kernels: TypeAlias = dict[str, Array]
"""Kernels of one operation on one edge, by name."""

DILATION = {Op.DIL_CONV_3X3: 2, Op.DIL_CONV_5X5: 2}


def kernel_shapes(op: Op, channels: int, stride: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of an operation's kernels."""
    if op == Op.SKIP_CONNECT and stride == 2:
        half = (channels // 2, channels)
        return {"even": half, "odd": half}
    if op not in KERNEL_SIZE:
        return {}
    size, times = KERNEL_SIZE[op], 2 if op in TWICE else 1
    return {
        name: shape
        for i in range(times)
        for name, shape in (
            (f"depthwise{i}", (channels, size, size)),
            (f"pointwise{i}", (channels, channels)),
        )
    }


def before_norm(op: Op, x: Array, kernels: Kernels, stride: int) -> Array:
    """The operation without its last batch normalisation.

    Args:
        op: neither `none` nor the identity.
        x: [C, H, W, B].
        kernels: as `kernel_shapes`.
        stride: 1 or 2.
    """
    match op:
        case Op.MAX_POOL_3X3:
            return layers.max_pool(x, stride)
        case Op.AVG_POOL_3X3:
            return layers.avg_pool(x, stride)
        case Op.SKIP_CONNECT:
            return factorised_reduction(x, kernels)
    dilation = DILATION.get(op, 1)
    x = _separable(x, kernels, 0, stride, dilation)
    if op in TWICE:
        x = _separable(layers.standardise(x), kernels, 1, 1, dilation)
    return x


def _separable(x: Array, kernels: Kernels, i: int, stride: int, dilation: int) -> Array:
    x = layers.relu_depthwise(x, kernels[f"depthwise{i}"], stride, dilation)
    return layers.pointwise(x, kernels[f"pointwise{i}"])


def factorised_reduction(x: Array, kernels: Kernels) -> Array:
    """Halves the image: pointwise convolutions of its even and of its odd pixels, concatenated."""
    x = jax.nn.relu(x)
    even, odd = x[:, ::2, ::2], x[:, 1::2, 1::2]
    halves = [layers.pointwise(even, kernels["even"]), layers.pointwise(odd, kernels["odd"])]
    return jnp.concatenate(halves)


def usual_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """[kh, kw, C_in, C_out] of a kernel: what fan-in is read off.

    Here a pointwise kernel is [C_out, C_in], a depthwise one [C, s, s] with one input channel.
    """
    outputs, *rest = shape
    return (1, 1, rest[0], outputs) if len(rest) == 1 else (*rest, 1, outputs)


def from_usual(kernel: Any, shape: Sequence[int]) -> Any:
    """A kernel drawn in `usual_shape`, in the layout used here; of NumPy or of JAX."""
    return kernel.transpose(3, 2, 0, 1).reshape(shape)


def in_layout(init: Initialiser) -> Initialiser:
    """Draws a kernel in the layout used here."""

    def draw(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        drawn: Array = from_usual(init(key, usual_shape(shape), dtype), shape)
        return drawn

    return draw


def stacked(init: Initialiser) -> Initialiser:
    """Draws kernels [E, ...] of E edges, each by itself."""

    def draw(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        keys = jax.random.split(key, shape[0])
        return jax.vmap(lambda key: init(key, tuple(shape[1:]), dtype))(keys)

    return draw
