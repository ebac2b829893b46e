"""Batch normalisation in three modes, by few passes over the image.

On a CPU its cost is that of reading and writing images: what is saved for the backward pass is the
input itself, which exists anyway, and the rest is one fused pass each way beside the reductions.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxnas.types import Array

BatchNormMode = Literal["batch", "example", "frozen"]
BN_MODES: tuple[BatchNormMode, ...] = ("batch", "example", "frozen")
BN_EPSILON = 1e-5


class Moments(NamedTuple):
    """What an image is normalised by: [1, 1, 1, C], or [B, 1, 1, C] for each example alone.

    Attributes:
        mean: is subtracted.
        inverse: reciprocal of the deviation; multiplies.
    """

    mean: Array
    inverse: Array


def _axes(mode: BatchNormMode) -> tuple[int, ...]:
    return (1, 2) if mode == "example" else (0, 1, 2)


def moments(x: Array, mode: BatchNormMode) -> Moments:
    """The moments of x [B, H, W, C].

    Args:
        x: the image.
        mode: statistics of the whole batch, of each example alone over H and W, or frozen at
            initialisation (mean 0, variance 1).
    """
    if mode == "frozen":
        mean = jnp.zeros((1, 1, 1, x.shape[-1]), x.dtype)
        return Moments(mean, lax.rsqrt(jnp.ones_like(mean) + BN_EPSILON))
    mean, variance = _statistics(x, _axes(mode))
    return Moments(mean, lax.rsqrt(variance + BN_EPSILON))


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance [1, 1, 1, C] of a batch [B, H, W, C], as `batch` mode has them."""
    return _statistics(x, _axes("batch"))


def _statistics(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    mean = jnp.mean(x, axes, keepdims=True)
    variance = jnp.mean(jnp.square(x), axes, keepdims=True) - jnp.square(mean)
    return mean, jnp.maximum(variance, 0)


def standardise(x: Array, by: Moments, scale: Array, shift: Array) -> Array:
    """Batch normalisation by moments already known; scale and shift [C]."""
    return (x - by.mean) * (by.inverse * scale) + shift


def batch_norm_gradient(
    dy: Array, x: Array, by: Moments, scale: Array, mode: BatchNormMode
) -> tuple[Array, Array, Array]:
    """Cotangents of `batch_norm`'s input, scale and shift from that of its output."""
    axes = _axes(mode)
    along_shift = jnp.sum(dy, axes, keepdims=True)
    # The mean taken off the sum, not off each pixel: XLA reduces a plain product in one pass.
    along_scale = jnp.sum(dy * x, axes, keepdims=True) - by.mean * along_shift
    along_scale = along_scale * by.inverse
    dx = dy
    if mode != "frozen":
        count = dy.size // along_shift.size
        dx = dy - along_shift / count - (x - by.mean) * (by.inverse * along_scale / count)
    return dx * (by.inverse * scale), along_scale.sum((0, 1, 2)), along_shift.sum((0, 1, 2))


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def batch_norm(x: Array, scale: Array, shift: Array, mode: BatchNormMode) -> Array:
    """Batch normalisation with scale and shift [C]; `mode` as in `moments`."""
    return standardise(x, moments(x, mode), scale, shift)


def _forward(
    x: Array, scale: Array, shift: Array, mode: BatchNormMode
) -> tuple[Array, tuple[Array, Moments, Array]]:
    by = moments(x, mode)
    return standardise(x, by, scale, shift), (x, by, scale)


def _backward(
    mode: BatchNormMode, residuals: tuple[Array, Moments, Array], dy: Array
) -> tuple[Array, Array, Array]:
    x, by, scale = residuals
    return batch_norm_gradient(dy, x, by, scale, mode)


batch_norm.defvjp(_forward, _backward)
