"""The images of a search: halves that teach weights and α, and the batches of each epoch."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from jaxnas.data import DataError, Images, check_side, random_order
from jaxnas.data.splits import epoch_order, held_out, levels
from jaxnas.oneshot.recipe import Recipe
from jaxnas.oneshot.step import Batch
from jaxnas.training.augmentation import augment, padding_of
from jaxnas.training.programs import DeviceImages, normalised
from jaxnas.types import Array


class Parts(NamedTuple):
    """Positions of the training images that teach and of those held out, in random order."""

    train: NDArray[np.intp]
    valid: NDArray[np.intp]


def check(images: Images, recipe: Recipe) -> Parts:
    """Splits the images, if they fit the supernets and the batches.

    The test images are not looked at, nor need there be any.

    Raises:
        DataError: they do not.
    """
    check_side(images)
    out = held_out(images.y_train, recipe.valid_fraction)
    # Normalised together, images are not to be of one class because the file is in that order.
    order = random_order(len(out), 0)
    parts = Parts(order[~out[order]], order[out[order]])
    # On one level no batch of the images held out is learned from.
    least = 2 if recipe.alternation == "together" else recipe.batch_size
    for words, positions, needed in (
        ("left to teach the weights", parts.train, recipe.batch_size),
        ("held out", parts.valid, least),
    ):
        if len(positions) < needed:
            raise DataError(
                f"{images.name} is too small to split: batches of {recipe.batch_size} asked for, "
                f"but of {len(out):,} training images {len(positions):,} are {words} at a "
                f"valid_fraction of {recipe.valid_fraction:g}; ask for smaller batches"
            )
    return parts


def put_images(images: Images) -> DeviceImages:
    """The training images on the first device."""
    return DeviceImages(*jax.device_put((images.x_train, images.y_train, levels(images))))


def epoch_batches(
    parts: Parts, batch_size: int, seed: int, epoch: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Positions of an epoch's batches, int32 [S, B] of each part, reshuffled; epochs from 0.

    S is how many whole batches there are to train by. Of the images held out the first S batches
    are taken, from the beginning again if there are fewer.
    """
    steps = len(parts.train) // batch_size
    # An even number for one part and an odd one for the other, so that all orders differ.
    orders = (epoch_order(part, seed, 2 * epoch + i) for i, part in enumerate(parts))
    train, valid = (np.resize(order, (steps, batch_size)).astype(np.int32) for order in orders)
    return train, valid


def augmented_batch(data: DeviceImages, positions: Array, key: Array) -> Batch:
    """The images at positions [B], flipped and cropped at random, normalised."""
    padding = padding_of(data.images.shape[1])
    x = normalised(data.levels, augment(key, data.images[positions], padding))
    return Batch(x, data.labels[positions])


def plain_batch(data: DeviceImages, positions: Array) -> Batch:
    """The images at positions [B], normalised."""
    return Batch(normalised(data.levels, data.images[positions]), data.labels[positions])
