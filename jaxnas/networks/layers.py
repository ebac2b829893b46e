"""The layers of NAS-Bench-201's networks as pure functions, differentiated by hand where it pays.

Images are [B, H, W, C], kernels [kh, kw, C_in, C_out]. Everything here works under `jit`, `grad`,
`vmap` and their compositions.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from jaxnas.types import Array

BatchNormMode = Literal["batch", "example", "frozen"]
BN_MODES: tuple[BatchNormMode, ...] = ("batch", "example", "frozen")
BN_EPSILON = 1e-5

# Examples whose images and cotangents stay in a core's cache while a kernel's gradient is summed.
_CACHED = 16

# Without it accelerators round the factors to TF32 or bfloat16.
_PRECISION = lax.Precision.HIGHEST
_CONV: Any = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "precision": _PRECISION}


def conv(x: Array, kernel: Array, stride: int = 1) -> Array:
    """Convolution padded by half the kernel on every side, as PyTorch's `padding=k // 2`.

    XLA's "SAME" pads a strided convolution on one side only and would compute another network.
    """
    return _conv(x, kernel, stride)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv(x: Array, kernel: Array, stride: int) -> Array:
    return _plain_conv(x, kernel, stride)


def _conv_forward(x: Array, kernel: Array, stride: int) -> tuple[Array, tuple[Array, Array]]:
    return _plain_conv(x, kernel, stride), (x, kernel)


def _conv_backward(stride: int, residuals: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    return conv_input_gradient(dy, kernel, x.shape, stride), conv_kernel_gradient(
        x, dy, kernel.shape, stride
    )


_conv.defvjp(_conv_forward, _conv_backward)


def _plain_conv(x: Array, kernel: Array, stride: int) -> Array:
    pad = kernel.shape[0] // 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), ((pad, pad), (pad, pad)), **_CONV)


def conv_input_gradient(dy: Array, kernel: Array, x_shape: Sequence[int], stride: int = 1) -> Array:
    """Cotangent of `conv`'s input from that of its output."""
    pad, size = kernel.shape[0] // 2, kernel.shape[0]
    mirrored = kernel[::-1, ::-1].swapaxes(2, 3)
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
    slower than the product of matrices it stands for; there the kernel's taps are computed one by
    one as batched products.
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
        per_example = partial(_tapwise_kernel_gradient, size=kernel_shape[0], stride=stride)
        return jax.vmap(per_example)(x, dy), True

    return gradient(x, dy)


def _batch_kernel_gradient(
    x: Array, dy: Array, *, kernel_shape: tuple[int, ...], stride: int
) -> Array:
    pad, size = kernel_shape[0] // 2, kernel_shape[0]
    if size == 1:
        return _tapwise_kernel_gradient(x, dy, size=1, stride=stride)
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
    """A kernel's gradient, a few examples at a time: two to three times as fast on a CPU."""
    parts = len(x) // _CACHED
    split = parts * _CACHED

    def add(total: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
        return total + gradient(*part), None

    def stacked(a: Array) -> Array:
        return a[:split].reshape(parts, _CACHED, *a.shape[1:])

    total, _ = lax.scan(add, jnp.zeros(shape, x.dtype), (stacked(x), stacked(dy)))
    return total if split == len(x) else total + gradient(x[split:], dy[split:])


def _tapwise_kernel_gradient(x: Array, dy: Array, *, size: int, stride: int) -> Array:
    pad, (height, width) = size // 2, dy.shape[1:3]
    x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))

    def tap(i: int, j: int) -> Array:
        window = x[:, i : i + height * stride : stride, j : j + width * stride : stride]
        window = window[:, :height, :width]
        return jnp.einsum(
            "pc,pd->cd",
            window.reshape(-1, window.shape[-1]),
            dy.reshape(-1, dy.shape[-1]),
            precision=_PRECISION,
        )

    return jnp.stack([jnp.stack([tap(i, j) for j in range(size)]) for i in range(size)])


def _window_sum(x: Array) -> Array:
    """Sum over each pixel's 3x3 neighbourhood, zero outside, by shifted additions."""
    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    # Fused into the additions, the padding's bounds checks would be made nine times a pixel.
    padded = lax.optimization_barrier(padded)
    rows = padded[:, :, :width] + padded[:, :, 1:-1] + padded[:, :, 2:]
    return rows[:, :height] + rows[:, 1:-1] + rows[:, 2:]


def _window_count(height: int, width: int, dtype: Any) -> Array:
    def count(n: int) -> Array:
        position = jnp.arange(n)
        return 3 - (position == 0).astype(dtype) - (position == n - 1).astype(dtype)

    return (count(height)[:, None] * count(width)[None, :])[None, :, :, None]


@jax.custom_vjp
def avg_pool(x: Array) -> Array:
    """3x3 average pool, stride 1, padding 1, the padding not counted."""
    return _window_sum(x) / _window_count(x.shape[1], x.shape[2], x.dtype)


def avg_pool_gradient(dy: Array) -> Array:
    """The transpose of `avg_pool`: a window sum is its own transpose."""
    return _window_sum(dy / _window_count(dy.shape[1], dy.shape[2], dy.dtype))


avg_pool.defvjp(lambda x: (avg_pool(x), None), lambda _, dy: (avg_pool_gradient(dy),))


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance [1, 1, 1, C] of a batch [B, H, W, C], as `batch` mode has them."""
    return _statistics(x, (0, 1, 2))


def _statistics(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    mean = jnp.mean(x, axes, keepdims=True)
    variance = jnp.mean(jnp.square(x), axes, keepdims=True) - jnp.square(mean)
    return mean, jnp.maximum(variance, 0)


def _statistics_axes(mode: BatchNormMode) -> tuple[int, ...]:
    return (0, 1, 2) if mode == "batch" else (1, 2)


def normalise(x: Array, mode: BatchNormMode) -> tuple[Array, Array]:
    """Batch normalisation before scale and shift.

    Args:
        x: [B, H, W, C].
        mode: statistics of the whole batch, of each example alone over H and W, or frozen at
            initialisation (mean 0, variance 1).

    Returns:
        The normalised x and the reciprocal of the deviation it was divided by.
    """
    if mode == "frozen":
        inverse = lax.rsqrt(jnp.ones((1, 1, 1, 1), x.dtype) + BN_EPSILON)
        return x * inverse, inverse
    mean, variance = _statistics(x, _statistics_axes(mode))
    inverse = lax.rsqrt(variance + BN_EPSILON)
    return (x - mean) * inverse, inverse


def normalise_gradient(dy: Array, normalised: Array, inverse: Array, mode: BatchNormMode) -> Array:
    """Cotangent of `normalise`'s input."""
    if mode == "frozen":
        return dy * inverse
    axes = _statistics_axes(mode)
    along_mean = jnp.mean(dy, axes, keepdims=True)
    along_deviation = jnp.mean(dy * normalised, axes, keepdims=True)
    return (dy - along_mean - normalised * along_deviation) * inverse


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def batch_norm(x: Array, scale: Array, shift: Array, mode: BatchNormMode) -> Array:
    """Batch normalisation with scale and shift [C]; `mode` as in `normalise`."""
    return normalise(x, mode)[0] * scale + shift


def _batch_norm_forward(
    x: Array, scale: Array, shift: Array, mode: BatchNormMode
) -> tuple[Array, tuple[Array, Array, Array]]:
    normalised, inverse = normalise(x, mode)
    return normalised * scale + shift, (normalised, inverse, scale)


def _batch_norm_backward(
    mode: BatchNormMode, residuals: tuple[Array, Array, Array], dy: Array
) -> tuple[Array, Array, Array]:
    normalised, inverse, scale = residuals
    dx = normalise_gradient(dy * scale, normalised, inverse, mode)
    return dx, jnp.sum(dy * normalised, (0, 1, 2)), jnp.sum(dy, (0, 1, 2))


batch_norm.defvjp(_batch_norm_forward, _batch_norm_backward)
