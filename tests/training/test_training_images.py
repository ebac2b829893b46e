"""The images of a training: augmentation, splits, orders of the epochs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import little_digits

from jaxnas import data
from jaxnas.data import Images, splits
from jaxnas.training import augmentation
from jaxnas.training.programs import batches, normalised


@pytest.fixture(scope="module")
def digits() -> Images:
    return Images.from_arrays("little", **little_digits())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([(8, 1), (16, 2)]))
def test_flip_and_crop_by_indexing(seed: int, size: tuple[int, int]) -> None:
    side, padding = size
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (5, side, side, 3), dtype=np.uint8)
    flips = random.integers(0, 2, 5).astype(bool)
    corners = random.integers(0, 2 * padding + 1, (5, 2))
    found = augmentation.flip_and_crop(*map(jnp.asarray, (images, flips, corners)), padding)
    for image, flip, (row, column), got in zip(
        images, flips, corners, np.asarray(found), strict=True
    ):
        source = image[:, ::-1] if flip else image
        for i in range(side):
            for j in range(side):
                r, c = i + row - padding, j + column - padding
                inside = 0 <= r < side and 0 <= c < side
                assert (got[i, j] == (source[r, c] if inside else 0)).all()


def test_augmentation_draws_every_crop_and_half_the_flips() -> None:
    # A ramp says where each crop came from.
    side, padding = 8, 1
    ramp = np.arange(1, side + 1, dtype=np.uint8)
    images = np.broadcast_to((ramp[:, None] * 10 + ramp)[None, :, :, None], (900, side, side, 3))
    key = jax.random.wrap_key_data(splits.augmentation_key(0, 1, 2), impl="threefry2x32")
    found = np.asarray(augmentation.augment(key, jnp.asarray(images), padding))
    centres = [tuple(image[4, 3:5, 0]) for image in found]
    counts = {centre: centres.count(centre) for centre in set(centres)}
    assert len(counts) == 18
    # 900 draws of 18 kinds: 50 each, deviation 6.9.
    assert min(counts.values()) > 15
    assert max(counts.values()) < 85
    again = augmentation.augment(key, jnp.asarray(images), padding)
    np.testing.assert_array_equal(found, again)
    assert [augmentation.padding_of(side) for side in (32, 16)] == [4, 2]


def test_levels_are_the_librarys_normalisation(digits: Images) -> None:
    parts = splits.split(digits, 0.2)
    found = normalised(jnp.asarray(parts.levels), jnp.asarray(digits.x_train[:7]))
    wanted = data.normalise(digits.x_train[:7], digits.mean, digits.std)
    np.testing.assert_array_equal(found, wanted)


def test_split_is_balanced_nested_and_whole(digits: Images) -> None:
    parts = splits.split(digits, 0.2)
    everything = np.sort(np.concatenate([parts.train, parts.valid, parts.test]))
    np.testing.assert_array_equal(everything, np.arange(480))
    for label in range(10):
        members = int((digits.y_train == label).sum())
        held = int((parts.labels[parts.valid] == label).sum())
        assert abs(held - 0.2 * members) <= 0.5
    assert set(parts.valid) <= set(splits.split(digits, 0.5).valid)
    np.testing.assert_array_equal(parts.images[parts.test], digits.x_test)
    np.testing.assert_array_equal(parts.labels[parts.test], digits.y_test)


def test_epochs_take_every_image_once_in_another_order() -> None:
    positions = np.arange(100, 200)
    orders = [splits.epoch_order(positions, seed, e) for seed in (0, 1) for e in (0, 1)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), positions)
    assert len({tuple(order) for order in orders}) == 4
    np.testing.assert_array_equal(orders[0], splits.epoch_order(positions, 0, 0))
    assert [len(batch) for batch in batches(orders[0], 64)] == [64, 36]
    keys = {tuple(splits.augmentation_key(*at)) for at in np.ndindex(2, 3, 4)}
    assert len(keys) == 24


@pytest.mark.parametrize("length", [1, 2, 4, 5, 16])
def test_cutout_by_indexing(length: int) -> None:
    random = np.random.default_rng(length)
    images = random.standard_normal((40, 8, 6, 3)).astype(np.float32)
    centres = np.stack([random.integers(0, 8, 40), random.integers(0, 6, 40)], 1)
    wanted = images.copy()
    for image, (row, column) in zip(wanted, centres, strict=True):
        top, bottom = np.clip([row - length // 2, row + length // 2], 0, 8)
        left, right = np.clip([column - length // 2, column + length // 2], 0, 6)
        image[top:bottom, left:right] = 0
    found = augmentation.cut_out(jnp.asarray(images), jnp.asarray(centres), length)
    np.testing.assert_array_equal(found, wanted)


def test_cutout_is_centred_on_any_pixel_alike() -> None:
    cut = augmentation.cutout(jax.random.key(0), jnp.ones((4000, 8, 8, 1)), 4)
    blank = np.asarray(cut == 0)[..., 0].mean(0)
    centres = np.arange(8)
    covered = [((i >= centres - 2) & (i < centres + 2)).mean() for i in range(8)]
    chance = np.outer(covered, covered)
    deviation = np.sqrt(chance * (1 - chance) / 4000)
    assert np.all(np.abs(blank - chance) < 5 * deviation)


def test_streams_of_a_steps_key_are_different() -> None:
    from jaxnas.training.programs import _CUTOUT, _NETWORK

    key = jax.random.wrap_key_data(np.array([3, 4], np.uint32), impl="threefry2x32")
    keys = [*jax.random.split(key), *(jax.random.fold_in(key, i) for i in (_CUTOUT, _NETWORK))]
    assert len({tuple(np.asarray(jax.random.key_data(one)).tolist()) for one in keys}) == 4
