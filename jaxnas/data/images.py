"""A checked set of labelled images, its identity, and the batch that a seed fixes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from jaxnas.checks import checked, ranges
from jaxnas.data.remedies import into_range, one_label_each, to_integers, to_rgb, to_uint8

_CHUNK = 1024  # images counted at a time, so that the statistics need little memory


class DataError(ValueError):
    """Data that cannot be used: one sentence with what was expected, what came, what to do."""


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled RGB images with the channel statistics that normalise them.

    The arrays are kept as read-only views, so that `digest` stays true.

    Attributes:
        name: what messages and manifests call the data.
        x_train: uint8 [N, H, W, 3], channels last, 0 to 255.
        y_train: int32 [N], labels 0 to `num_classes` - 1 (any integer type is accepted).
        num_classes: number of classes, the width of a network's output.
        mean: float64 [3], channel means of images / 255.
        std: float64 [3], channel deviations of images / 255, all above 0.
        x_test: uint8 [M, H, W, 3], or None.
        y_test: int32 [M], or None.

    Raises:
        DataError: an array has the wrong shape, type, length or range.
    """

    name: str
    x_train: NDArray[np.uint8] = field(repr=False)
    y_train: NDArray[np.int32] = field(repr=False)
    num_classes: int
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    x_test: NDArray[np.uint8] | None = field(default=None, repr=False)
    y_test: NDArray[np.int32] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        checked(f"{self.name}: num_classes", self.num_classes, ranges.Classes)
        x_train = _checked_images(self.name, "x_train", self.x_train)
        arrays: dict[str, NDArray[Any] | None] = {
            "x_train": x_train,
            "y_train": _checked_labels(
                self.name, "y_train", self.y_train, len(x_train), self.num_classes
            ),
            "mean": _checked_channels(self.name, "mean", self.mean),
            "std": _checked_channels(self.name, "std", self.std),
        }
        if not (np.asarray(arrays["std"]) > 0).all():
            raise DataError(
                f"{self.name}: std must be above 0 in every channel, but is {self.std}; "
                f"give 1 for a constant channel"
            )
        if (self.x_test is None) != (self.y_test is None):
            there, absent = ("y_test", "x_test") if self.x_test is None else ("x_test", "y_test")
            raise DataError(f"{self.name}: {there} came without {absent}; give both or neither")
        if self.x_test is not None and self.y_test is not None:
            x_test = _checked_images(self.name, "x_test", self.x_test)
            if x_test.shape[1:] != x_train.shape[1:]:
                raise DataError(
                    f"{self.name}: x_test must hold images of {x_train.shape[1:]} as x_train does, "
                    f"but holds {x_test.shape[1:]}; resize one of them"
                )
            arrays["x_test"] = x_test
            arrays["y_test"] = _checked_labels(
                self.name, "y_test", self.y_test, len(x_test), self.num_classes
            )
        for key, array in arrays.items():
            object.__setattr__(self, key, _read_only(array))

    @classmethod
    def from_arrays(
        cls,
        name: str,
        x_train: NDArray[Any],
        y_train: NDArray[Any],
        x_test: NDArray[Any] | None = None,
        y_test: NDArray[Any] | None = None,
        *,
        num_classes: int | None = None,
    ) -> Images:
        """Images whose statistics are those of `x_train` (see `channel_statistics`).

        Args:
            name: what messages and manifests call the data.
            x_train: uint8 [N, H, W, 3].
            y_train: integers [N], from 0.
            x_test: uint8 [M, H, W, 3], or None.
            y_test: integers [M], or None.
            num_classes: by default the largest label of both sets, plus one.

        Raises:
            DataError: as for `Images`.
        """
        x = _checked_images(name, "x_train", x_train)
        if num_classes is None:
            labels = [a for a in (y_train, y_test) if a is not None and np.size(a)]
            numeric = [a for a in labels if np.asarray(a).dtype.kind in "iu"]
            largest = max((int(np.max(a)) + 1 for a in numeric), default=1)
            num_classes = min(max(largest, 1), ranges.MOST_CLASSES)  # the labels are checked below
        mean, std = channel_statistics(x)
        return cls(name, x, y_train, num_classes, mean, std, x_test, y_test)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, 3) of one image."""
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels

    def batch(
        self, size: int, seed: int, *, dtype: DTypeLike = np.float32
    ) -> tuple[NDArray[np.floating], NDArray[np.int32]]:
        """The batch of distinct training examples that a seed fixes, normalised.

        The examples are the first `size` of the training set's random order under `seed` (see
        `random_order`), so a smaller batch of the same seed is the beginning of a larger one.

        Args:
            size: number of examples B, at most the number of training images.
            seed: non-negative integer.
            dtype: float type of the images.

        Returns:
            x [B, H, W, 3] of `dtype`, normalised; y int32 [B].

        Raises:
            DataError: there are not so many images.
            ValueError: the size is no whole number of at least 1, or the seed none from 0.
        """
        total = len(self.x_train)
        size = checked("batch size", size, ranges.BatchSize)
        if size > total:
            raise DataError(
                f"batch of {size} asked for, but {self.name} has {total:,} training images; "
                f"ask for at most that"
            )
        chosen = random_order(total, checked("seed", seed, ranges.Seed))[:size]
        x = normalise(self.x_train[chosen], self.mean, self.std, dtype=dtype)
        return x, self.y_train[chosen]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of what a score can see of the data.

        Covers the shapes and bytes of `x_train` and `y_train`, the number of classes, the mean
        and the deviations; not the name, nor the test images.
        """
        sha = hashlib.sha256()
        for array, dtype in (
            (self.x_train, "u1"),
            (self.y_train, "<i4"),
            (np.asarray([self.num_classes]), "<i8"),
            (self.mean, "<f8"),
            (self.std, "<f8"),
        ):
            sha.update(repr(array.shape).encode())
            sha.update(np.ascontiguousarray(array, dtype=dtype).reshape(-1).data)
        return sha.hexdigest()


def normalise(
    images: NDArray[np.uint8],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    *,
    dtype: DTypeLike = np.float32,
) -> NDArray[np.floating]:
    """(images / 255 - mean) / std by channel, computed in float64, then rounded to `dtype`.

    Args:
        images: uint8 [..., 3].
        mean: float64 [3].
        std: float64 [3], above 0.
        dtype: float type of the result.

    Returns:
        [..., 3] of `dtype`.
    """
    result: NDArray[np.floating] = ((images / np.float64(255) - mean) / std).astype(dtype)
    return result


def channel_statistics(
    images: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation (of the population) of each channel of images / 255.

    Computed from the count of each of the 256 values in whole numbers and rounded once, so that
    the result, and with it `Images.digest`, is the same on every machine. A constant channel
    has deviation 0, which cannot divide: 1 is returned for it, and it normalises to exactly 0.

    Args:
        images: uint8 [N, H, W, 3].

    Returns:
        mean float64 [3], std float64 [3].
    """
    counts = np.zeros((3, 256), np.int64)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        for channel in range(3):
            counts[channel] += np.bincount(chunk[..., channel].reshape(-1), minlength=256)
    moments = [_exact_moments(row.tolist()) for row in counts]
    return np.array([m for m, _ in moments]), np.array([s for _, s in moments])


def random_order(total: int, seed: int) -> NDArray[np.intp]:
    """A random order of 0 .. total - 1, fixed by the seed.

    The order is that of the first `total` raw 64-bit outputs of PCG64, whose stream numpy
    promises to keep (NEP 19), unlike that of `Generator.permutation`.

    Args:
        total: how many.
        seed: non-negative integer.

    Returns:
        [total], a permutation.

    Raises:
        ValueError: the seed is no whole number from 0.
    """
    keys = np.random.PCG64(checked("seed", seed, ranges.SeedOfOrder)).random_raw(total)
    return np.argsort(keys, kind="stable")


def _exact_moments(counts: list[int]) -> tuple[float, float]:
    """Mean and deviation of values / 255 from how often each value 0..255 occurs."""
    total = sum(counts)
    first = sum(value * count for value, count in enumerate(counts))
    second = sum(value * value * count for value, count in enumerate(counts))
    variance = (total * second - first * first) / (total * 255) ** 2
    return first / (total * 255), float(np.sqrt(variance)) if variance > 0 else 1.0


def _checked_images(name: str, key: str, array: ArrayLike) -> NDArray[np.uint8]:
    """The array if it is uint8 [N, H, W, 3] and not empty, else a DataError."""
    x = np.asarray(array)
    if x.dtype != np.uint8:
        raise DataError(
            f"{name}: {key} must be uint8 [N, H, W, 3], 0 to 255, but is {_describe(x)}; "
            f"{to_uint8(x)}"
        )
    if x.ndim != 4 or x.shape[-1] != 3:
        raise DataError(
            f"{name}: {key} must be uint8 [N, H, W, 3], but has shape {x.shape}; {to_rgb(x)}"
        )
    if 0 in x.shape:
        raise DataError(f"{name}: {key} has shape {x.shape}; give at least one image")
    return x


def _describe(x: NDArray[Any]) -> str:
    """Type and range of an array in a few words."""
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        return f"{x.dtype} with {np.count_nonzero(~np.isfinite(x)):,} values NaN or infinite"
    if x.dtype.kind in "iuf" and x.size:
        return f"{x.dtype} from {x.min():g} to {x.max():g}"
    return f"{x.dtype}"


def _checked_labels(
    name: str, key: str, array: ArrayLike, length: int, num_classes: int
) -> NDArray[np.int32]:
    """The labels as int32 [length] if all are whole numbers in 0..num_classes-1."""
    y = np.asarray(array)
    if y.shape != (length,):
        raise DataError(
            f"{name}: {key} must have shape ({length},), one label an image, but has {y.shape}; "
            f"{one_label_each(y, length)}"
        )
    if y.dtype.kind not in "iu":
        raise DataError(
            f"{name}: {key} must hold integers, but is {_describe(y)}; {to_integers(y)}"
        )
    low, high = int(y.min()), int(y.max())
    limit = min(num_classes, ranges.MOST_CLASSES)
    if low < 0 or high >= limit:
        raise DataError(
            f"{name}: {key} must hold labels 0 to {limit - 1}, but holds {low} to {high}; "
            f"{into_range(low, high, limit, ranges.MOST_CLASSES)}"
        )
    return y.astype(np.int32)


def _checked_channels(name: str, key: str, array: ArrayLike) -> NDArray[np.float64]:
    """The array as float64 [3] if it is three finite numbers."""
    values = np.asarray(array, np.float64)
    if values.shape != (3,) or not np.isfinite(values).all():
        raise DataError(
            f"{name}: {key} must be 3 finite numbers, one a channel, but is {values.tolist()}; "
            f"use channel_statistics(x_train)"
        )
    return values


def _read_only(array: NDArray[Any] | None) -> NDArray[Any] | None:
    """A view that cannot be written to."""
    if array is None:
        return None
    view = array.view()
    view.flags.writeable = False
    return view


def check_side(images: Images) -> None:
    """Raises DataError if networks that halve images twice cannot take these."""
    height, width = images.x_train.shape[1:3]
    if height != width or height % 4:
        raise DataError(
            f"{images.name}: images must be square with a side that is a multiple of 4, as the "
            f"networks halve them twice, but are {height}x{width}; crop or resize them"
        )
