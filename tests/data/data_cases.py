"""What tests of the data share: small images, and pickles as published batches are written."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jaxnas.data import Images


def some_images(n: int, side: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def small(**changes: Any) -> Images:
    arrays: dict[str, Any] = {"x_train": some_images(12), "y_train": np.arange(12) % 5}
    return Images.from_arrays("small", **(arrays | changes))


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


class Calls:
    """Pickles into a call of any function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def python2_batch(rows: np.ndarray, labels: list[int], label_key: str) -> bytes:
    """The very opcodes by which Python 2 and numpy wrote the published batches."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def integer(value: int) -> bytes:
        return b"J" + value.to_bytes(4, "little", signed=True)

    raw = rows.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        + b"(K\x01"
        + b"".join(map(integer, rows.shape))
        + b"\x86"
        + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
        + integer(-1) * 2
        + b"K\x00tb\x89T"
        + len(raw).to_bytes(4, "little")
        + raw
        + b"tb"
    )
    numbers = b"](" + b"".join(map(integer, labels)) + b"e"
    label = text(b"batch_label") + text(b"training batch 1 of 5")
    return (
        b"\x80\x02}(" + label + text(b"data") + array + text(label_key.encode()) + numbers + b"u."
    )


def python3_batch(rows: np.ndarray, labels: list[int], label_key: str) -> bytes:
    """The same content as Python 3 writes it in protocol 2, keys as bytes."""
    return pickle.dumps({b"data": rows, label_key.encode(): labels}, protocol=2)


WRITERS = {"python 2": python2_batch, "python 3": python3_batch}

X, Y = some_images(12), np.arange(12)
