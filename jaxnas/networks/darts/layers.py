"""The layers of the DARTS space as pure functions, differentiated by hand where it pays.

Images are [C, H, W, B], the batch last, so that every shift of the image moves whole rows of the
batch and a pointwise convolution is one product of matrices. XLA's own depthwise convolutions and
window reductions are many times slower on a CPU than the shifted sums here.
"""

import functools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnas.networks.layers import BN_EPSILON, BatchNormMode, Moments
from jaxnas.types import Array

_PRECISION = lax.Precision.HIGHEST


def from_images(x: Array) -> Array:
    """[B, H, W, C] -> [C, H, W, B]."""
    return x.transpose(3, 1, 2, 0)


def _padded(x: Array, by: int, value: float = 0) -> Array:
    padding = [(0, 0), (by, by), (by, by), (0, 0)]
    # Fused into what reads it, the padding's bounds checks would be made at every tap.
    return lax.optimization_barrier(jnp.pad(x, padding, constant_values=value))


def _window(padded: Array, i: int, j: int, size: tuple[int, ...], stride: int) -> Array:
    """What the tap at row i, column j sees at each of [H, W] outputs."""
    height, width = ((n - 1) * stride + 1 for n in size)
    return padded[:, i : i + height : stride, j : j + width : stride]


def _output_size(x: Array, stride: int) -> tuple[int, int]:
    return -(-x.shape[1] // stride), -(-x.shape[2] // stride)


# --- convolutions ---------------------------------------------------------------------------------


def pointwise(x: Array, kernel: Array) -> Array:
    """1x1 convolution: x [C, H, W, B], kernel [C_out, C] -> [C_out, H, W, B]."""
    flat = x.reshape(x.shape[0], -1)
    y = jnp.einsum("oc,cp->op", kernel, flat, precision=_PRECISION)
    return y.reshape(-1, *x.shape[1:])


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def relu_depthwise(x: Array, kernel: Array, stride: int, dilation: int) -> Array:
    """Depthwise convolution of relu(x), padded so that stride 1 keeps the size.

    Args:
        x: [C, H, W, B].
        kernel: [C, s, s].
        stride: 1 or 2.
        dilation: 1 or 2.
    """
    return _plain_relu_depthwise(x, kernel, stride, dilation)


def _plain_relu_depthwise(x: Array, kernel: Array, stride: int, dilation: int) -> Array:
    taps = _taps(kernel.shape[-1], dilation)
    padded = _padded(jax.nn.relu(x), _padding(kernel.shape[-1], dilation))
    size = _output_size(x, stride)
    y = sum(_per_channel(kernel, a, b) * _window(padded, i, j, size, stride) for a, b, i, j in taps)
    # Fused into what reads it, every tap would be computed once for each reader.
    return lax.optimization_barrier(y)


def _taps(size: int, dilation: int) -> list[tuple[int, int, int, int]]:
    """(row, column) in the kernel and in the padded image."""
    return [(a, b, a * dilation, b * dilation) for a in range(size) for b in range(size)]


def _padding(size: int, dilation: int) -> int:
    return (size - 1) // 2 * dilation


def _per_channel(kernel: Array, a: int, b: int) -> Array:
    return kernel[:, a, b, None, None, None]


def _relu_depthwise_forward(
    x: Array, kernel: Array, stride: int, dilation: int
) -> tuple[Array, tuple[Array, Array]]:
    # Not `relu_depthwise`: what has a derivative of its own has none of a forward pass's.
    return _plain_relu_depthwise(x, kernel, stride, dilation), (x, kernel)


def _relu_depthwise_backward(
    stride: int, dilation: int, residuals: tuple[Array, Array], dy: Array
) -> tuple[Array, Array]:
    x, kernel = residuals
    size = kernel.shape[-1]
    image = x.shape[1:3]
    spread = _spread(dy, stride, image)
    gradient = _depthwise_kernel_gradient(jax.nn.relu(x), spread, size, dilation)
    padded = _padded(spread, _padding(size, dilation))
    mirrored = kernel[:, ::-1, ::-1]
    terms = [
        _per_channel(mirrored, a, b) * _window(padded, i, j, image, 1)
        for a, b, i, j in _taps(size, dilation)
    ]
    dx = lax.optimization_barrier(sum(terms))
    return jnp.where(x > 0, dx, jnp.zeros((), x.dtype)), gradient


@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _depthwise_kernel_gradient(x: Array, dy: Array, size: int, dilation: int) -> Array:
    """All taps in one reduction, which reads both images once; the batch is summed after it."""
    padded = _padded(x, _padding(size, dilation))
    products = [
        _window(padded, i, j, dy.shape[1:3], 1) * dy for _, _, i, j in _taps(size, dilation)
    ]
    zeros = [jnp.zeros((), x.dtype)] * len(products)
    sums = lax.reduce(products, zeros, lambda a, b: jax.tree.map(jnp.add, a, b), (1, 2))
    return jnp.stack([tap.sum(-1) for tap in sums], -1).reshape(-1, size, size)


@_depthwise_kernel_gradient.defjvp
def _depthwise_kernel_gradient_jvp(
    size: int, dilation: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    # Bilinear; JAX's own rule for such a reduction is a tree of slices and additions.
    (x, dy), (tx, tdy) = primals, tangents
    gradient = partial(_depthwise_kernel_gradient, size=size, dilation=dilation)
    return gradient(x, dy), gradient(tx, dy) + gradient(x, tdy)


def _spread(dy: Array, stride: int, size: tuple[int, ...]) -> Array:
    """Zeros between the pixels, to [H, W] = size."""
    if stride == 1:
        return dy
    config = [
        (0, n - ((m - 1) * stride + 1), stride - 1)
        for n, m in zip(size, dy.shape[1:3], strict=True)
    ]
    zero = jnp.zeros((), dy.dtype)
    return lax.pad(dy, zero, [(0, 0, 0), *config, (0, 0, 0)])


relu_depthwise.defvjp(_relu_depthwise_forward, _relu_depthwise_backward)


# --- batch normalisation --------------------------------------------------------------------------


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def batch_norm(x: Array, scale: Array, shift: Array, mode: BatchNormMode = "batch") -> Array:
    """Batch normalisation; scale and shift [C], `mode` as `jaxnas.networks.layers.moments`' is."""
    return _batch_norm_forward(x, scale, shift, mode)[0]


def wide(a: Array) -> Array:
    """A value for each channel [C], to go with images."""
    return a[:, None, None, None]


def _moments(x: Array, mode: BatchNormMode) -> Moments:
    """[C, 1, 1, 1], [C, 1, 1, B] for each example alone, or [1, 1, 1, 1] if frozen."""
    if mode == "frozen":
        mean = jnp.zeros((1, 1, 1, 1), x.dtype)
        return Moments(mean, lax.rsqrt(jnp.ones_like(mean) + BN_EPSILON))
    mean = x.mean(_axes(mode), keepdims=True)
    variance = jnp.square(x).mean(_axes(mode), keepdims=True) - jnp.square(mean)
    return Moments(mean, lax.rsqrt(jnp.maximum(variance, 0) + BN_EPSILON))


def _axes(mode: BatchNormMode) -> tuple[int, ...]:
    return (1, 2) if mode == "example" else (1, 2, 3)


def _batch_norm_forward(
    x: Array, scale: Array, shift: Array, mode: BatchNormMode
) -> tuple[Array, tuple[Array, Moments, Array]]:
    by = _moments(x, mode)
    y = (x - by.mean) * (by.inverse * wide(scale)) + wide(shift)
    return y, (x, by, scale)


def _batch_norm_backward(
    mode: BatchNormMode, residuals: tuple[Array, Moments, Array], dy: Array
) -> tuple[Array, Array, Array]:
    x, by, scale = residuals
    along_shift = dy.sum(_axes(mode), keepdims=True)
    along_scale = (dy * x).sum(_axes(mode), keepdims=True) - by.mean * along_shift
    along_scale = along_scale * by.inverse
    dx = dy
    if mode != "frozen":
        count = dy.size // along_shift.size
        dx = dy - along_shift / count - (x - by.mean) * (by.inverse * along_scale / count)
    total = (1, 2, 3)
    return dx * (by.inverse * wide(scale)), along_scale.sum(total), along_shift.sum(total)


batch_norm.defvjp(_batch_norm_forward, _batch_norm_backward)


def standardise(x: Array) -> Array:
    """Batch normalisation without scale and shift."""
    one = jnp.ones(x.shape[:1], x.dtype)
    return batch_norm(x, one, jnp.zeros_like(one))


# --- pooling --------------------------------------------------------------------------------------


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def avg_pool(x: Array, stride: int) -> Array:
    """3x3 average pool with padding 1, the padding not counted."""
    return _plain_avg_pool(x, stride)


def _plain_avg_pool(x: Array, stride: int) -> Array:
    return lax.optimization_barrier(_window_sum(x, stride) * _share(x.shape[1:3], stride, x.dtype))


def _window_sum(x: Array, stride: int) -> Array:
    height, width = _output_size(x, stride)
    padded = _padded(x, 1)
    rows = sum(padded[:, i : i + (height - 1) * stride + 1 : stride] for i in range(3))
    rows = lax.optimization_barrier(rows)
    return sum(rows[:, :, j : j + (width - 1) * stride + 1 : stride] for j in range(3))


def _share(size: tuple[int, ...], stride: int, dtype: Any) -> Array:
    """What one pixel counts in the window of each output [H, W, 1]."""
    rows, columns = (_window_count(n, stride) for n in size)
    return (1 / (rows[:, None] * columns)).astype(dtype)[:, :, None]


def _window_count(size: int, stride: int) -> Array:
    """Pixels of a row that each window of three covers."""
    first = jnp.arange(0, size, stride) - 1
    return jnp.minimum(first + 3, size) - jnp.maximum(first, 0)


def _avg_pool_backward(stride: int, like: Array, dy: Array) -> tuple[Array]:
    """A window sum is its own transpose, up to the stride."""
    size = like.shape[1:3]
    return (_window_sum(_spread(dy * _share(size, stride, dy.dtype), stride, size), 1),)


avg_pool.defvjp(lambda x, stride: (_plain_avg_pool(x, stride), x), _avg_pool_backward)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def max_pool(x: Array, stride: int) -> Array:
    """3x3 max pool with padding 1."""
    return _plain_max_pool(x, stride)


def _plain_max_pool(x: Array, stride: int) -> Array:
    padded = _padded(x, 1, -jnp.inf)
    size = _output_size(x, stride)
    windows = [_window(padded, i, j, size, stride) for i in range(3) for j in range(3)]
    return lax.optimization_barrier(functools.reduce(jnp.maximum, windows))


def _max_pool_forward(x: Array, stride: int) -> tuple[Array, tuple[Array, Array]]:
    y = _plain_max_pool(x, stride)
    return y, (x, y)


def _max_pool_backward(stride: int, residuals: tuple[Array, Array], dy: Array) -> tuple[Array]:
    """To the first largest pixel of each window, as PyTorch's and XLA's."""
    x, y = residuals
    size = y.shape[1:3]
    padded = _padded(x, 1, -jnp.inf)
    # Position of the first maximum of each window, 0..8.
    where = jnp.full(y.shape, 8, jnp.int8)
    for tap in reversed(range(9)):
        window = _window(padded, *divmod(tap, 3), size, stride)
        where = jnp.where(window == y, jnp.int8(tap), where)
    dy, where = lax.optimization_barrier((dy, where))
    zero = jnp.zeros((), x.dtype)
    if stride != 1:
        dy = _spread(dy, stride, x.shape[1:3])
        where = _spread(where, stride, x.shape[1:3])
    dy, where = _padded(dy, 1), _padded(where, 1)
    full = x.shape[1:3]
    terms = (
        jnp.where(
            _window(where, 2 - i, 2 - j, full, 1) == 3 * i + j,
            _window(dy, 2 - i, 2 - j, full, 1),
            zero,
        )
        for i in range(3)
        for j in range(3)
    )
    return (sum(terms, zero),)


max_pool.defvjp(_max_pool_forward, _max_pool_backward)
