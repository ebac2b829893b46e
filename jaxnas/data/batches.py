"""The batches of published images, out of plain files and archives; nothing is extracted."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import damaged, in_words, one_line, opened, shown
from jaxnas.data.images import DataError
from jaxnas.data.pickles import read_batch
from jaxnas.data.sources import Source

# CIFAR's archives unpack to 185 MB; of ImageNet16 a batch is less than 100 MB.
_MOST_UNPACKED = 10**9
_MOST_FILE = 10**9
_WHAT = "a .tar.gz archive of images"


def read_batches(source: Source, folder: Path) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """The images uint8 [n, side, side, 3] and labels int32 [n] of each batch of a data set.

    Raises:
        DataError: a file is damaged or of another form.
        UnsafePickleError: a batch asks for more than plain data.
        OSError: a file cannot be read.
    """
    return {
        name: _arrays(source, name, batch)
        for name, batch in _batches(folder, source.files, {*source.train, *source.test})
    }


def joined(
    parts: list[tuple[NDArray[np.uint8], NDArray[np.int32]]],
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The images and the labels of several batches, one after another."""
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _batches(
    folder: Path, files: Mapping[str, str], wanted: set[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Reads the wanted batches, one at a time, from plain files and archives."""
    for file in files:
        path = folder / file
        if file.endswith(".tar.gz"):
            yield from _tar_batches(path, wanted)
        elif file in wanted:
            with opened(path, "a batch of images", _MOST_FILE, DataError) as stream:
                yield file, read_batch(stream, name=str(path))


def _tar_batches(path: Path, wanted: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Reads the wanted members of an archive in the order they have there."""
    try:
        with (
            opened(path, _WHAT, _MOST_FILE, DataError) as file,
            gzip.open(file) as unpacked,
            tarfile.open(fileobj=_Bounded(unpacked, path), mode="r|") as archive,
        ):
            seen = set()
            for member in archive:
                if member.name not in wanted:
                    continue
                place = f"{path}:{member.name}"
                # A link may lead to itself, to a device or out of the archive.
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None or member.name in seen:
                    got = "a second one" if stream else "a link, a folder or a device"
                    raise DataError(damaged(place, "one batch of images", got, "get it again"))
                seen.add(member.name)
                yield member.name, read_batch(stream, name=place)
    except DataError:
        raise
    except (
        tarfile.TarError,
        zlib.error,
        ArithmeticError,
        EOFError,
        LookupError,
        OSError,
        RecursionError,
        ValueError,
    ) as error:
        raise DataError(
            f"{shown(path)} cannot be read as .tar.gz ({one_line(error)}); get it again"
        ) from error


class _Bounded(io.RawIOBase):
    """A stream that says so where it has more bytes than any archive of images."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, path: Path) -> None:
        self._stream, self._path, self._left = stream, path, _MOST_UNPACKED

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most so many.

        Raises:
            DataError: there were too many.
        """
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            got = f"more than {in_words(_MOST_UNPACKED)}"
            raise DataError(damaged(self._path, _WHAT, got, "get it again"))
        return content


def _arrays(
    source: Source, name: str, batch: dict[str, Any]
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Images uint8 [n, side, side, 3] and labels int32 [n], from 0, of the classes kept."""
    data, labels = batch.get("data"), _integers(batch.get(source.label_key))
    row = 3 * source.side**2
    if (
        not isinstance(data, np.ndarray)
        or data.dtype != np.uint8
        or data.shape[1:] != (row,)
        or labels is None
        or len(labels) != len(data)
    ):
        raise DataError(
            f"{source.name}: batch {name} must hold data, uint8 [n, {row}], and "
            f"{source.label_key}, n integers, but does not; get it again from {source.origin}"
        )
    y = labels - source.first_label
    x = data.reshape(-1, 3, source.side, source.side).transpose(0, 2, 3, 1)
    if source.subset:
        kept = (y >= 0) & (y < source.num_classes)
        x, y = x[kept], y[kept]
    return np.ascontiguousarray(x), y


def _integers(values: object) -> NDArray[np.int32] | None:
    """A list or array of n labels as int32 [n]; None if it is anything else."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list) and all(type(v) is int and 0 <= v < 2**31 for v in values):
        return np.array(values, np.int32)
    return None
