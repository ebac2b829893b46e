"""Arrays out of `.npz` files that anybody may have made: nothing is run, claims are not believed.

numpy's own reader evaluates the head of an array as Python, allocates what it claims, and leaves
damage to errors of many kinds. Here a head is taken apart by patterns, and an array is allocated
only where the archive can hold it.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import errno
import math
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import damaged, in_words, one_line, opened, quoted, shown
from jaxnas.data.images import DataError

_WHAT = "an .npz file"
_AGAIN = "get or save the file again"
# Of larger files nothing would fit into memory.
_MOST_BYTES = 64 * 10**9
_MOST_MEMBERS = 10_000
_LONGEST_HEAD = 10_000
_CHUNK = 2**20
# Deflate can pack a thousand bytes into one; arrays of so much repetition are no data.
_MOST_PACKED, _NOT_A_BOMB = 200, 64 * 10**6

_MAGIC = re.compile(rb"\x93NUMPY([\x01\x02\x03])\x00")
_DESCR = re.compile(r"""['"]descr['"]\s*:\s*['"]([<>|=]?)([a-zA-Z?])(\d{0,7})['"]""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([\d\sL,]*)\)""")
# Text (U) and bytes (S) of any length; numbers as numpy calls them by kind and size.
_CODES = re.compile(r"[US]\d+|\?|b1|[iu][1248]|f[248]")

_UNREADABLE = (
    ArithmeticError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_arrays(path: Path, is_wanted: Callable[[str], bool]) -> dict[str, NDArray[Any] | None]:
    """The arrays of an `.npz` file by name, in their order there.

    Args:
        path: of the file.
        is_wanted: whether an array of this name is read.

    Returns:
        Arrays of numbers, booleans, text or bytes; None for those that are not wanted.

    Raises:
        DataError: it is no `.npz` file, is damaged, or an array that is wanted holds anything
            else, such as Python objects.
        OSError: it is not there or cannot be read.
    """
    with opened(path, _WHAT, _MOST_BYTES, DataError) as file:
        if file.read(2) != b"PK" or not zipfile.is_zipfile(file):
            raise DataError(
                f"{shown(path)} must be {_WHAT}, but is none, or is cut short; "
                f"save it with np.savez, or get it again"
            )
        try:
            with zipfile.ZipFile(file) as archive:
                members = _members(archive, path)
                return {
                    name: _array(archive, member, path, name) if is_wanted(name) else None
                    for name, member in members.items()
                }
        except DataError:
            raise
        except MemoryError as error:
            raise DataError(
                f"{shown(path)} holds more than there is memory for; save fewer or smaller arrays"
            ) from error
        except _UNREADABLE as error:
            # A claim of a place before the file's beginning is damage, not the disk's fault.
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise DataError(damaged(path, _WHAT, one_line(error), _AGAIN)) from error


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The members by the names of their arrays."""
    infos = archive.infolist()
    if len(infos) > _MOST_MEMBERS:
        raise DataError(damaged(path, _WHAT, f"{len(infos):,} members", _AGAIN))
    members = {info.filename.removesuffix(".npy"): info for info in infos}
    if len(members) < len(infos):
        raise DataError(damaged(path, _WHAT, "two arrays of one name", _AGAIN))
    return members


def _array(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, name: str
) -> NDArray[Any]:
    """One array, in memory of its own, its checksum verified."""

    def wrong(got: str) -> DataError:
        return DataError(damaged(path, f"in {quoted(name)} an array of NumPy", got, _AGAIN))

    if member.flag_bits & 1:
        raise DataError(
            f"{shown(path)} is encrypted: expected plain arrays, got a password on "
            f"{quoted(name)}; unpack it and save it with np.savez"
        )
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise wrong(f"one packed in a way that np.savez never does ({member.compress_type})")
    with archive.open(member) as stream:
        head = _head(stream)
        if head is None:
            raise wrong("something else, or a head that is cut short")
        length, text = head
        if "'O'" in text or "|O" in text:
            raise DataError(
                f"{shown(path)} holds Python objects in {name}, which are never loaded; "
                f"save plain numbers, and names as text"
            )
        dtype, shape, order = _form(text, wrong)
        size = dtype.itemsize * math.prod(shape)
        if size != member.file_size - length:
            there = max(member.file_size - length, 0)
            raise wrong(f"one of {in_words(size)} by its head in {in_words(there)}")
        if size > _NOT_A_BOMB and size > _MOST_PACKED * member.compress_size:
            packed = in_words(member.compress_size)
            raise wrong(f"one of {in_words(size)} packed into {packed}")
        return _content(stream, size, dtype, wrong).reshape(shape, order=order)


def _head(stream: IO[bytes]) -> tuple[int, str] | None:
    """How long the head of an array is, in bytes, and its text; None where there is none."""
    magic = _MAGIC.fullmatch(stream.read(8))
    if magic is None:
        return None
    width = 2 if magic[1] == b"\x01" else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > _LONGEST_HEAD:
        return None
    text = stream.read(length)
    return (8 + width + length, text.decode("latin1")) if len(text) == length else None


def _form(
    text: str, wrong: Callable[[str], DataError]
) -> tuple[np.dtype[Any], tuple[int, ...], Literal["C", "F"]]:
    """Type, shape and order of an array by the text of its head."""
    descr, order, shape = _DESCR.search(text), _ORDER.search(text), _SHAPE.search(text)
    if order is None or shape is None:
        raise wrong(f"the head {quoted(text)}")
    if descr is None or not _CODES.fullmatch(descr[2] + descr[3]):
        raise wrong(f"records, or numbers of a type that is not known, by its head {quoted(text)}")
    sizes = tuple(int(size.rstrip("L")) for size in shape[1].replace(" ", "").split(",") if size)
    if len(sizes) > 32 or math.prod(size for size in sizes if size) >= 2**62:
        raise wrong("one of more numbers than a machine can count")
    return np.dtype("".join(descr.groups())), sizes, "F" if order[1] == "True" else "C"


def _content(
    stream: IO[bytes], size: int, dtype: np.dtype[Any], wrong: Callable[[str], DataError]
) -> NDArray[Any]:
    """The bytes after the head as a flat array; reading to the end verifies the checksum."""
    raw = np.empty(size, np.uint8)
    view = memoryview(raw)  # type: ignore[arg-type]
    done = 0
    while done < size:
        chunk = stream.read(min(_CHUNK, size - done))
        if not chunk:
            raise wrong(f"one that is cut short after {in_words(done)}")
        view[done : done + len(chunk)] = chunk
        done += len(chunk)
    if stream.read(1):
        raise wrong("one that goes on after its end")
    if dtype.itemsize == 0:
        raise wrong("texts of no length")
    if dtype.kind == "U" and size and raw.view(np.dtype(f"{dtype.byteorder}u4")).max() > 0x10FFFF:
        raise wrong("texts with characters that are none")
    return raw.view(dtype)
