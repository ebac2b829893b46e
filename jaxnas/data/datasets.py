"""The named datasets and `.npz` files: fetched on first use, verified, read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pooch  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.checks import is_there, printable, quoted, shown, user_path
from jaxnas.data.batches import joined, read_batches
from jaxnas.data.download import difference
from jaxnas.data.download import download as fetch
from jaxnas.data.images import DataError, Images
from jaxnas.data.naming import named
from jaxnas.data.npz import read_arrays
from jaxnas.data.remedies import from_zero
from jaxnas.data.sources import SOURCES, Source

_DIGITS_TRAIN = 1500  # of 1,797; the last 297 are the test set
_NPZ_ARRAYS = ("x_train", "y_train", "x_test", "y_test", "classes")


def names(sources: Mapping[str, Source] = SOURCES) -> tuple[str, ...]:
    """The names that `load` knows, the embedded default first."""
    return ("digits", *sources)


def load(
    name_or_path: str | os.PathLike[str] = "digits",
    *,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
    sources: Mapping[str, Source] = SOURCES,
) -> Images:
    """Reads a dataset by its name, or an `.npz` file by its path.

    Args:
        name_or_path: `digits` (needs no file), `cifar10`, `cifar100`, `imagenet16-120`, however
            they are written (see `named`), or the path of an `.npz` (see `read_npz`).
        data_dir: the folder of the published files (see `data_folder`). A folder that
            torchvision downloaded CIFAR into will do.
        download: False to use files that are there already, and no network.
        sources: the published datasets by name.

    Returns:
        The images, checked. The published sets carry NAS-Bench-201's channel means and
        deviations, the others those of their training images.

    Raises:
        DataError: the name is unknown, or a file is missing, damaged, unobtainable or of the
            wrong form.
        UnsafePickleError: a published file is not what it should be.
    """
    name = named(name_or_path, names(sources))
    if name == "digits":
        return digits()
    if name is not None:
        return _read_source(sources[name], data_folder(data_dir), download=download)
    path = user_path("dataset", name_or_path, DataError)
    if path.suffix != ".npz" and not is_there(path):
        raise DataError(
            f"no dataset {quoted(str(path))}: give one of {', '.join(names(sources))}, "
            f"or the path of an .npz file"
        )
    return read_npz(path)


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the published files.

    Args:
        data_dir: taken where given; else the environment variable `JAXNAS_DATA`; else the
            user's cache folder, as the operating system has it.
    """
    chosen = data_dir or os.environ.get("JAXNAS_DATA") or pooch.os_cache("jaxnas")
    return user_path("data folder", chosen, DataError)


def digits() -> Images:
    """Handwritten digits, embedded in scikit-learn, as 32 by 32 RGB: 1,500 to train, 297 to test.

    The images are 8 by 8 with values 0 to 16. They are enlarged fourfold (see `_enlarge`), all
    three channels alike, and kept in their order, in which the first 1,500 train.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (CC BY
    4.0), its test part, by `sklearn.datasets.load_digits`.
    """
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # takes a second

    bunch = load_digits()
    grey = _enlarge(np.asarray(bunch.images, np.int64))
    x = np.repeat(grey[..., None], 3, axis=-1)
    y = np.asarray(bunch.target, np.int32)
    n = _DIGITS_TRAIN
    return Images.from_arrays("digits", x[:n], y[:n], x[n:], y[n:], num_classes=10)


def read_npz(path: str | os.PathLike[str]) -> Images:
    """Reads the arrays of an `.npz` file; its channel statistics are those of `x_train`.

    Args:
        path: of a file with `x_train` uint8 [N, H, W, 3] and `y_train` integers [N], and, as
            may be, `x_test`, `y_test` and `classes` [K], the names of the classes. Without
            `classes` there are as many as the largest label, plus one. Objects (pickles) in
            the file are refused, and of classes without training images a warning tells.

    Raises:
        DataError: the file is missing, no `.npz`, damaged, or its arrays are not of this form.
    """
    path = user_path("images", path, DataError)
    if not is_there(path) or path.is_dir():
        raise DataError(
            f"no file {shown(path)}: give the path of an .npz file, or one of {', '.join(names())}"
        )
    found = read_arrays(path, _NPZ_ARRAYS.__contains__)
    arrays = {name: array for name, array in found.items() if array is not None}
    absent = [key for key in ("x_train", "y_train") if key not in arrays]
    if absent:
        raise DataError(
            f"{shown(path)} must hold x_train and y_train, but has no {' and no '.join(absent)}; "
            f"save them with np.savez(path, x_train=..., y_train=...)"
        )
    classes = arrays.get("classes")
    if classes is not None and classes.ndim != 1:
        raise DataError(
            f"{shown(path)}: classes must be a list of class names, but has shape {classes.shape}; "
            f"save one name a class"
        )
    images = Images.from_arrays(
        printable(path.stem),
        arrays["x_train"],
        arrays["y_train"],
        arrays.get("x_test"),
        arrays.get("y_test"),
        num_classes=None if classes is None else len(classes),
    )
    _warn_of_empty_classes(images, path, named=classes is not None)
    return images


def _warn_of_empty_classes(images: Images, path: Path, named: bool) -> None:
    """Warns where a class has no training image: networks get an output for it all the same."""
    empty = np.setdiff1d(np.arange(images.num_classes), images.y_train)
    if not empty.size:
        return
    first = ", ".join(map(str, empty[:5].tolist())) + (", ..." if len(empty) > 5 else "")
    expression = None if named else from_zero(images.y_train, images.y_test)
    remedy = f"save {expression} for y_train and y_test" if expression else "add images of them"
    warnings.warn(
        f"{shown(path)}: expected training images of each of {images.num_classes:,} classes, got "
        f"none of {len(empty):,} ({first}), for which networks have outputs all the same; if that "
        f"is not meant, {remedy}",
        stacklevel=4,
    )


def _enlarge(images: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Bilinear enlargement of [N, 8, 8], 0 to 16, to uint8 [N, 32, 32], 0 to 255.

    Pixel centres are at half integers and the border is repeated. The weights are eighths, so
    all is done in whole numbers, halves rounded up, and every machine gets the same images.
    """
    weights = np.zeros((32, 8), np.int64)
    for row in range(32):
        eighths = 2 * row + 1 - 4  # 8 times the centre's position in the small image
        low, part = divmod(eighths, 8)
        weights[row, max(low, 0)] += 8 - part
        weights[row, min(low + 1, 7)] += part
    large = weights @ images @ weights.T  # 64 times the value, at most 1,024
    return ((large * 255 + 512) // 1024).astype(np.uint8)


def _read_source(source: Source, folder: Path, *, download: bool) -> Images:
    """Obtains and verifies the files of a published dataset, then reads them."""
    _obtain(source, folder, download=download)
    parts = read_batches(source, folder)
    absent = [name for name in (*source.train, *source.test) if name not in parts]
    if absent:
        raise DataError(
            f"{source.name}: the files in {shown(folder)} must hold {', '.join(absent)}, but do "
            f"not; get them again from {source.origin}"
        )
    x_train, y_train = joined([parts[name] for name in source.train])
    x_test, y_test = joined([parts[name] for name in source.test])
    return Images(
        source.name,
        x_train,
        y_train,
        source.num_classes,
        np.array(source.mean) / 255,
        np.array(source.std) / 255,
        x_test,
        y_test,
    )


def _obtain(source: Source, folder: Path, *, download: bool) -> None:
    """Makes sure that the files are in the folder and are the published ones."""
    if download and source.url is not None:
        for file, checksum in source.files.items():
            fetch(f"{source.url}/{file}", folder / file, checksum, source.most_bytes)
        return
    absent = [file for file in source.files if not (folder / file).exists()]
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        why = "it has no direct download" if source.url is None else "downloading is off"
        raise DataError(
            f"{source.name}: {', '.join(absent)} must be in {shown(folder)}, but {verb} missing, "
            f"and {why}; put them there from {source.origin}"
        )
    for file, checksum in source.files.items():
        wrong = difference(folder / file, checksum)
        if wrong:
            raise DataError(
                f"{source.name}: {shown(folder / file)} {wrong}, so it is damaged or another "
                f"file; get it again from {source.origin}"
            )
