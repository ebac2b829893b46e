"""The images of a search: halves, batches of an epoch, augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import little_digits

from jaxnas.data import Images
from jaxnas.oneshot import images as images_module
from jaxnas.oneshot.images import check, epoch_batches
from jaxnas.oneshot.programs import _batches
from jaxnas.oneshot.recipe import Recipe


@pytest.fixture(scope="module")
def digits() -> Images:
    return Images.from_arrays("little", **little_digits(160, 20))


def test_halves_are_apart_and_every_epoch_has_another_order(digits: Images) -> None:
    parts = check(digits, Recipe(batch_size=16))
    assert sorted([*parts.train, *parts.valid]) == list(range(160))
    assert abs(len(parts.train) - len(parts.valid)) <= 10
    batches = [epoch_batches(parts, 16, 0, epoch) for epoch in range(3)]
    for train, valid in batches:
        assert train.shape == valid.shape == (len(parts.train) // 16, 16)
        assert len(set(train.ravel().tolist())) == train.size
        assert set(train.ravel().tolist()) <= set(parts.train.tolist())
        assert set(valid.ravel().tolist()) <= set(parts.valid.tolist())
    assert not np.array_equal(batches[0][0], batches[1][0])
    np.testing.assert_array_equal(epoch_batches(parts, 16, 0, 2)[1], batches[2][1])
    few = check(digits, Recipe(batch_size=8, valid_fraction=0.1))
    train, valid = epoch_batches(few, 8, 0, 0)
    assert train.shape == valid.shape
    assert set(valid.ravel().tolist()) == set(few.valid.tolist())


def test_evaluation_batches_have_one_size_and_count_each_image_once() -> None:
    positions = np.arange(10) * 3
    made = list(_batches(positions, 4))
    assert [len(batch) for batch, _ in made] == [4, 4, 4]
    assert np.concatenate([batch[:new] for batch, new in made]).tolist() == positions.tolist()


@pytest.mark.parametrize(
    ("size", "number", "options", "message"),
    [
        (8, 24, {"batch_size": 16}, r"too small to split: batches of 16 asked for"),
        (6, 200, {}, "side that is a multiple of 4"),
    ],
)
def test_images_that_do_not_fit_are_refused(
    make_images: Callable[..., Images], size: int, number: int, options: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check(make_images(size, number), Recipe(**options))


def test_batches_are_augmented_and_normalised(digits: Images) -> None:
    device = images_module.put_images(digits)
    plain = images_module.plain_batch(device, jnp.arange(4))
    wanted = (digits.x_train[:4] / 255 - digits.mean) / digits.std
    np.testing.assert_allclose(plain.x, wanted, rtol=1e-5, atol=1e-6)
    moved = images_module.augmented_batch(device, jnp.arange(4), jax.random.key(0))
    assert moved.x.shape == plain.x.shape
    assert not np.array_equal(moved.x, plain.x)
    np.testing.assert_array_equal(moved.y, digits.y_train[:4])
