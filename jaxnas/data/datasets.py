"""The named datasets and `.npz` files: fetched on first use, verified, read."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pooch  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.checks import at_home, check_path, one_line
from jaxnas.data.images import DataError, Images
from jaxnas.data.naming import named
from jaxnas.data.pickles import read_batch

_DIGITS_TRAIN = 1500  # of 1,797; the last 297 are the test set


@dataclass(frozen=True)
class Source:
    """Where a published dataset is found and how its batches are laid out.

    A file that ends in `.tar.gz` is read as an archive of batches, any other as one batch. A
    batch is a pickled dict of `data`, uint8 [n, 3 * side * side], channels first, and labels.

    Attributes:
        name: what messages and manifests call the data.
        files: path below the data folder → checksum, `md5:<hex>` or `sha256:<hex>`.
        train: names of the training batches, in order: members of the archive, or files.
        test: names of the test batches.
        side: height and width of an image in pixels.
        num_classes: number of classes kept.
        mean: channel means, 0 to 255.
        std: channel deviations, 0 to 255.
        url: the address that serves the files, each at `url/<file>`; None where there is none.
        origin: where a person gets the files.
        label_key: which entry of a batch holds its labels.
        first_label: the label of class 0 in the files.
        subset: True where the files hold further classes, which are left out.
    """

    name: str
    files: Mapping[str, str]
    train: tuple[str, ...]
    test: tuple[str, ...]
    side: int
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    url: str | None
    origin: str
    label_key: str = "labels"
    first_label: int = 0
    subset: bool = False


# Checksums: CIFAR's as on https://www.cs.toronto.edu/~kriz/cifar.html; ImageNet16's, and all
# means and deviations, as in AutoDL-Projects (DownsampledImageNet.py and
# get_dataset_with_transform.py), the code by which NAS-Bench-201 was trained.
CIFAR10 = Source(
    name="cifar10",
    files={"cifar-10-python.tar.gz": "md5:c58f30108f718f92721af3b95e74349a"},
    train=tuple(f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)),
    test=("cifar-10-batches-py/test_batch",),
    side=32,
    num_classes=10,
    mean=(125.3, 123.0, 113.9),
    std=(63.0, 62.1, 66.7),
    url="https://www.cs.toronto.edu/~kriz",
    origin="https://www.cs.toronto.edu/~kriz/cifar.html",
)

CIFAR100 = Source(
    name="cifar100",
    files={"cifar-100-python.tar.gz": "md5:eb9058c3a382ffc7106e4002c42a8d85"},
    train=("cifar-100-python/train",),
    test=("cifar-100-python/test",),
    side=32,
    num_classes=100,
    mean=(129.3, 124.1, 112.4),
    std=(68.2, 65.4, 70.4),
    url="https://www.cs.toronto.edu/~kriz",
    origin="https://www.cs.toronto.edu/~kriz/cifar.html",
    label_key="fine_labels",
)

IMAGENET16_120 = Source(
    name="imagenet16-120",
    files={
        "ImageNet16/train_data_batch_1": "md5:27846dcaa50de8e21a7d1a35f30f0e91",
        "ImageNet16/train_data_batch_2": "md5:c7254a054e0e795c69120a5727050e3f",
        "ImageNet16/train_data_batch_3": "md5:4333d3df2e5ffb114b05d2ffc19b1e87",
        "ImageNet16/train_data_batch_4": "md5:1620cdf193304f4a92677b695d70d10f",
        "ImageNet16/train_data_batch_5": "md5:348b3c2fdbb3940c4e9e834affd3b18d",
        "ImageNet16/train_data_batch_6": "md5:6e765307c242a1b3d7d5ef9139b48945",
        "ImageNet16/train_data_batch_7": "md5:564926d8cbf8fc4818ba23d2faac7564",
        "ImageNet16/train_data_batch_8": "md5:f4755871f718ccb653440b9dd0ebac66",
        "ImageNet16/train_data_batch_9": "md5:bb6dd660c38c58552125b1a92f86b5d4",
        "ImageNet16/train_data_batch_10": "md5:8f03f34ac4b42271a294f91bf480f29b",
        "ImageNet16/val_data": "md5:3410e3017fdaefba8d5073aaa65e4bd6",
    },
    train=tuple(f"ImageNet16/train_data_batch_{i}" for i in range(1, 11)),
    test=("ImageNet16/val_data",),
    side=16,
    num_classes=120,
    mean=(122.68, 116.66, 104.01),
    std=(63.22, 61.26, 65.09),
    url=None,
    origin="the Google Drive folder in the README of https://github.com/D-X-Y/NAS-Bench-201",
    first_label=1,
    subset=True,
)

SOURCES: Mapping[str, Source] = MappingProxyType(
    {source.name: source for source in (CIFAR10, CIFAR100, IMAGENET16_120)}
)


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
    path = at_home(check_path("dataset", name_or_path))
    if path.suffix != ".npz" and not path.exists():
        raise DataError(
            f"no dataset {str(name_or_path)!r}: give one of {', '.join(names(sources))}, "
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
    return at_home(chosen)


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
            the file are refused.

    Raises:
        DataError: the file is missing, no `.npz`, damaged, or its arrays are not of this form.
    """
    path = Path(path)
    arrays = _npz_arrays(path, ("x_train", "y_train", "x_test", "y_test", "classes"))
    absent = [key for key in ("x_train", "y_train") if key not in arrays]
    if absent:
        raise DataError(
            f"{path} must hold x_train and y_train, but has no {' and no '.join(absent)}; "
            f"save them with np.savez(path, x_train=..., y_train=...)"
        )
    classes = arrays.get("classes")
    if classes is not None and classes.ndim != 1:
        raise DataError(
            f"{path}: classes must be a list of class names, but has shape {classes.shape}; "
            f"save one name a class"
        )
    return Images.from_arrays(
        path.stem,
        arrays["x_train"],
        arrays["y_train"],
        arrays.get("x_test"),
        arrays.get("y_test"),
        num_classes=None if classes is None else len(classes),
    )


def _npz_arrays(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Those of the named arrays that an `.npz` file has, never unpickling."""
    if not path.is_file():
        raise DataError(
            f"no file {path}: give the path of an .npz file, or one of {', '.join(names())}"
        )
    if not _is_zip(path):
        raise DataError(
            f"{path} must be an .npz file, but is none, or is cut short; "
            f"save it with np.savez, or get it again"
        )
    arrays = {}
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            for key in keys:
                if key in archive.files:
                    arrays[key] = np.asarray(archive[key])
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        MemoryError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"{path} holds Python objects in {key}, which are never loaded; "
                f"save plain numbers, and names as text"
            ) from error
        raise DataError(
            f"{path} cannot be read ({one_line(error)}); get or save it again"
        ) from error
    return arrays


def _is_zip(path: Path) -> bool:
    """Whether a file both begins and ends as a zip archive: numpy goes by its beginning."""
    if not zipfile.is_zipfile(path):
        return False
    with path.open("rb") as stream:
        return stream.read(2) == b"PK"


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
    parts = {
        name: _arrays(source, name, batch)
        for name, batch in _batches(folder, source.files, {*source.train, *source.test})
    }
    absent = [name for name in (*source.train, *source.test) if name not in parts]
    if absent:
        raise DataError(
            f"{source.name}: the files in {folder} must hold {', '.join(absent)}, but do not; "
            f"get them again from {source.origin}"
        )
    x_train, y_train = _joined([parts[name] for name in source.train])
    x_test, y_test = _joined([parts[name] for name in source.test])
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
            _download(f"{source.url}/{file}", folder / file, checksum)
        return
    absent = [file for file in source.files if not (folder / file).is_file()]
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        why = "it has no direct download" if source.url is None else "downloading is off"
        raise DataError(
            f"{source.name}: {', '.join(absent)} must be in {folder}, but {verb} missing, and "
            f"{why}; put them there from {source.origin}"
        )
    for file, checksum in source.files.items():
        difference = _difference(folder / file, checksum)
        if difference:
            raise DataError(
                f"{source.name}: {folder / file} {difference}, so it is damaged or another file; "
                f"get it again from {source.origin}"
            )


def _download(url: str, path: Path, checksum: str) -> None:
    """Downloads a file unless it is there and whole; leaves nothing half-written behind."""

    def fetch(address: str, temporary: str, _: object) -> None:
        Path(temporary).unlink()  # it is the owner's only; made anew, others may read the data
        pooch.HTTPDownloader(progressbar=False)(address, temporary, None)
        difference = _difference(Path(temporary), checksum)
        if difference:
            raise DataError(
                f"{path.name}, downloaded from {address}, {difference}, so it was not kept; "
                f"try again later, or put the right file at {path}"
            )

    try:
        pooch.retrieve(url, checksum, fname=path.name, path=path.parent, downloader=fetch)
    except OSError as error:  # requests' errors are OSErrors
        raise DataError(
            f"{url} could not be downloaded to {path} ({_reason(error)}); "
            f"check the connection and try again, or put the file there by hand"
        ) from error


def _reason(error: OSError) -> str:
    """An error in a few words: requests' own messages run over many lines."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"HTTP status {status}" if status else error.strerror or type(error).__name__


def _difference(path: Path, checksum: str) -> str | None:
    """How a file's checksum differs from `algorithm:hex`, in words; None if it does not."""
    algorithm, expected = checksum.split(":")
    found = pooch.file_hash(str(path), alg=algorithm)
    return None if found == expected else f"must have {algorithm} {expected}, but has {found}"


def _batches(
    folder: Path, files: Mapping[str, str], wanted: set[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Reads the wanted batches, one at a time, from plain files and archives."""
    for file in files:
        path = folder / file
        if file.endswith(".tar.gz"):
            yield from _tar_batches(path, wanted)
        elif file in wanted:
            with path.open("rb") as stream:
                yield file, read_batch(stream, name=str(path))


def _tar_batches(path: Path, wanted: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Reads the wanted members of an archive in the order they have there, extracting nothing."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.name in wanted else None
                if stream is not None:
                    with stream:
                        batch = read_batch(stream, name=f"{path}:{member.name}")
                    yield member.name, batch
    except (tarfile.TarError, zlib.error, EOFError, KeyError, OSError) as error:
        raise DataError(
            f"{path} cannot be read as .tar.gz ({one_line(error)}); get it again"
        ) from error


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


def _joined(
    parts: list[tuple[NDArray[np.uint8], NDArray[np.int32]]],
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The images and the labels of several batches, one after another."""
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
