"""Average pooling as NAS-Bench-201 has it: 3x3, stride 1, the padding not counted."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnas.types import Array


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
    return _plain_avg_pool(x)


def _plain_avg_pool(x: Array) -> Array:
    return _window_sum(x) / _window_count(x.shape[1], x.shape[2], x.dtype)


def avg_pool_gradient(dy: Array) -> Array:
    """The transpose of `avg_pool`: a window sum is its own transpose."""
    return _window_sum(dy / _window_count(dy.shape[1], dy.shape[2], dy.dtype))


avg_pool.defvjp(lambda x: (_plain_avg_pool(x), None), lambda _, dy: (avg_pool_gradient(dy),))
