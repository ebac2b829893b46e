"""Images: batches fixed by a seed, normalisation, identity, what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from data_cases import X, Y, one_sentence, small, some_images
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas import data
from jaxnas.data import DataError, Images
from jaxnas.data.images import random_order


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
        (0, 0, "batch size: expected a whole number from 1 to "),
        (2.0, 0, "batch size: expected a whole number from 1 to .*, got 2.0"),
        (2, -1, "seed: expected a whole number .*, got -1"),
        (2, 0.5, "seed: expected a whole number .*, got 0.5"),
    ],
)
def test_impossible_batches_are_refused(size: int, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
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


GREY = np.ascontiguousarray(X[..., 0])
ALPHA = X[..., :1]
RGBA = np.concatenate([X, ALPHA], axis=-1)
WORDS = np.array([f"class {label}" for label in Y])

# An array of the wrong form, what is said of it, and the expression that mends it, if there is one.
BAD_IMAGES: dict[str, tuple[np.ndarray, str, str | None]] = {
    "float in [0, 1]": (X / 255.0, r"uint8 \[N, H, W, 3\].*float64 from 0", "np.rint(255 * x).as"),
    "float in [0, 255]": (X.astype(np.float32), "float32 from ", "np.rint(x).as"),
    "normalised": ((X - 127.0) / 60, "undo any normalisation", None),
    "NaN": (np.where(X[0, 0, 0, 0] == X, np.nan, X), "NaN or infinite; repair", None),
    "infinite": (np.full(X.shape, np.inf), "576 values NaN or infinite; repair", None),
    "int64": (X.astype(np.int64), "int64 from", "np.rint(x).as"),
    "16 bits": (X.astype(np.uint16) * 257, "uint16 from", "(x // 257).as"),
    "booleans": (X > 99, "is bool", "x.astype(np.uint8) * 255"),
    "text": (np.full(X.shape, "a"), "save the pixels as plain numbers", None),
    "channels first": (X.transpose(0, 3, 1, 2), "shape", "x.transpose(0, 2, 3, 1)"),
    "channels first, large": (np.zeros((2, 3, 8, 8), np.uint8), "shape", "x.transpose(0, 2, 3, 1)"),
    "transparency": (RGBA, "leave out the transparency", "x[..., :3]"),
    "transparency first": (
        np.zeros((2, 4, 8, 8), np.uint8),
        "leave out the transparency",
        "x.transpose(0, 2, 3, 1)[..., :3]",
    ),
    "grey": (GREY, "repeat the grey", "np.repeat(x[..., None], 3, axis=-1)"),
    "grey with an axis": (GREY[..., None], "repeat the grey", "np.repeat(x, 3, axis=-1)"),
    "grey first": (
        np.zeros((2, 1, 8, 8), np.uint8),
        "repeat the grey",
        "np.repeat(x.transpose(0, 2, 3, 1), 3, axis=-1)",
    ),
    "grey and transparency": (RGBA[..., 2:], "transparency", "np.repeat(x[..., :1], 3, axis=-1)"),
    "rows": (X.reshape(12, -1), r"shape \(12, 48\)", "x.reshape(-1, 3, 4, 4).transpose"),
    "grey rows": (GREY.reshape(12, -1), r"shape \(12, 16\)", "np.repeat(x.reshape(-1, 1, 4, 4)"),
    "rows of no image": (np.zeros((12, 5), np.uint8), "save images of three channels", None),
    "many channels": (np.zeros((2, 8, 8, 7), np.uint8), "save images of three channels", None),
    "one number": (np.uint8(3), "save images of three channels", None),
    "none": (X[:0], "at least one image", None),
    "no pixels": (X[:, :0], "at least one image", None),
}
BAD_LABELS: dict[str, tuple[np.ndarray, str, str | None]] = {
    "too few": (Y[:11], r"shape \(12,\).*\(11,\)", None),
    "one-hot": (np.eye(12, dtype=np.int32), r"\(12, 12\)", "y.argmax(axis=1)"),
    "one-hot, float": (np.eye(12), r"\(12, 12\)", "y.argmax(axis=1)"),
    "one column": (Y[:, None], r"\(12, 1\)", "y[:, 0]"),
    "negative": (Y - 1, "-1 to 10", "np.unique(y, return_inverse=True)[1]"),
    "float": (Y.astype(float), "float64 from 0 to 11", "y.astype(np.int32)"),
    "fractions": (Y + 0.5, "give to each image the number of its class", None),
    "NaN": (np.full(12, np.nan), "12 values NaN", None),
    "too large": (Y + 2**40, "labels 0 to 999999", f"y - {2**40}"),
    "far apart": (Y * 2**40, "labels 0 to 999999", "np.unique(y, return_inverse=True)[1]"),
    "boolean": (Y > 3, "must hold integers", "y.astype(np.int32)"),
    "words": (WORDS, "must hold integers", "np.unique(y, return_inverse=True)[1]"),
    "bytes": (WORDS.astype("S"), "must hold integers", "np.unique(y, return_inverse=True)[1]"),
    "digits": (Y.astype(str), "must hold integers", "y.astype(np.int32)"),
    "objects": (np.array([{}] * 12), "must hold integers", None),
}


def assert_remedy_works(message: str, remedy: str | None, **array: np.ndarray) -> np.ndarray | None:
    """The array that the message's remedy makes; it is the one expected, and the last words."""
    expression = message.rpartition("; ")[2]
    if remedy is None:
        assert "(" not in expression and "[" not in expression
        return None
    assert remedy in expression
    source = expression[expression.index(remedy) :]
    return np.asarray(eval(source, {"np": np}, array))


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_wrong_images_are_named_and_the_remedy_works(case: str) -> None:
    array, message, remedy = BAD_IMAGES[case]
    with pytest.raises(DataError, match=message) as error:
        small(x_train=array)
    assert "small: x_train" in one_sentence(error)
    with pytest.raises(DataError, match="x_test"):
        small(x_test=array, y_test=Y)
    mended = assert_remedy_works(str(error.value), remedy, x=array)
    if mended is not None:
        images = Images.from_arrays("mended", mended, np.arange(len(array)))
        if case not in ("booleans", "transparency first") and len(array) == 12:
            same = X if "grey" not in case else np.repeat(GREY[..., None], 3, axis=-1)
            if case == "grey and transparency":
                same = np.repeat(RGBA[..., 2:3], 3, axis=-1)
            if case in ("rows", "grey rows"):
                same = mended
            np.testing.assert_array_equal(images.x_train, same)


@pytest.mark.parametrize("case", BAD_LABELS)
def test_wrong_labels_are_named_and_the_remedy_works(case: str) -> None:
    array, message, remedy = BAD_LABELS[case]
    with pytest.raises(DataError, match=message) as error:
        small(y_train=array)
    assert "small: y_train" in one_sentence(error)
    with pytest.raises(DataError, match="y_t"):
        small(x_test=X, y_test=array)
    mended = assert_remedy_works(str(error.value), remedy, y=array)
    if mended is not None:
        labels = small(y_train=mended).y_train
        expected = np.arange(12) if case not in ("boolean", "words", "bytes") else labels
        np.testing.assert_array_equal(labels, expected)


def test_labels_beyond_the_named_classes_get_a_remedy_that_works() -> None:
    with pytest.raises(DataError, match="labels 0 to 11, but holds 1 to 12; save y - 1") as error:
        small(y_train=Y + 1, num_classes=12)
    mended = assert_remedy_works(str(error.value), "y - 1", y=Y + 1)
    assert small(y_train=mended, num_classes=12).num_classes == 12
    for wrong in (0, 10.0, 2**40, True):
        with pytest.raises(ValueError, match="small: num_classes: expected a whole number from 1"):
            small(num_classes=wrong)


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
