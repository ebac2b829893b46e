"""Which images train, validate and test, and in which order an epoch takes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnas.data.images import DataError, Images, normalise, random_order

# Keeps the streams of order and augmentation apart, and from those of the initial parameters.
_ORDER, _AUGMENTATION = 1, 2


class Split(NamedTuple):
    """Images and labels of all splits in one array, and where each split is.

    Attributes:
        images: uint8 [T, H, W, 3].
        labels: int32 [T].
        levels: float32 [256, 3], what each value of a channel is once normalised.
        train: positions of the training images.
        valid: positions of the validation images, which may be none.
        test: positions of the test images.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    levels: NDArray[np.float32]
    train: NDArray[np.intp]
    valid: NDArray[np.intp]
    test: NDArray[np.intp]


def split(images: Images, valid_fraction: float) -> Split:
    """Holds out a fixed part of each class of the training images, or none; see `held_out`.

    Raises:
        DataError: there are no test images, or too few to hold out one of some class and train
            with another.
    """
    if images.x_test is None or images.y_test is None:
        raise DataError(f"{images.name} must have test images, but has none; save x_test, y_test")
    total = len(images.x_train)
    out = held_out(images.y_train, valid_fraction)
    if valid_fraction and not 0 < out.sum() < total:
        raise DataError(
            f"{images.name}: a validation fraction of {valid_fraction:g} holds out {out.sum():,} "
            f"of {total:,} training images; choose one that leaves images on both sides"
        )
    return Split(
        np.concatenate([images.x_train, images.x_test]),
        np.concatenate([images.y_train, images.y_test]),
        levels(images),
        np.flatnonzero(~out),
        np.flatnonzero(out),
        total + np.arange(len(images.x_test)),
    )


def levels(images: Images) -> NDArray[np.float32]:
    """What each value of a channel is once normalised, [256, 3]."""
    values = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return normalise(values, images.mean, images.std).astype(np.float32)


def held_out(labels: NDArray[np.int32], fraction: float) -> NDArray[np.bool_]:
    """Which training images validate: of each class the nearest whole number to the fraction.

    They are the first of their class in `random_order(N, 0)`, whatever the run's seed, so that
    every run on the same data chooses by the same images, and a larger fraction holds out those
    of a smaller one and more.

    Args:
        labels: [N].
        fraction: from 0, below 1.

    Returns:
        bool [N].
    """
    out = np.zeros(len(labels), np.bool_)
    order = random_order(len(labels), 0)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        out[members[: int(np.floor(len(members) * fraction + 0.5))]] = True
    return out


def epoch_order(positions: NDArray[np.intp], seed: int, epoch: int) -> NDArray[np.intp]:
    """The positions in the random order of an epoch, counted from 0.

    By the raw outputs of PCG64, whose stream numpy promises to keep (NEP 19).
    """
    bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_ORDER, epoch)))
    return positions[np.argsort(bits.random_raw(len(positions)), kind="stable")]


def augmentation_key(seed: int, epoch: int, step: int) -> NDArray[np.uint32]:
    """Key data [2] of JAX's threefry generator for a step of an epoch, both counted from 0."""
    sequence = np.random.SeedSequence(seed, spawn_key=(_AUGMENTATION, epoch, step))
    return sequence.generate_state(2, np.uint32).astype(np.uint32)
