"""What turns images and labels of another form into the right one, as expressions that do it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RENUMBER = "np.unique(y, return_inverse=True)[1]"


def to_uint8(x: NDArray[Any]) -> str:
    """What turns an array of the wrong type into uint8."""
    if x.dtype.kind == "b":
        return "save x.astype(np.uint8) * 255"
    if x.dtype.kind not in "iuf":
        return "save the pixels as plain numbers, integers 0 to 255 as uint8"
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        return "repair those values, then save integers 0 to 255 as uint8"
    low, high = (x.min(), x.max()) if x.size else (-1, -1)
    if low >= 0 and high <= 255:
        fractions = x.dtype.kind == "f" and high <= 1
        return f"save np.rint({'255 * x' if fractions else 'x'}).astype(np.uint8)"
    if x.dtype == np.uint16:
        return "save (x // 257).astype(np.uint8)"
    return "undo any normalisation, then save integers 0 to 255 as uint8"


def to_rgb(x: NDArray[Any]) -> str:
    """What turns an array of the wrong shape into [N, H, W, 3]."""
    images, channels = _channels_last(x)
    after = {
        1: f"repeat the grey channel with np.repeat({images}, 3, axis=-1)",
        2: "leave out the transparency and repeat the grey channel with "
        f"np.repeat({images}[..., :1], 3, axis=-1)",
        3: f"move the channels last with {images}",
        4: f"leave out the transparency with {images}[..., :3]",
    }
    return after.get(channels, "save images of three channels, which come last")


def one_label_each(y: NDArray[Any], length: int) -> str:
    """What turns labels of the wrong shape into one an image."""
    if y.ndim != 2 or len(y) != length:
        return "give as many labels as images"
    if y.shape[1] == 1:
        return "save y[:, 0]"
    if y.shape[1] and y.dtype.kind in "iufb":
        return "of one-hot labels save y.argmax(axis=1)"
    return "give one label an image"


def to_integers(y: NDArray[Any]) -> str:
    """What turns labels [N] of the wrong type into integers."""
    whole = y.dtype.kind == "b" or (y.dtype.kind == "f" and bool((y == np.rint(y)).all()))
    if whole or (y.dtype.kind in "US" and all(_is_small_number(text) for text in y.tolist())):
        return "save y.astype(np.int32)"
    if y.dtype.kind in "US":
        return f"number the classes with {_RENUMBER}"
    return "give to each image the number of its class, from 0"


def into_range(low: int, high: int, num_classes: int, most_classes: int) -> str:
    """What turns labels from low to high into 0 to num_classes - 1."""
    if low > 0 and high - low < num_classes:
        return f"save y - {low}"
    if low < 0 or num_classes >= most_classes:
        return f"renumber the classes with {_RENUMBER}"
    return "name all classes, or leave out the images of the others"


def from_zero(train: NDArray[Any], test: NDArray[Any] | None) -> str | None:
    """What turns labels y of both sets into 0, 1, ... without a gap; None where nothing can."""
    distinct = np.unique(train)
    if test is not None and not np.isin(test, distinct).all():
        return None
    if len(distinct) == distinct[-1] - distinct[0] + 1:
        return f"y - {distinct[0]}"
    return "np.searchsorted(np.unique(y_train), y)"


def _channels_last(x: NDArray[Any]) -> tuple[str, int]:
    """The expression of an array as [N, H, W, channels], and how many; 0 where it is none."""
    if x.ndim == 4:
        # Images are rarely 4 pixels wide: such an axis is one of channels, unless they are square.
        _, high, wide, last = x.shape
        first = last > 4 or (high <= 4 and high != wide == last)
        return ("x.transpose(0, 2, 3, 1)", high) if first else ("x", last)
    if x.ndim == 3:
        return "x[..., None]", 1
    if x.ndim == 2:
        for channels in (3, 1):  # rows such as CIFAR's and MNIST's
            side = math.isqrt(x.shape[1] // channels)
            if side and channels * side**2 == x.shape[1]:
                return f"x.reshape(-1, {channels}, {side}, {side}).transpose(0, 2, 3, 1)", channels
    return "", 0


def _is_small_number(text: str | bytes) -> bool:
    return len(text) < 10 and text.isdigit() and text.isascii()
