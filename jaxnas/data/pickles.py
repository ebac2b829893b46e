"""Reads published pickles without running what is in them.

CIFAR and ImageNet16 come as Python 2 pickles of {data, labels, ...}, NATS-Bench as pickles of
plain containers and numbers. A pickle may name any function and call it on loading. Here a few
names are known, each stands for something harmless, and any other name is refused before anything
is called. Not even numpy's own loading is used: a forged array type can corrupt memory there.
"""

from __future__ import annotations

import collections
import pickle
from collections.abc import Callable
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import one_line
from jaxnas.data.images import DataError

_MALFORMED = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


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
        DataError: it is no pickle, is cut short, or holds no dict.
    """
    return {
        key.decode("latin1") if isinstance(key, bytes) else key: (
            value.value if isinstance(value, _Array) else value
        )
        for key, value in read_dict(file, name=name, what="a pickled batch of images").items()
    }


def read_dict(file: IO[bytes], *, name: str, what: str) -> dict[Any, Any]:
    """Reads a pickled dict of plain Python values and numpy's numbers.

    Args:
        file: open for reading in binary, at the pickle's beginning.
        name: what messages call the file.
        what: what messages say that the file must be.

    Returns:
        The dict as it was written, but for numpy's arrays, which are kept aside in stand-ins, and
        its numbers, which are Python's.

    Raises:
        UnsafePickleError: the pickle names a global that is not on the list.
        DataError: it is no pickle, is cut short, or holds no dict.
    """
    try:
        content = _Unpickler(file, name).load()
    except UnsafePickleError:
        raise
    except _MALFORMED as error:
        raise DataError(
            f"{name} must be {what}, but cannot be read ({one_line(error)}); get the file again"
        ) from error
    if not isinstance(content, dict):
        raise DataError(
            f"{name} must hold a pickled dict, but holds a {type(content).__name__}; "
            f"get the file again"
        )
    return content


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows the names of `_KNOWN` only."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__(file, encoding="bytes")
        self._name = name

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _KNOWN:
            raise UnsafePickleError(
                f"{self._name} must hold numpy arrays and plain containers only, but its pickle "
                f"asks for {module_name}.{global_name}, which was refused and not run; "
                f"get the file from its official source"
            )
        return _KNOWN[module_name, global_name]


class _Dtype:
    """Stands for `numpy.dtype`, of booleans, integers and floats only."""

    def __init__(self, code: str | bytes, *_: object) -> None:
        self.value = np.dtype(_text(code))
        if self.value.kind not in "biuf":
            raise ValueError(f"an array of type {self.value}, not of numbers")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order: Any = _text(state[1])  # "<", ">" or "|"
        self.value = self.value.newbyteorder(order)


class _Array:
    """Stands for numpy's `_reconstruct`: an empty array that the pickled state then fills."""

    def __init__(self, *_: object) -> None:
        self.value: NDArray[Any] = np.empty(0, np.int8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, columns_first, raw = state
        if not (isinstance(dtype, _Dtype) and isinstance(raw, bytes)):
            raise TypeError("an array not of numbers")
        order: Literal["F", "C"] = "F" if columns_first else "C"
        self.value = np.frombuffer(raw, dtype.value).reshape(shape, order=order)


def _scalar(dtype: object, raw: object, /) -> Any:
    """Stands for numpy's `scalar`: one number."""
    if not (isinstance(dtype, _Dtype) and isinstance(raw, bytes)):
        raise TypeError("a numpy scalar not of numbers")
    (number,) = np.frombuffer(raw, dtype.value).tolist()
    return number


def _text(value: str | bytes) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value


def _latin1(text: str, encoding: str, /) -> bytes:
    """Stands for `_codecs.encode`, by which Python 3 writes bytes in protocol 2."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes written in {encoding!r}, not in latin1")
    return text.encode("latin1")


# numpy.ndarray is only ever an argument, of _reconstruct, which ignores it: a name is enough.
_KNOWN: dict[tuple[str, str], Callable[..., object] | str] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): "numpy.ndarray",
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,
    ("builtins", "set"): set,
    ("collections", "OrderedDict"): collections.OrderedDict,
}
