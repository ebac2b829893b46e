"""Random flip and crop, before normalisation and padded by black; cutout, after it."""

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


def cutout(key: Array, images: Array, length: int) -> Array:
    """Blanks a square of each image, centred on any of its pixels with the same probability.

    Args:
        key: of JAX's random generator.
        images: [B, H, W, C], normalised.
        length: side of the square in pixels; what is outside the image is lost.

    Source: DeVries & Taylor, "Improved Regularization of Convolutional Neural Networks with
    Cutout", 2017, section 3.2; as DARTS has it, after normalisation and in every image.
    """
    centres = jax.random.randint(key, (len(images), 2), 0, jnp.array(images.shape[1:3]))
    return cut_out(images, centres, length)


def cut_out(images: Array, centres: Array, length: int) -> Array:
    """Sets to 0 the rows and columns from centre - length // 2 to before centre + length // 2.

    Args:
        images: [B, H, W, C].
        centres: int [B, 2], row and column.
        length: side of the square; an odd one is one pixel less, as in the released code.
    """
    inside = [
        abs(jnp.arange(size) + 0.5 - centres[:, axis, None]) < length // 2
        for axis, size in enumerate(images.shape[1:3])
    ]
    square = inside[0][:, :, None] & inside[1][:, None, :]
    return jnp.where(square[..., None], jnp.zeros((), images.dtype), images)
