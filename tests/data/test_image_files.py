"""Images from files: NumPy archives, the digits, where data sets are kept."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import numpy as np
import pytest
from data_cases import Calls, X, Y, one_sentence
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas import data
from jaxnas.data import DataError
from jaxnas.data.sources import CIFAR10

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_npz_is_read_with_its_classes(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2])
    images = data.load(path)
    assert (images.name, images.num_classes, images.image_shape) == ("mine", 12, (4, 4, 3))
    np.testing.assert_array_equal(images.x_train, X)
    assert images.x_test is not None and images.y_test is not None
    np.savez(path, x_train=X, y_train=Y, classes=[f"class {i}" for i in range(20)])
    with pytest.warns(UserWarning, match="of 20 classes, got none of 8 .12, 13, 14, 15, 16, ...."):
        images = data.load(str(path))
    assert images.num_classes == 20 and images.x_test is None


@pytest.mark.parametrize(
    ("labels", "test", "none_of", "remedy"),
    [
        (Y % 4 + 1, Y % 4 + 1, "1 (0)", "save y - 1 for y_train and y_test"),
        (Y % 4 * 3, Y % 2 * 3, "6 (1, 2, 4, 5, 7, ...)", "save np.searchsorted(np.unique(y_train)"),
        (Y % 4, Y % 8, "4 (4, 5, 6, 7)", "add images of them"),
    ],
)
def test_classes_without_images_are_told_with_a_remedy_that_works(
    tmp_path: Path, labels: np.ndarray, test: np.ndarray, none_of: str, remedy: str
) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, x_train=X, y_train=labels, x_test=X, y_test=test)
    with pytest.warns(UserWarning, match="classes, got none of ") as warned:
        images = data.load(path)
    message = str(warned[0].message)
    assert f"got none of {none_of}, for which networks have outputs" in message
    assert message.endswith(remedy) or f"{remedy}, y) for y_train and y_test" in message
    assert warned[0].filename == __file__
    np.testing.assert_array_equal(images.y_train, labels)
    if remedy.startswith("save"):
        expression = message.rpartition("save ")[2].removesuffix(" for y_train and y_test")
        names = {"np": np, "y_train": labels}
        again = {
            key: eval(expression, names, {"y": y})
            for key, y in (("y_train", labels), ("y_test", test))
        }
        np.savez(path, x_train=X, x_test=X, **again)
        assert data.load(path).num_classes == len(np.unique(labels))


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
    with pytest.raises(DataError, match="no dataset 'cifar-20': give one of digits, cifar10, "):
        data.load("cifar-20")
    with pytest.raises(DataError, match="no file .*absent.npz"):
        data.load(tmp_path / "absent.npz")
    with pytest.raises(DataError, match="no file"):
        data.load(tmp_path)
    with pytest.raises(DataError, match="no dataset .*: give one of digits"):
        data.load("~nobody-of-that-name/x")
    for path in ("x" * 5000, "a\0b"):
        with pytest.raises(DataError, match="^dataset: expected a path ") as error:
            data.load(path)
        assert len(one_sentence(error)) < 300
    for wrong in (5, None, ["digits"]):
        with pytest.raises(DataError, match="^dataset: expected a path, got "):
            data.load(wrong)  # type: ignore[arg-type]


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
            ours = ("jaxnas.data.", "jaxnas.checks")
            assert all(m.startswith(ours) or "jax" not in m for m in modules)


def test_all_is_complete() -> None:
    assert all(getattr(data, name).__doc__ for name in data.__all__ if name != "SOURCES")
    assert sorted(data.__all__, key=lambda n: (not n.isupper(), n)) == data.__all__
