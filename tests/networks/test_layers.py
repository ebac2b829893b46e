"""Layers against loops written out, plain autodiff and finite differences."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from jaxnas.networks import layers
from jaxnas.networks.layers import BN_MODES

pytestmark = pytest.mark.usefixtures("x64")

CONVS = [(1, 1), (3, 1), (1, 2), (3, 2)]  # kernel, stride
SHAPE = (2, 6, 4, 3)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def conv_by_loops(x, kernel, stride):
    size, pad = kernel.shape[0], kernel.shape[0] // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    height, width = ((n + 2 * pad - size) // stride + 1 for n in x.shape[1:3])
    y = np.zeros((len(x), height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            window = padded[:, i * stride : i * stride + size, j * stride : j * stride + size]
            y[:, i, j] = np.einsum("bhwc,hwcd->bd", window, kernel)
    return y


def pool_by_loops(x):
    y = np.zeros_like(x)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            y[:, i, j] = x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].mean((1, 2))
    return y


def norm_by_loops(x, scale, shift, mode):
    y = np.zeros_like(x)
    for b in range(x.shape[0]):
        for c in range(x.shape[3]):
            seen = {"batch": x[..., c], "example": x[b, ..., c], "frozen": np.array([-1.0, 1.0])}
            mean, variance = seen[mode].mean(), seen[mode].var()
            y[b, ..., c] = (x[b, ..., c] - mean) / np.sqrt(variance + 1e-5) * scale[c] + shift[c]
    return y


def plain_conv(stride, x, kernel):
    pad = kernel.shape[0] // 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(pad, pad)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def plain_pool(x):
    def window_sum(a):
        return lax.reduce_window(
            a, 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), ((0, 0), (1, 1), (1, 1), (0, 0))
        )

    return window_sum(x) / window_sum(jnp.ones_like(x))


def plain_norm(mode, x, scale, shift):
    axes = {"batch": (0, 1, 2), "example": (1, 2)}
    mean, variance = 0.0, 1.0
    if mode != "frozen":
        mean, variance = x.mean(axes[mode], keepdims=True), x.var(axes[mode], keepdims=True)
    return (x - mean) / jnp.sqrt(variance + 1e-5) * scale + shift


def _case(name: str) -> tuple[Callable, Callable, Callable, tuple[np.ndarray, ...]]:
    """The layer, a plain one for autodiff, loops in numpy, and arguments."""
    kind, *options = name.split("-")
    if kind == "pool":
        return layers.avg_pool, plain_pool, pool_by_loops, (draw(*SHAPE),)
    if kind == "norm":
        (mode,) = options
        return (
            lambda x, a, b: layers.batch_norm(x, a, b, mode),
            partial(plain_norm, mode),
            lambda x, a, b: norm_by_loops(x, a, b, mode),
            (3 * draw(*SHAPE) + 1, draw(3, seed=1), draw(3, seed=2)),
        )
    size, stride = map(int, options)
    return (
        lambda x, k: layers.conv(x, k, stride),
        partial(plain_conv, stride),
        lambda x, k: conv_by_loops(x, k, stride),
        (draw(*SHAPE), draw(size, size, 3, 5, seed=1)),
    )


CASES = ["pool", *(f"norm-{m}" for m in BN_MODES), *(f"conv-{k}-{s}" for k, s in CONVS)]


def as_scalar(layer):
    """A scalar whose gradient weighs every output differently."""

    def scalar(*args):
        y = layer(*args)
        return jnp.sum(jnp.sin(y) * jnp.cos(jnp.arange(y.size)).reshape(y.shape))

    return scalar


def gradient(layer, args):
    return jax.jit(jax.grad(as_scalar(layer), tuple(range(len(args)))))(*args)


def assert_trees_close(a, b, rtol=1e-10):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    layer, plain, loops, args = _case(name)
    found = jax.jit(layer)(*args)
    assert_trees_close(found, loops(*args))
    assert_trees_close(found, plain(*args))


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    layer, plain, _, args = _case(name)
    assert_trees_close(gradient(layer, args), gradient(plain, args))
    check_grads(jax.jit(layer), args, order=1, modes=["rev"], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_vmap_of_gradient(name):
    """Per-example gradients, for which the convolution's kernel has a rule of its own."""
    layer, plain, _, args = _case(name)
    examples = draw(4, *SHAPE, seed=3)

    def per_example(f):
        over_all = jax.grad(as_scalar(f), tuple(range(len(args))))
        return jax.jit(jax.vmap(lambda x: over_all(x, *args[1:])))(examples)

    found = per_example(layer)
    assert_trees_close(found, per_example(plain))
    for i, example in enumerate(examples):
        alone = gradient(layer, (example, *args[1:]))
        assert_trees_close(jax.tree.map(lambda a, i=i: a[i], found), alone)


@pytest.mark.parametrize("name", CASES)
def test_nested_vmap_of_gradient(name):
    """Several networks, each with per-example gradients: parameters batched outside."""
    layer, plain, _, args = _case(name)
    examples = draw(2, 3, *SHAPE, seed=4)
    networks = [jnp.stack([a, 2 - a]) for a in args[1:]]

    def per_network(f):
        over_all = jax.grad(as_scalar(f), tuple(range(len(args))))
        inner = jax.vmap(over_all, (0, *(None for _ in networks)))
        return jax.jit(jax.vmap(inner))(examples, *networks)

    assert_trees_close(per_network(layer), per_network(plain))


def test_conv_gradient_with_one_side_batched():
    """Of the image and its cotangent only one has the axis that is mapped over."""
    x, kernel, dy = draw(2, 4, 4, 3), draw(3, 3, 3, 3, seed=1), draw(5, 2, 4, 4, 3, seed=2)
    pull = jax.vjp(partial(plain_conv, 1), x, kernel)[1]
    found = jax.vmap(lambda dy: layers.conv_kernel_gradient(x, dy, (3, 3, 3, 3)))(dy)
    assert_trees_close(found, jnp.stack([pull(d)[1] for d in dy]))
    xs = draw(5, 2, 4, 4, 3, seed=3)
    found = jax.vmap(lambda x: layers.conv_kernel_gradient(x, dy[0], (3, 3, 3, 3)))(xs)
    wanted = [jax.vjp(partial(plain_conv, 1), x, kernel)[1](dy[0])[1] for x in xs]
    assert_trees_close(found, jnp.stack(wanted))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("examples", [31, 32, 41])
def test_kernel_gradient_of_many_examples(examples, stride):
    """Summed a few examples at a time, with and without a remainder."""
    x, kernel = draw(examples, 4, 6, 2), draw(3, 3, 2, 3, seed=1)
    pull = jax.vjp(partial(plain_conv, stride), x, kernel)[1]
    dy = draw(*plain_conv(stride, x, kernel).shape, seed=2)
    found = jax.jit(lambda x, dy: layers.conv_kernel_gradient(x, dy, kernel.shape, stride))(x, dy)
    assert_trees_close(found, pull(dy)[1])


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 16), (16, 3), (16, 16), (32, 32), (1, 2)])
@pytest.mark.parametrize("width", [4, 6, 7, 16])
def test_conv_of_any_channels_and_width(inputs, outputs, width):
    """However many pixels of a row are computed at once."""
    x, kernel = draw(2, 3, width, inputs), draw(3, 3, inputs, outputs, seed=1)
    assert_trees_close(jax.jit(layers.conv)(x, kernel), plain_conv(1, x, kernel))
    found = jax.jit(layers.conv_input_gradient, static_argnums=2)(
        draw(2, 3, width, outputs), kernel, x.shape
    )
    pull = jax.vjp(partial(plain_conv, 1), x, kernel)[1]
    assert_trees_close(found, pull(draw(2, 3, width, outputs))[0])


def test_avg_pool_does_not_count_padding():
    ones = np.ones((1, 4, 5, 2))
    np.testing.assert_allclose(jax.jit(layers.avg_pool)(ones), ones, rtol=1e-14)
    corner = np.zeros((1, 3, 3, 1))
    corner[0, 0, 0] = 1
    pooled = np.asarray(jax.jit(layers.avg_pool)(corner))[0, ..., 0]
    np.testing.assert_allclose(pooled, [[1 / 4, 1 / 6, 0], [1 / 6, 1 / 9, 0], [0, 0, 0]])


def test_strided_conv_pads_as_pytorch():
    """The first window of a strided convolution is centred on the first pixel."""
    x = np.zeros((1, 4, 4, 1))
    x[0, 0, 0] = 1
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    y = np.asarray(layers.conv(x, kernel, 2))[0, ..., 0]
    np.testing.assert_array_equal(y, [[4, 0], [0, 0]])


def test_batch_norm_modes_differ_and_keep_examples_apart():
    x, scale, shift = draw(*SHAPE), np.ones(3), np.zeros(3)
    other = np.concatenate([x[:1], 5 * x[1:]])
    for mode in BN_MODES:
        first, changed = (layers.batch_norm(a, scale, shift, mode)[0] for a in (x, other))
        assert np.allclose(first, changed) == (mode != "batch")
    np.testing.assert_allclose(
        layers.batch_norm(x, scale, shift, "frozen"), x / np.sqrt(1 + 1e-5), rtol=1e-14
    )


def test_float32_stays_float32():
    x, kernel = jnp.ones((1, 4, 4, 2), jnp.float32), jnp.ones((3, 3, 2, 2), jnp.float32)
    vector = jnp.ones(2, jnp.float32)

    def network(x, kernel, scale, shift):
        y = layers.batch_norm(layers.conv(x, kernel), scale, shift, "batch")
        return layers.avg_pool(y).sum()

    for leaf in jax.grad(network, (0, 1, 2, 3))(x, kernel, vector, vector):
        assert leaf.dtype == jnp.float32
