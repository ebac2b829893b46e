"""The data package: images checked, batches fixed by a seed, published formats read safely."""

from __future__ import annotations

import ast
import collections
import dataclasses
import hashlib
import http.server
import io
import os
import pickle
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas import data
from jaxnas.data import DataError, Images, Source, UnsafePickleError
from jaxnas.data.datasets import CIFAR10, CIFAR100, IMAGENET16_120
from jaxnas.data.images import random_order

SHARED = Path(__file__).parents[3] / "shared" / "data"


def some_images(n: int, side: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def small(**changes: Any) -> Images:
    arrays: dict[str, Any] = {"x_train": some_images(12), "y_train": np.arange(12) % 5}
    return Images.from_arrays("small", **(arrays | changes))


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


# ---- batches and normalisation


def test_batch_is_the_normalised_training_examples_it_says() -> None:
    images = small()
    x, y = images.batch(5, 3, dtype=np.float64)
    chosen = random_order(12, 3)[:5]
    assert x.shape == (5, 4, 4, 3) and x.dtype == np.float64 and y.dtype == np.int32
    np.testing.assert_array_equal(y, images.y_train[chosen])
    restored = (x * images.std + images.mean) * 255
    np.testing.assert_allclose(restored, images.x_train[chosen], atol=1e-10)
    assert images.batch(5, 3)[0].dtype == np.float32


@given(total=st.integers(1, 300), seed=st.integers(0, 2**70), data=st.data())
@settings(max_examples=50, deadline=None)
def test_order_is_a_permutation_fixed_by_the_seed(total: int, seed: int, data: Any) -> None:
    order = random_order(total, seed)
    np.testing.assert_array_equal(np.sort(order), np.arange(total))
    np.testing.assert_array_equal(order, random_order(total, seed))


def test_order_is_the_same_in_every_version_and_on_every_machine() -> None:
    assert random_order(8, 0).tolist() == [3, 2, 1, 6, 0, 7, 4, 5]


def test_smaller_batch_begins_the_larger_and_seeds_differ() -> None:
    images = small(x_train=some_images(200), y_train=np.arange(200))
    small_batch, large_batch = images.batch(8, 1)[1], images.batch(64, 1)[1]
    np.testing.assert_array_equal(small_batch, large_batch[:8])
    assert (images.batch(64, 2)[1] != large_batch).any()


def test_every_example_is_as_likely() -> None:
    counts = sum(np.isin(np.arange(20), random_order(20, s)[:5]).astype(int) for s in range(2000))
    assert abs(np.asarray(counts) - 500).max() < 100  # 5 deviations of a binomial(2000, 1/4)


@pytest.mark.parametrize(
    ("size", "seed", "message"),
    [
        (13, 0, "batch of 13 asked for, but small has 12 training images; ask for at most that"),
        (0, 0, "ask for at least 1"),
        (2, -1, "seed -1 is negative"),
    ],
)
def test_impossible_batches_are_refused(size: int, seed: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        small().batch(size, seed)


def test_statistics_are_those_of_numpy_and_normalise_to_mean_0_deviation_1() -> None:
    x = some_images(1500, side=3)
    mean, std = data.channel_statistics(x)
    np.testing.assert_allclose(mean, (x / 255).mean((0, 1, 2)), rtol=1e-13)
    np.testing.assert_allclose(std, (x / 255).std((0, 1, 2)), rtol=1e-13)
    z = data.normalise(x, mean, std, dtype=np.float64)
    np.testing.assert_allclose(z.mean((0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(z.std((0, 1, 2)), 1, atol=1e-12)


@pytest.mark.parametrize("value", [0, 1, 77, 255])
def test_constant_channel_normalises_to_zero(value: int) -> None:
    x = some_images(12)
    x[..., 1] = value
    images = small(x_train=x)
    assert images.std[1] == 1
    batch, _ = images.batch(12, 0)
    assert np.isfinite(batch).all() and (batch[..., 1] == 0).all()


# ---- identity


def test_digest_is_of_the_data_not_the_name_or_the_label_type() -> None:
    images = small()
    renamed = dataclasses.replace(images, name="other", y_train=images.y_train.astype(np.int64))
    assert images.digest == renamed.digest == small().digest
    assert len(images.digest) == 64


@pytest.mark.parametrize("key", ["x_train", "y_train", "mean", "std", "num_classes", "shape"])
def test_digest_changes_with_each_part(key: str) -> None:
    images = small()
    if key == "num_classes":
        changed = dataclasses.replace(images, num_classes=6)
    elif key == "shape":
        changed = dataclasses.replace(images, x_train=images.x_train.reshape(12, 2, 8, 3))
    else:
        array = getattr(images, key).copy()
        array.flat[1] += 1
        changed = dataclasses.replace(images, **{key: array})
    assert changed.digest != images.digest


def test_images_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        small().x_train[0] = 0


# ---- validation

X, Y = some_images(12), np.arange(12)
BAD_IMAGES = {
    "float in [0, 1]": (X / 255.0, r"uint8 \[N, H, W, 3\].*float64 from 0.*rint\(255 \* x\)"),
    "float in [0, 255]": (X.astype(np.float32), r"float32 from .*save np.rint\(x\)"),
    "normalised": ((X - 127.0) / 60, "undo any normalisation"),
    "NaN": (np.where(X[0, 0, 0, 0] == X, np.nan, X), "NaN or infinite; repair"),
    "infinite": (np.full(X.shape, np.inf), "576 values NaN or infinite; repair"),
    "int64": (X.astype(np.int64), "int64 from"),
    "text": (np.full(X.shape, "a"), "save plain numbers"),
    "channels first": (X.transpose(0, 3, 1, 2), r"transpose\(0, 2, 3, 1\)"),
    "grey": (X[..., 0], r"np.repeat\(x\[..., None\], 3"),
    "grey with an axis": (X[..., :1], r"np.repeat\(x, 3, axis=-1\)"),
    "flat": (X.reshape(12, -1), r"shape \(12, 48\); reshape"),
    "none": (X[:0], "at least one image"),
    "no pixels": (X[:, :0], "at least one image"),
}
BAD_LABELS = {
    "too few": (Y[:11], r"shape \(12,\).*\(11,\)"),
    "one-hot": (np.eye(12, dtype=np.int32), r"\(12, 12\)"),
    "negative": (Y - 1, "-1 to 10; renumber"),
    "float": (Y.astype(float), "float64 from 0 to 11; save y.astype"),
    "NaN": (np.full(12, np.nan), "12 values NaN"),
    "too large": (Y + 2**40, "labels 0 to 2147483647"),
    "boolean": (Y > 3, "must hold integers"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_wrong_images_are_named(case: str) -> None:
    array, message = BAD_IMAGES[case]
    with pytest.raises(DataError, match=message) as error:
        small(x_train=array)
    assert "small: x_train" in one_sentence(error)
    with pytest.raises(DataError, match="x_test"):
        small(x_test=array, y_test=Y)


@pytest.mark.parametrize("case", BAD_LABELS)
def test_wrong_labels_are_named(case: str) -> None:
    array, message = BAD_LABELS[case]
    with pytest.raises(DataError, match=message) as error:
        small(y_train=array)
    assert "small: y_train" in one_sentence(error)
    with pytest.raises(DataError, match="y_t"):
        small(x_test=X, y_test=array)


def test_wrong_statistics_and_halves_are_named() -> None:
    images = small()
    with pytest.raises(DataError, match="std must be above 0"):
        dataclasses.replace(images, std=np.zeros(3))
    with pytest.raises(DataError, match="mean must be 3 finite numbers"):
        dataclasses.replace(images, mean=np.array([0, np.nan, 0]))
    with pytest.raises(DataError, match="x_test came without y_test"):
        small(x_test=X)
    with pytest.raises(DataError, match=r"x_test must hold images of \(4, 4, 3\)"):
        small(x_test=some_images(12, side=5), y_test=Y)
    with pytest.raises(DataError, match="labels 0 to 2, but holds 0 to 4"):
        small(num_classes=3)


# ---- npz files


def test_npz_is_read_with_its_classes(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2])
    images = data.load(path)
    assert (images.name, images.num_classes, images.image_shape) == ("mine", 12, (4, 4, 3))
    np.testing.assert_array_equal(images.x_train, X)
    assert images.x_test is not None and images.y_test is not None
    np.savez(path, x_train=X, y_train=Y, classes=[f"class {i}" for i in range(20)])
    images = data.load(str(path))
    assert images.num_classes == 20 and images.x_test is None


def test_npz_without_the_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, images=X, y_train=Y)
    with pytest.raises(DataError, match="has no x_train; save them"):
        data.load(path)
    np.savez(path, x_train=X, y_train=Y, classes=np.array(12))
    with pytest.raises(DataError, match="classes must be a list"):
        data.load(path)


def test_objects_in_an_npz_are_never_loaded(tmp_path: Path) -> None:
    path, mark = tmp_path / "mine.npz", tmp_path / "mark"
    evil = np.array([Calls(os.system, f"touch {mark}")], object)
    np.savez(path, x_train=X, y_train=evil)
    with pytest.raises(DataError, match="Python objects in y_train") as error:
        data.load(path)
    one_sentence(error)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content", [b"", b"x_train", b"PK\x03\x04 and no more", "npy", "cut", "both"]
)
def test_what_is_no_npz_is_refused(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, x_train=X, y_train=Y)
    whole = path.read_bytes()
    if content == "npy":
        np.save(tmp_path / "mine.npy", X)
        content = (tmp_path / "mine.npy").read_bytes()
    if content == "both":  # numpy would go by the beginning
        content = b"\x93NUMPY" + whole
    path.write_bytes(content if isinstance(content, bytes) else whole[:-30])
    with pytest.raises(DataError, match=r"must be an \.npz file") as error:
        data.load(path)
    one_sentence(error)


@given(position=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=100, deadline=None)
def test_damaged_npz_never_fails_otherwise(
    tmp_path_factory: pytest.TempPathFactory, position: float, byte: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    np.savez_compressed(path, x_train=X, y_train=Y)
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] = byte
    path.write_bytes(content)
    try:
        data.load(path)
    except DataError as error:
        assert "\n" not in str(error)


def test_unknown_names_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no dataset 'cifar-10': give one of digits, cifar10, "):
        data.load("cifar-10")
    with pytest.raises(DataError, match="no file .*absent.npz"):
        data.load(tmp_path / "absent.npz")
    with pytest.raises(DataError, match="no file"):
        data.load(tmp_path)


@pytest.mark.parametrize(
    ("file", "classes", "side"),
    [("cifar10_small", 10, 32), ("cifar100_small", 100, 32), ("tinyimagenet16_120_small", 120, 16)],
)
def test_shared_files_are_read(file: str, classes: int, side: int) -> None:
    path = SHARED / f"{file}.npz"
    if not path.exists():
        pytest.skip("no shared data here")
    images = data.load(path)
    assert (images.num_classes, images.image_shape) == (classes, (side, side, 3))
    if file == "cifar10_small":  # the published constants are those of other images of the kind
        np.testing.assert_allclose(images.mean * 255, CIFAR10.mean, atol=2)
        np.testing.assert_allclose(images.std * 255, CIFAR10.std, atol=2)


# ---- digits


def test_digits_need_no_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAXNAS_DATA", str(tmp_path))
    images = data.load("digits", download=False)
    assert images.x_train.shape == (1500, 32, 32, 3) and images.num_classes == 10
    assert images.x_test is not None and images.x_test.shape == (297, 32, 32, 3)
    assert images.x_train.min() == 0 and images.x_train.max() == 255
    assert (images.x_train[..., :1] == images.x_train).all()
    assert set(images.y_train.tolist()) == set(range(10))
    assert not list(tmp_path.iterdir())
    with pytest.raises(
        DataError, match="9000 asked for, but digits has 1,500 training images; ask"
    ):
        images.batch(9000, 0)


def test_digits_are_the_same_on_every_machine() -> None:
    digest = "fc1da8c6fdb988f0d8f038c655b83070c1935bcd8d1d5620b50a1b8bd100364a"
    assert data.digits().digest == digest


def test_enlargement_is_bilinear() -> None:
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    original = load_digits().images[:20] * (255 / 16)
    at = np.clip((np.arange(32) + 0.5) / 4 - 0.5, 0, 7)
    rows = np.stack(
        [[np.interp(at, np.arange(8), row) for row in image] for image in original]
    )  # [20, 8, 32]
    expected = np.stack([[np.interp(at, np.arange(8), c) for c in im.T] for im in rows])
    large = data.digits().x_train[:20, :, :, 0]
    assert abs(large - expected.transpose(0, 2, 1)).max() <= 0.5 + 1e-9


# ---- pickles


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


def read(content: bytes) -> dict[str, Any]:
    return data.read_batch(io.BytesIO(content), name="batch")


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_published_batches_are_read(writer: Callable[..., bytes]) -> None:
    rows = np.arange(2 * 48, dtype=np.uint8).reshape(2, 48) + 150  # past 127: bytes, not text
    batch = read(writer(rows, [3, 1], "labels"))
    np.testing.assert_array_equal(batch["data"], rows)
    assert batch["data"].dtype == np.uint8 and batch["labels"] == [3, 1]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i8", "?", "u2"])
def test_numeric_arrays_are_read_in_every_older_protocol(protocol: int, dtype: str) -> None:
    for array in (np.arange(12).reshape(3, 4), np.arange(12).reshape(4, 3).T):
        typed = np.asarray(array, dtype)
        loaded = read(pickle.dumps({"a": typed}, protocol=protocol))["a"]
        np.testing.assert_array_equal(loaded, typed)
        assert loaded.dtype == typed.dtype


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_numpy_scalars_sets_and_ordered_dicts_are_read(protocol: int) -> None:
    content: dict[str, Any] = {
        "float64": np.float64(0.1),
        "float32": np.float32(0.1),
        "big-endian": np.dtype(">i4").type(7),
        "bool": np.bool_(True),
        "ordered": collections.OrderedDict([((1, "x"), [np.float64(2)]), ((0, "y"), None)]),
    }
    if protocol >= 3:  # Python 2 named set otherwise
        content["set"] = {1, 2}
    written = pickle.dumps(content, protocol=protocol)
    former = written.replace(b"numpy._core", b"numpy.core") if protocol < 4 else written
    for loaded in (read(written), read(former)):
        assert loaded == content
        assert list(loaded["ordered"]) == [(1, "x"), (0, "y")]
        assert type(loaded["float64"]) is float and type(loaded["bool"]) is bool


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, subprocess.call, np.load])
def test_malicious_pickles_are_refused_and_not_run(
    tmp_path: Path, function: Callable[..., object], protocol: int
) -> None:
    mark = tmp_path / "mark"
    argument = f"touch {mark}" if function is os.system else f"open({str(mark)!r}, 'w')"
    content = pickle.dumps({"data": Calls(function, argument)}, protocol=protocol)
    with pytest.raises(UnsafePickleError, match="refused and not run") as error:
        read(content)
    assert f".{function.__name__}," in one_sentence(error)
    assert not mark.exists()
    assert isinstance(error.value, ValueError)


def test_known_names_cannot_be_turned_to_other_ends() -> None:
    called = b"\x80\x02}U\x04datacnumpy\nndarray\n(J\xff\xff\xff\x7ft\x85Rs."
    with pytest.raises(DataError, match="not callable"):
        read(called)
    with pytest.raises(DataError, match="not of numbers"):
        read(pickle.dumps({"data": np.array([{}], object)}, protocol=2))
    with pytest.raises(DataError, match="scalar not of numbers"):
        read(b"\x80\x02}U\x04datacnumpy.core.multiarray\nscalar\nK\x01K\x02\x86Rs.")
    with pytest.raises(DataError, match="not in latin1"):
        read(b"\x80\x02}U\x04datac_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86Rs.")


@pytest.mark.parametrize("content", [b"", b"<html>", pickle.dumps([1]), b"\x80\x02}(U\x04dataK"])
def test_what_is_no_batch_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="batch must .*get the file again") as error:
        read(content)
    one_sentence(error)


@given(position=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_damaged_pickle_never_fails_otherwise(position: float, byte: int) -> None:
    content = bytearray(python2_batch(np.zeros((1, 12), np.uint8), [1], "labels"))
    content[int(position * len(content))] = byte
    try:
        read(bytes(content))
    except DataError as error:
        assert "\n" not in str(error)


# ---- published datasets, from a server on this machine


@dataclasses.dataclass
class Server:
    """Serves bytes by path; `cut` sends half, with the full length announced or not."""

    url: str
    files: dict[str, bytes]
    requests: list[str]
    cut: str = "no"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            if state.cut != "silently":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if state.cut == "no" else content[: len(content) // 2])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state = Server(f"http://127.0.0.1:{httpd.server_port}/files", {}, [])
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def planar(images: np.ndarray) -> np.ndarray:
    """[N, H, W, 3] as the published [N, 3HW], channels first."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def publish(
    source: Source, server: Server, writer: Callable[..., bytes] = python2_batch, members: Any = ()
) -> Source:
    """Puts a small archive of the source's real form on the server: 2 images a batch."""
    batches = (*source.train, *source.test)
    content = {source.train[0].split("/")[0] + "/batches.meta": b"not read"}
    for i, name in enumerate(reversed(batches)):  # in another order, as published
        content[name] = writer(
            planar(some_images(2, 32, len(batches) - 1 - i)), [i, 1], source.label_key
        )
    archive = tar(content | dict(members))
    (file,) = source.files
    server.files[f"/files/{file}"] = archive
    return dataclasses.replace(source, url=server.url, files={file: md5(archive)})


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("published", [CIFAR10, CIFAR100], ids=lambda source: source.name)
def test_cifar_is_downloaded_once_and_read(
    published: Source, writer: Callable[..., bytes], server: Server, tmp_path: Path
) -> None:
    source = publish(published, server, writer)
    sources = {source.name: source}
    images = data.load(source.name, data_dir=tmp_path, sources=sources)
    batches = len(source.train)
    expected = np.concatenate([some_images(2, 32, i) for i in range(batches)])
    np.testing.assert_array_equal(images.x_train, expected)
    assert images.x_test is not None
    np.testing.assert_array_equal(images.x_test, some_images(2, 32, batches))
    assert images.y_train.tolist() == [n for i in range(batches, 0, -1) for n in (i, 1)]
    assert images.num_classes == published.num_classes
    np.testing.assert_array_equal(images.mean, np.array(published.mean) / 255)
    np.testing.assert_array_equal(images.std, np.array(published.std) / 255)
    again = data.load(source.name, data_dir=tmp_path, sources=sources, download=False)
    data.load(source.name, data_dir=tmp_path, sources=sources)
    assert again.digest == images.digest
    assert len(server.requests) == 1
    (file,) = tmp_path.iterdir()  # nothing extracted
    assert file.name in source.files
    (tmp_path / "usual").touch()
    assert file.stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("cut", ["announced", "silently"])
def test_interrupted_download_leaves_nothing_and_can_be_repeated(
    cut: str, server: Server, tmp_path: Path
) -> None:
    source = publish(CIFAR10, server)
    server.cut = cut
    for _ in range(2):
        with pytest.raises(DataError) as error:
            data.load("cifar10", data_dir=tmp_path, sources={"cifar10": source})
        assert "try again" in one_sentence(error)
        assert not list(tmp_path.iterdir())
    server.cut = "no"
    images = data.load("cifar10", data_dir=tmp_path, sources={"cifar10": source})
    assert len(images.x_train) == 10


def test_wrong_checksum_is_one_clear_line(server: Server, tmp_path: Path) -> None:
    source = publish(CIFAR10, server)
    server.files["/files/cifar-10-python.tar.gz"] = b"an error page"
    with pytest.raises(DataError) as error:
        data.load("cifar10", data_dir=tmp_path, sources={"cifar10": source})
    expected = source.files["cifar-10-python.tar.gz"].removeprefix("md5:")
    found = md5(b"an error page").removeprefix("md5:")
    assert f"must have md5 {expected}, but has {found}, so it was not kept" in one_sentence(error)
    assert not list(tmp_path.iterdir())


def test_damaged_file_is_named_offline_and_replaced_online(server: Server, tmp_path: Path) -> None:
    sources = {"cifar10": publish(CIFAR10, server)}
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"half")
    with pytest.raises(DataError, match="must have md5 .* damaged or another file") as error:
        data.load("cifar10", data_dir=tmp_path, sources=sources, download=False)
    one_sentence(error)
    assert len(data.load("cifar10", data_dir=tmp_path, sources=sources).x_train) == 10


def test_no_connection_is_one_clear_line(server: Server, tmp_path: Path) -> None:
    source = publish(CIFAR10, server)
    closed = dataclasses.replace(source, url="http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"could not be downloaded .*\(ConnectionError\)") as error:
        data.load("cifar10", data_dir=tmp_path, sources={"cifar10": closed})
    assert "check the connection" in one_sentence(error)
    absent = dataclasses.replace(source, url=server.url + "/absent")
    with pytest.raises(DataError, match=r"\(HTTP status 404\)"):
        data.load("cifar10", data_dir=tmp_path, sources={"cifar10": absent})
    with pytest.raises(DataError, match="downloading is off; put them there from https"):
        data.load("cifar10", data_dir=tmp_path, sources={"cifar10": source}, download=False)
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be downloaded to") as error:
        data.load(
            "cifar10",
            data_dir=tmp_path / "file" / "data",
            sources={"cifar10": publish(CIFAR10, server)},
        )
    one_sentence(error)


def test_malicious_archive_is_refused_and_not_run(server: Server, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    evil = pickle.dumps(Calls(os.system, f"touch {mark}"))
    source = publish(CIFAR10, server, members={"cifar-10-batches-py/data_batch_3": evil})
    with pytest.raises(UnsafePickleError, match="data_batch_3 .* asks for posix.system"):
        data.load("cifar10", data_dir=tmp_path / "data", sources={"cifar10": source})
    assert not mark.exists()


def test_archive_of_another_form_is_refused(server: Server, tmp_path: Path) -> None:
    def load(content: bytes) -> Images:
        server.files["/files/cifar-10-python.tar.gz"] = content
        source = dataclasses.replace(
            CIFAR10, url=server.url, files={"cifar-10-python.tar.gz": md5(content)}
        )
        return data.load("cifar10", data_dir=tmp_path, sources={"cifar10": source})

    with pytest.raises(DataError, match="cannot be read as .tar.gz"):
        load(b"no archive")
    whole = tar({"cifar-10-batches-py/data_batch_1": os.urandom(9000)})
    with pytest.raises(DataError):
        load(whole[:-4000])
    with pytest.raises(DataError, match="must hold .*data_batch_1, .*test_batch, but do not"):
        load(tar({"other": b""}))
    rows = planar(some_images(2, 32))
    contents: tuple[dict[str, Any], ...] = (
        {"data": rows[:, 1:], "labels": [0, 0]},
        {"data": rows.astype(float), "labels": [0, 0]},
        {"data": rows, "labels": [0]},
        {"data": rows, "labels": [0, [1, 2]]},
        {"data": rows, "labels": [0.5, 1]},
        {"data": rows, "labels": [0, 2**70]},
        {"data": rows, "labels": np.array([-1, 0])},
        {"data": rows, "fine_labels": [0, 0]},
        {"data": [], "labels": []},
        {},
    )
    for content in contents:
        batch = pickle.dumps(content, protocol=2)
        with pytest.raises(DataError, match=r"data, uint8 \[n, 3072\], and labels, n integers"):
            load(tar({"cifar-10-batches-py/data_batch_1": batch}))


def imagenet(folder: Path, batches: int = 10) -> Source:
    """Small ImageNet16 batches of the real form in a folder: 6 images each, labels 1..1000."""
    (folder / "ImageNet16").mkdir()
    files = {}
    for i, name in enumerate((*IMAGENET16_120.train, *IMAGENET16_120.test)):
        rows = planar(some_images(6, 16, i))
        content = python2_batch(rows, [1, 120, 121, 1000, 7, 500], "labels")
        files[name] = md5(content)
        if i < batches or i == 10:
            (folder / name).write_bytes(content)
    return dataclasses.replace(IMAGENET16_120, files=files)


def test_imagenet16_keeps_its_first_120_classes_from_0(tmp_path: Path) -> None:
    images = data.load(
        "imagenet16-120", data_dir=tmp_path, sources={"imagenet16-120": imagenet(tmp_path)}
    )
    assert images.image_shape == (16, 16, 3) and images.num_classes == 120
    assert images.y_train.tolist() == [0, 119, 6] * 10
    assert images.y_test is not None and images.y_test.tolist() == [0, 119, 6]
    expected = np.concatenate([some_images(6, 16, i)[[0, 1, 4]] for i in range(10)])
    np.testing.assert_array_equal(images.x_train, expected)


def test_missing_imagenet16_says_which_files_from_where_to_where(tmp_path: Path) -> None:
    source = imagenet(tmp_path, batches=8)
    with pytest.raises(DataError) as error:
        data.load("imagenet16-120", data_dir=tmp_path, sources={"imagenet16-120": source})
    assert one_sentence(error) == (
        "imagenet16-120: ImageNet16/train_data_batch_9, ImageNet16/train_data_batch_10 must be in "
        f"{tmp_path}, but are missing, and it has no direct download; put them there from the "
        "Google Drive folder in the README of https://github.com/D-X-Y/NAS-Bench-201"
    )


def test_damaged_imagenet16_is_named(tmp_path: Path) -> None:
    source = imagenet(tmp_path)
    (tmp_path / source.train[3]).write_bytes(b"half")
    with pytest.raises(DataError, match="train_data_batch_4 must have md5 .* damaged") as error:
        data.load("imagenet16-120", data_dir=tmp_path, sources={"imagenet16-120": source})
    one_sentence(error)


def test_the_published_files_are_the_default_and_all_are_checksummed() -> None:
    assert data.names() == ("digits", "cifar10", "cifar100", "imagenet16-120")
    for source in data.SOURCES.values():
        assert all(len(checksum) == len("md5:") + 32 for checksum in source.files.values())


def test_data_folder_is_the_argument_then_the_variable_then_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JAXNAS_DATA", str(tmp_path / "variable"))
    assert data.data_folder(tmp_path) == tmp_path
    assert data.data_folder() == tmp_path / "variable"
    monkeypatch.setenv("JAXNAS_DATA", "")
    assert data.data_folder().name == "jaxnas"


def test_package_imports_nothing_else_of_jaxnas_nor_jax() -> None:
    for file in Path(data.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [str(node.module)]
            assert all(m.startswith("jaxnas.data.") or "jax" not in m for m in modules)


def test_all_is_complete() -> None:
    assert all(getattr(data, name).__doc__ for name in data.__all__ if name != "SOURCES")
    assert sorted(data.__all__, key=lambda n: (not n.isupper(), n)) == data.__all__
