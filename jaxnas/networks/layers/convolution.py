"""Convolution and its two gradients, arranged as XLA's CPU backend is quick at them.

XLA hands a convolution to its fast library only when there are channels enough, and packs every
window for as few outputs as there are channels. So with few channels several neighbouring pixels of
a row are computed at once, as if they were channels; the result is a reshape away.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnas.types import Array

# Without it accelerators round the factors to TF32 or bfloat16.
_PRECISION = lax.Precision.HIGHEST
# Examples of which a core's cache holds both factors of a kernel's gradient.
_CACHED = 16
_CONV: Any = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "precision": _PRECISION}


def conv(x: Array, kernel: Array, stride: int = 1) -> Array:
    """Convolution padded by half the kernel on every side, as PyTorch's `padding=k // 2`.

    XLA's "SAME" pads a strided convolution on one side only and would compute another network.
    """
    return _conv(x, kernel, stride)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv(x: Array, kernel: Array, stride: int) -> Array:
    return _plain_conv(x, kernel, stride)


def _plain_conv(x: Array, kernel: Array, stride: int) -> Array:
    if stride == 1:
        return _same_size_conv(x, kernel)
    pad = kernel.shape[0] // 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), ((pad, pad), (pad, pad)), **_CONV)


def _conv_forward(x: Array, kernel: Array, stride: int) -> tuple[Array, tuple[Array, Array]]:
    # Not `_conv`: what has a derivative of its own has none of a forward pass's.
    return _plain_conv(x, kernel, stride), (x, kernel)


def _conv_backward(stride: int, residuals: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    return conv_input_gradient(dy, kernel, x.shape, stride), conv_kernel_gradient(
        x, dy, kernel.shape, stride
    )


_conv.defvjp(_conv_forward, _conv_backward)


def _same_size_conv(x: Array, kernel: Array) -> Array:
    """Stride 1, several pixels of a row at a time."""
    size, _, _, outputs = kernel.shape
    pad, pixels = size // 2, _pixels_at_once(kernel.shape, x.shape[2])
    shifted = [
        jnp.pad(kernel, ((0, 0), (i, pixels - 1 - i), (0, 0), (0, 0))) for i in range(pixels)
    ]
    y = lax.conv_general_dilated(
        x, jnp.concatenate(shifted, 3), (1, pixels), ((pad, pad), (pad, pad)), **_CONV
    )
    return y.reshape(*x.shape[:3], outputs)


def _pixels_at_once(kernel_shape: Sequence[int], width: int) -> int:
    """As many as give XLA's fast convolution enough channels to take the work; 1 if it has."""
    size, _, inputs, outputs = kernel_shape
    pixels = 1
    while (
        size > 1
        and width % (2 * pixels) == 0
        and (pixels * outputs < 24 or pixels * outputs * inputs < 192)
    ):
        pixels *= 2
    return pixels


def conv_input_gradient(dy: Array, kernel: Array, x_shape: Sequence[int], stride: int = 1) -> Array:
    """Cotangent of `conv`'s input from that of its output."""
    pad, size = kernel.shape[0] // 2, kernel.shape[0]
    mirrored = kernel[::-1, ::-1].swapaxes(2, 3)
    if stride == 1:
        return _same_size_conv(dy, mirrored)
    padding = [
        (size - 1 - pad, n + pad - 1 - (m - 1) * stride)
        for n, m in zip(x_shape[1:3], dy.shape[1:3], strict=True)
    ]
    return lax.conv_general_dilated(
        dy, mirrored, (1, 1), padding, lhs_dilation=(stride, stride), **_CONV
    )


def conv_kernel_gradient(
    x: Array, dy: Array, kernel_shape: Sequence[int], stride: int = 1
) -> Array:
    """Cotangent of `conv`'s kernel from that of its output.

    Under `vmap` over examples XLA's transposed convolution becomes a grouped one, several times
    slower than the product of matrices it stands for; so there it is written as that product.
    """
    gradient = jax.custom_batching.custom_vmap(
        partial(_batch_kernel_gradient, kernel_shape=tuple(kernel_shape), stride=stride)
    )

    @gradient.def_vmap
    def _(axis_size: int, in_batched: Sequence[bool], x: Array, dy: Array) -> tuple[Array, bool]:
        x, dy = (
            a if batched else jnp.broadcast_to(a, (axis_size, *a.shape))
            for a, batched in zip((x, dy), in_batched, strict=True)
        )
        per_example = partial(_kernel_gradient_by_product, size=kernel_shape[0], stride=stride)
        return jax.vmap(per_example)(x, dy), True

    return gradient(x, dy)


def _batch_kernel_gradient(
    x: Array, dy: Array, *, kernel_shape: tuple[int, ...], stride: int
) -> Array:
    pad, size = kernel_shape[0] // 2, kernel_shape[0]
    if size == 1:
        return _kernel_gradient_by_taps(x, dy, size=1, stride=stride)
    padding = [
        (pad, size + (m - 1) * stride - n - pad)
        for n, m in zip(x.shape[1:3], dy.shape[1:3], strict=True)
    ]

    def whole(x: Array, dy: Array) -> Array:
        gradient = lax.conv_general_dilated(
            x.transpose(3, 1, 2, 0),
            dy.transpose(1, 2, 0, 3),
            (1, 1),
            padding,
            rhs_dilation=(stride, stride),
            **_CONV,
        )
        return gradient.transpose(1, 2, 0, 3)

    if len(x) < 2 * _CACHED:
        return whole(x, dy)
    in_parts = partial(_sum_over_parts, whole, kernel_shape)
    return lax.platform_dependent(x, dy, cpu=in_parts, default=whole)


def _sum_over_parts(
    gradient: Callable[[Array, Array], Array], shape: tuple[int, ...], x: Array, dy: Array
) -> Array:
    """A kernel's gradient, a few examples at a time: about twice as fast on a CPU."""
    parts = len(x) // _CACHED
    split = parts * _CACHED

    def add(total: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
        return total + gradient(*part), None

    def stacked(a: Array) -> Array:
        return a[:split].reshape(parts, _CACHED, *a.shape[1:])

    total, _ = lax.scan(add, jnp.zeros(shape, x.dtype), (stacked(x), stacked(dy)))
    return total if split == len(x) else total + gradient(x[split:], dy[split:])


def _kernel_gradient_by_product(x: Array, dy: Array, *, size: int, stride: int) -> Array:
    """All taps in one product of matrices: columns shifted on one side, rows on the other."""
    if stride != 1:
        return _kernel_gradient_by_taps(x, dy, size=size, stride=stride)
    pad, (height, width) = size // 2, dy.shape[1:3]
    inputs, outputs = x.shape[-1], dy.shape[-1]
    x = jnp.pad(x, ((0, 0), (0, 0), (pad, pad), (0, 0)))
    dy = jnp.pad(dy, ((0, 0), (pad, pad), (0, 0), (0, 0)))
    columns = jnp.concatenate([x[:, :, j : j + width] for j in range(size)], 3)
    rows = jnp.concatenate([dy[:, size - 1 - i : size - 1 - i + height] for i in range(size)], 3)
    taps = _product(columns, rows).reshape(size, inputs, size, outputs)
    return taps.transpose(2, 0, 1, 3)


def _kernel_gradient_by_taps(x: Array, dy: Array, *, size: int, stride: int) -> Array:
    pad, (height, width) = size // 2, dy.shape[1:3]
    x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))

    def tap(i: int, j: int) -> Array:
        window = x[:, i : i + height * stride : stride, j : j + width * stride : stride]
        return _product(window[:, :height, :width], dy)

    return jnp.stack([jnp.stack([tap(i, j) for j in range(size)]) for i in range(size)])


def _product(x: Array, dy: Array) -> Array:
    """Products of channels summed over examples and pixels [C_x, C_dy]."""
    return jnp.einsum(
        "pc,pd->cd",
        x.reshape(-1, x.shape[-1]),
        dy.reshape(-1, dy.shape[-1]),
        precision=_PRECISION,
    )
