"""Reads published pickles without running what is in them.

CIFAR and ImageNet16 come as Python 2 pickles of {data, labels, ...}, NATS-Bench as pickles of
plain containers and numbers. They are read by `unpickling`, which builds plain data only; here is
what stands for the numpy objects in them, of which a few types of numbers are known. Not even
numpy's own loading is used: a forged array type can corrupt memory there.
"""

from __future__ import annotations

import math
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import damaged, in_words, shortened, shown
from jaxnas.data.images import DataError
from jaxnas.data.pickle_machine import Known, Malformed, StandIn, Unknown
from jaxnas.data.unpickling import read_plain

# A published batch of images is less than 100 MB.
_MOST_BYTES = 256 * 2**20


class UnsafePickleError(DataError):
    """A pickle that names something other than numeric numpy arrays and plain containers."""


def read_batch(file: IO[bytes], *, name: str) -> dict[str, Any]:
    """Reads one published batch: a pickled dict of numeric arrays and plain Python values.

    Args:
        file: open for reading in binary, at the pickle's beginning.
        name: what messages call the file.

    Returns:
        The dict, its keys as text (Python 2 wrote them as bytes), its arrays read-only. Other
        Python 2 strings in it stay bytes.

    Raises:
        UnsafePickleError: the pickle names a global that is not on the list.
        DataError: it is no pickle of plain data, is damaged, or holds no dict.
    """
    what = "a pickled batch of images"
    data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise DataError(damaged(name, what, f"more than {in_words(_MOST_BYTES)}", _AGAIN))
    return {
        key.decode("latin1") if isinstance(key, bytes) else key: (
            value.value if isinstance(value, _Array) else value
        )
        for key, value in read_dict(data, name=name, what=what).items()
    }


def read_dict(data: bytes, *, name: str, what: str) -> dict[Any, Any]:
    """Reads a pickled dict of plain Python values and numpy's numbers.

    Args:
        data: the pickle, and nothing after it.
        name: what messages call the file.
        what: what messages say that the file must be.

    Returns:
        The dict as it was written, but for numpy's arrays, which are kept aside in stand-ins, its
        numbers, which are Python's, and ordered dicts, which are dicts.

    Raises:
        UnsafePickleError: the pickle names a global that is not on the list.
        DataError: it is no pickle of plain data, is damaged, or holds no dict.
    """
    try:
        content = read_plain(data, _KNOWN)
    except Unknown as error:
        raise UnsafePickleError(
            f"{shown(name)} must hold numpy arrays and plain containers only, but its pickle "
            f"asks for {shortened(str(error))}, which was refused and not run; "
            f"get the file from its official source"
        ) from error
    except Malformed as error:
        raise DataError(damaged(name, what, str(error), _AGAIN)) from error
    if not isinstance(content, dict):
        raise DataError(damaged(name, what, f"a pickled {type(content).__name__}", _AGAIN))
    return content


class _Dtype(StandIn):
    """Stands for `numpy.dtype`, of booleans, integers and floats only."""

    def __init__(self, code: Any, *_: object) -> None:
        if _text(code) not in _CODES:
            raise Malformed("a pickle of an array not of numbers")
        self.value = np.dtype(_text(code))

    def build(self, state: Any) -> None:
        order = _text(state[1])
        if order not in _ORDERS:
            raise Malformed("a pickle of numbers in no byte order")
        self.value = self.value.newbyteorder(order)  # type: ignore[arg-type]


class _Array(StandIn):
    """Stands for numpy's `_reconstruct`: an empty array that the pickled state then fills."""

    def __init__(self, *_: object) -> None:
        self.value: NDArray[Any] = np.empty(0, np.int8)

    def build(self, state: Any) -> None:
        _, shape, dtype, columns_first, raw = state
        if not (isinstance(dtype, _Dtype) and isinstance(raw, bytes)):
            raise Malformed("a pickle of an array not of numbers")
        order: Literal["F", "C"] = "F" if columns_first else "C"
        sizes = shape if type(shape) is tuple and all(type(n) is int for n in shape) else (-1,)
        if min(sizes, default=0) < 0 or math.prod(sizes) * dtype.value.itemsize != len(raw):
            raise Malformed("a pickle of an array of another size than its numbers")
        self.value = np.frombuffer(raw, dtype.value).reshape(sizes, order=order)


def _scalar(dtype: Any, raw: Any, /) -> Any:
    """Stands for numpy's `scalar`: one number."""
    if not (isinstance(dtype, _Dtype) and isinstance(raw, bytes)):
        raise Malformed("a pickle of a numpy scalar not of numbers")
    if len(raw) != dtype.value.itemsize:
        raise Malformed("a pickle of a numpy scalar of another size than its type")
    (number,) = np.frombuffer(raw, dtype.value).tolist()
    return number


def _text(value: Any) -> Any:
    return value.decode("ascii") if isinstance(value, bytes) else value


def _latin1(text: Any, encoding: Any, /) -> bytes:
    """Stands for `_codecs.encode`, by which Python 3 writes bytes in protocol 2."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Malformed("a pickle of bytes that are not written in latin1")
    return text.encode("latin1")


def _no_call(*_: object) -> None:
    """Stands for numpy.ndarray, which is only ever an argument, of _reconstruct."""
    raise Malformed("a pickle that calls numpy.ndarray")


_AGAIN = "get the file again"

_CODES = frozenset({"b1", "?", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8))}) | {
    "f2",
    "f4",
    "f8",
}
_ORDERS = ("<", ">", "|", "=")

_KNOWN: Known = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): _no_call,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,
}
