"""Random flip and random crop, as NAS-Bench-201 has them: before normalisation, padded by black."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxnas.types import Array


def padding_of(side: int) -> int:
    """Pixels of padding before the crop: 4 at 32 pixels a side, 2 at 16, an eighth in general."""
    return max(side // 8, 1)


def augment(key: Array, images: Array, padding: int) -> Array:
    """Flips each image with probability 1/2, pads it, and crops it to its size at random.

    Args:
        key: of JAX's random generator.
        images: [B, H, W, C].
        padding: pixels on each side.
    """
    for_flips, for_corners = jax.random.split(key)
    flips = jax.random.bernoulli(for_flips, 0.5, (len(images),))
    corners = jax.random.randint(for_corners, (len(images), 2), 0, 2 * padding + 1)
    return flip_and_crop(images, flips, corners, padding)


def flip_and_crop(images: Array, flips: Array, corners: Array, padding: int) -> Array:
    """Flips, then crops.

    Args:
        images: [B, H, W, C].
        flips: bool [B], which are mirrored left to right.
        corners: int [B, 2], row and column of the crop's corner in the padded image, from 0 to
            2 padding.
        padding: pixels of 0 on each side.
    """
    images = jnp.where(flips[:, None, None, None], images[:, :, ::-1], images)
    border = (padding, padding)
    padded = jnp.pad(images, ((0, 0), border, border, (0, 0)))

    def crop(image: Array, corner: Array) -> Array:
        return lax.dynamic_slice(image, (corner[0], corner[1], 0), images.shape[1:])

    return jax.vmap(crop)(padded, corners)
