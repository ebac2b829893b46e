"""Supernets: known sizes, mixtures against sums written out, samples against one-hot mixtures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxnas.networks import nb201_supernet
from jaxnas.networks.darts import EvaluationNetwork, PerKind, Supernet, layers
from jaxnas.networks.darts.operations import before_norm, kernel_shapes
from jaxnas.networks.darts.supernet import mixed_edges, sampled_edge
from jaxnas.spaces import darts, nb201

pytestmark = pytest.mark.usefixtures("x64")

RNG = np.random.default_rng(0)
DARTS_WEIGHTS = PerKind(*RNG.uniform(size=(2, 14, 8)))


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def value_and_cotangents(f, dy, *args):
    def both(*args):
        y, pull = jax.vjp(f, *args)
        return y, pull(dy)

    return jax.jit(both)(*args)


def assert_close(got, wanted):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11), got, wanted)


def size(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


# --- layers, against XLA's own operations ---------------------------------------------------------


def xla_depthwise(x, kernel, stride, dilation):
    edges, channels, taps, _ = kernel.shape
    pad = (taps - 1) // 2 * dilation
    x = jnp.broadcast_to(jax.nn.relu(x), (edges, *x.shape[1:]))
    return jnp.stack(
        [
            lax.conv_general_dilated(
                x[e],
                kernel[e][:, None],
                (stride, stride),
                ((pad, pad), (pad, pad)),
                rhs_dilation=(dilation, dilation),
                dimension_numbers=("CHWN", "OIHW", "CHWN"),
                feature_group_count=channels,
            )
            for e in range(edges)
        ]
    )


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    ("taps", "stride", "dilation", "pixels"),
    [(3, 1, 1, 8), (5, 2, 1, 8), (5, 1, 2, 16), (3, 2, 2, 16), (3, 1, 2, 6)],
)
def test_depthwise_convolution_and_its_gradients(shared, taps, stride, dilation, pixels):
    x = normal(0, 1 if shared else 3, 4, pixels, pixels, 3)
    kernel = normal(1, 3, 4, taps, taps)
    dy = normal(2, 3, 4, pixels // stride, pixels // stride, 3)
    assert_close(
        value_and_cotangents(lambda *a: layers.relu_depthwise(*a, stride, dilation), dy, x, kernel),
        value_and_cotangents(lambda *a: xla_depthwise(*a, stride, dilation), dy, x, kernel),
    )


def xla_pool(x, stride, start, combine):
    window, strides = (1, 1, 3, 3, 1), (1, 1, stride, stride, 1)
    padding = ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0))
    return lax.reduce_window(x, start, combine, window, strides, padding)


@pytest.mark.parametrize("stride", [1, 2])
def test_pools_and_their_gradients(stride):
    # Rounded, so that windows have several largest pixels: the first takes the gradient.
    x = jnp.round(normal(0, 2, 4, 8, 8, 3))
    dy = normal(1, 2, 4, 8 // stride, 8 // stride, 3)
    assert_close(
        value_and_cotangents(lambda x: layers.max_pool(x, stride), dy, x),
        value_and_cotangents(lambda x: xla_pool(x, stride, -jnp.inf, lax.max), dy, x),
    )
    count = xla_pool(jnp.ones_like(x), stride, 0.0, lax.add)
    assert_close(
        value_and_cotangents(lambda x: layers.avg_pool(x, stride), dy, x),
        value_and_cotangents(lambda x: xla_pool(x, stride, 0.0, lax.add) / count, dy, x),
    )


def test_batch_normalisation_and_its_gradients():
    def plain(x, scale, shift):
        mean, variance = x.mean((2, 3, 4), keepdims=True), x.var((2, 3, 4), keepdims=True)
        wide = (..., None, None, None)
        return (x - mean) / jnp.sqrt(variance + 1e-5) * scale[wide] + shift[wide]

    args = normal(0, 2, 4, 5, 5, 3), normal(1, 2, 4), normal(2, 2, 4)
    dy = normal(3, 2, 4, 5, 5, 3)
    assert_close(
        value_and_cotangents(layers.batch_norm, dy, *args), value_and_cotangents(plain, dy, *args)
    )


# --- the DARTS supernet ---------------------------------------------------------------------------


def test_darts_supernet_has_the_published_number_of_weights():
    shapes = jax.eval_shape(
        Supernet(dtype=jnp.float64).init,
        jax.random.key(0),
        jnp.zeros((2, 32, 32, 3)),
        DARTS_WEIGHTS,
    )
    assert size(shapes["params"]) == 1_930_618


@pytest.mark.parametrize("stride", [1, 2])
def test_mixed_edges_are_sums_of_each_operation_on_each_edge(stride):
    edges, channels = 3, 4
    x, weights = normal(0, 1, channels, 8, 8, 3), RNG.uniform(size=(edges, 8))
    kernels = {
        op: {
            name: normal(10 * op + i, edges, *shape)
            for i, (name, shape) in enumerate(kernel_shapes(op, channels, stride).items())
        }
        for op in darts.Op
    }

    def one_by_one(x, kernels, weights):
        def edge(e):
            total = 0
            for op in darts.Op:
                if op == darts.Op.NONE:
                    continue
                y = x
                if op != darts.Op.SKIP_CONNECT or stride == 2:
                    own = {name: kernel[e : e + 1] for name, kernel in kernels[op].items()}
                    y = layers.standardise(before_norm(op, x, own, stride))
                total = total + weights[e, op] * y
            return total

        return jnp.concatenate([edge(e) for e in range(edges)])

    dy = normal(1, edges, channels, 8 // stride, 8 // stride, 3)
    args = x, kernels, jnp.asarray(weights)
    assert_close(
        value_and_cotangents(lambda *a: mixed_edges(stride, *a), dy, *args),
        value_and_cotangents(one_by_one, dy, *args),
    )


def one_hot(ops, width, scale):
    return jax.nn.one_hot(jnp.asarray(ops), width, dtype=jnp.float64) * scale[:, None]


def agreement(net, x, weights_of, ops, scales):
    """Loss and gradients (parameters; scale of the sampled operation) of both ways."""
    params = jax.jit(net.init)(jax.random.key(0), x, weights_of(ops, scales))["params"]
    target = normal(9, x.shape[0], net.num_classes)

    def loss(params, scales, sampled):
        logits = net.apply({"params": params}, x, weights_of(ops, scales), ops if sampled else None)
        return (logits * target).sum()

    both = jax.jit(jax.value_and_grad(loss, (0, 1)), static_argnums=2)
    return both(params, scales, True), both(params, scales, False)


@pytest.mark.parametrize("stride", [1, 2])
def test_sampled_edge_and_its_gradients_are_those_of_the_one_hot_mixture(stride):
    channels, x = 2, normal(0, 1, 2, 8, 8, 3)
    dy = normal(1, 1, channels, 8 // stride, 8 // stride, 3)
    kernels = {
        op: {
            name: normal(10 * op + i, 1, *shape)
            for i, (name, shape) in enumerate(kernel_shapes(op, channels, stride).items())
        }
        for op in darts.Op
    }

    @jax.jit
    def sampled(op, x, kernels, weight):
        own = tuple(kernels.values())
        y, pull = jax.vjp(lambda x, k, w: sampled_edge(stride, op, x, k, w), x, own, weight)
        dx, dkernels, dweight = pull(dy)
        return y, dx, dict(zip(darts.Op, dkernels, strict=True)), dweight

    @jax.jit
    def mixed(op, x, kernels, weight):
        hot = jax.nn.one_hot(op, 8, dtype=x.dtype)[None]
        y, pull = jax.vjp(lambda x, k, w: mixed_edges(stride, x, k, w * hot), x, kernels, weight)
        return y, *pull(dy)

    for op in darts.Op:
        args = jnp.asarray(op), x, kernels, jnp.asarray(0.7)
        assert_close(sampled(*args), mixed(*args))


def test_sampled_darts_network_is_the_one_hot_mixture():
    net = Supernet(channels=2, cells=3, dtype=jnp.float64)
    rng = np.random.default_rng(3)
    ops = PerKind(*(jnp.asarray(rng.permutation([*range(8), *range(2, 8)])) for _ in range(2)))
    weights = PerKind(*(one_hot(o, 8, jnp.asarray(rng.uniform(0.5, 2, 14))) for o in ops))
    x = normal(4, 4, 16, 16, 3)
    variables = jax.jit(net.init)(jax.random.key(0), x, weights, ops)
    mixed, sampled = (
        jax.jit(net.apply)(variables, x, weights),
        jax.jit(net.apply)(variables, x, weights, ops),
    )
    assert_close(sampled, mixed)
    assert np.ptp(mixed) > 0


def test_wrong_shapes_are_named():
    x, bad = jnp.zeros((2, 8, 8, 3)), PerKind(np.zeros((14, 8)), np.zeros((14, 7)))
    with pytest.raises(ValueError, match=r"reduce cell: expected shape \[14, 8\].*got \[14, 7\]"):
        jax.eval_shape(Supernet(channels=2).init, jax.random.key(0), x, bad)
    with pytest.raises(ValueError, match=r"expected shape \[6, 5\]"):
        jax.eval_shape(nb201_supernet.Supernet().init, jax.random.key(0), x, np.zeros((5, 6)))


# --- the NAS-Bench-201 supernet -------------------------------------------------------------------


def test_nb201_supernet_has_the_skeleton_and_both_convolutions_of_every_edge():
    shapes = jax.eval_shape(
        nb201_supernet.Supernet(dtype=jnp.float64).init,
        jax.random.key(0),
        jnp.zeros((2, 32, 32, 3)),
        np.zeros((6, 5)),
    )
    skeleton = int(nb201.num_params([nb201.Op.NONE] * 6))
    cells = sum(5 * 6 * (c * c + 9 * c * c) for c in (16, 32, 64))
    assert size(shapes["params"]) == skeleton + cells


@pytest.mark.parametrize("ops", [(0, 1, 2, 3, 4, 3), (3, 2, 4, 1, 3, 2)])
def test_sampled_nb201_network_is_the_one_hot_mixture(ops):
    net = nb201_supernet.Supernet(stem_channels=2, cells_per_stage=1, dtype=jnp.float64)
    scales = jnp.asarray(np.random.default_rng(1).uniform(0.5, 2, 6))
    sampled, mixed = agreement(
        net, normal(4, 4, 8, 8, 3), lambda ops, s: one_hot(ops, 5, s), jnp.asarray(ops), scales
    )
    assert_close(sampled, mixed)


# --- the evaluation network -----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(darts.PUBLISHED))
@pytest.mark.parametrize("auxiliary", [False, True])
def test_evaluation_network_has_as_many_parameters_as_counted(name, auxiliary):
    genotype = darts.PUBLISHED[name]
    net = EvaluationNetwork(genotype, channels=4, cells=5, auxiliary=auxiliary, dtype=jnp.float64)
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((2, 32, 32, 3)))
    counted = darts.count(genotype, channels=4, cells=5, auxiliary=auxiliary)
    assert size(shapes["params"]) == counted.params


def test_darts_v1_has_the_published_number_of_parameters():
    net = EvaluationNetwork(darts.DARTS_V1, dtype=jnp.float64)
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((2, 32, 32, 3)))
    assert size(shapes["params"]) == 3_169_414


def test_evaluation_network_in_training_and_after():
    net = EvaluationNetwork(darts.DARTS_V2, channels=2, cells=3, auxiliary=True, dtype=jnp.float64)
    x = normal(0, 4, 32, 32, 3)
    variables = jax.jit(net.init)(jax.random.key(0), x)

    @jax.jit
    def trained(variables, key, probability):
        return net.apply(
            variables,
            x,
            train=True,
            drop_path=probability,
            mutable=["batch_stats"],
            rngs={"drop_path": key},
        )

    (logits, auxiliary), state = trained(variables, jax.random.key(1), jnp.asarray(0.0))
    (dropped, _), _ = trained(variables, jax.random.key(1), jnp.asarray(0.5))
    assert auxiliary.shape == logits.shape == (4, 10)
    assert np.any(logits != dropped)
    # Running statistics that have become the batch's (but for the unbiased variance) give the
    # logits of training.
    scaled = jax.tree.map(
        lambda new, old: old + (new - old) / 0.1,
        state,
        {"batch_stats": variables["batch_stats"]},
    )
    evaluated, nothing = jax.jit(net.apply)({**variables, **scaled}, x)
    assert nothing is None
    np.testing.assert_allclose(evaluated, logits, rtol=2e-2, atol=2e-2)
