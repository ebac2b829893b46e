"""Supernets: known sizes, mixtures against sums written out, samples against one-hot mixtures."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxnas.networks.darts import EvaluationNetwork, PerKind, SupernetModule, layers
from jaxnas.networks.darts.edges import mixed_edge, sampled_edge
from jaxnas.networks.darts.operations import before_norm, kernel_shapes
from jaxnas.networks.nb201 import supernet_module
from jaxnas.networks.supernet_edges import add_edges, ends_of
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
    channels, taps, _ = kernel.shape
    pad = (taps - 1) // 2 * dilation
    return lax.conv_general_dilated(
        jax.nn.relu(x),
        kernel[:, None],
        (stride, stride),
        ((pad, pad), (pad, pad)),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("CHWN", "OIHW", "CHWN"),
        feature_group_count=channels,
    )


@pytest.mark.parametrize(
    ("taps", "stride", "dilation", "pixels"),
    [(3, 1, 1, 8), (5, 2, 1, 8), (5, 1, 2, 16), (3, 2, 2, 16), (3, 1, 2, 6)],
)
def test_depthwise_convolution_and_its_gradients(taps, stride, dilation, pixels):
    x = normal(0, 4, pixels, pixels, 3)
    kernel = normal(1, 4, taps, taps)
    dy = normal(2, 4, pixels // stride, pixels // stride, 3)
    ours = lambda *a: layers.relu_depthwise(*a, stride, dilation)  # noqa: E731
    theirs = lambda *a: xla_depthwise(*a, stride, dilation)  # noqa: E731
    assert_close(
        value_and_cotangents(ours, dy, x, kernel), value_and_cotangents(theirs, dy, x, kernel)
    )

    def along(f):
        """The derivative of the cotangents along a direction, as DARTS' second order takes it."""
        pull = lambda *a: jax.vjp(f, *a)[1](dy)  # noqa: E731
        return jax.jit(lambda *a: jax.jvp(pull, a, (normal(3, *x.shape), normal(4, *kernel.shape))))

    assert_close(along(ours)(x, kernel), along(theirs)(x, kernel))


def xla_pool(x, stride, start, combine):
    window, strides = (1, 3, 3, 1), (1, stride, stride, 1)
    padding = ((0, 0), (1, 1), (1, 1), (0, 0))
    return lax.reduce_window(x, start, combine, window, strides, padding)


@pytest.mark.parametrize("stride", [1, 2])
def test_pools_and_their_gradients(stride):
    # Rounded, so that windows have several largest pixels: the first takes the gradient.
    x = jnp.round(normal(0, 4, 8, 8, 3))
    dy = normal(1, 4, 8 // stride, 8 // stride, 3)
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
        mean, variance = x.mean((1, 2, 3), keepdims=True), x.var((1, 2, 3), keepdims=True)
        wide = (..., None, None, None)
        return (x - mean) / jnp.sqrt(variance + 1e-5) * scale[wide] + shift[wide]

    args = normal(0, 4, 5, 5, 3), normal(1, 4), normal(2, 4)
    dy = normal(3, 4, 5, 5, 3)
    assert_close(
        value_and_cotangents(layers.batch_norm, dy, *args), value_and_cotangents(plain, dy, *args)
    )


# --- the DARTS supernet ---------------------------------------------------------------------------


def test_darts_supernet_has_the_published_number_of_weights():
    shapes = jax.eval_shape(
        SupernetModule(dtype=jnp.float64).init,
        jax.random.key(0),
        jnp.zeros((2, 32, 32, 3)),
        DARTS_WEIGHTS,
    )
    assert size(shapes["params"]) == 1_930_618


def all_kernels(channels, stride, *edges):
    """Of all operations, with a leading axis of edges where it is asked for."""
    return tuple(
        {
            name: normal(10 * op + i, *edges, *shape)
            for i, (name, shape) in enumerate(kernel_shapes(op, channels, stride).items())
        }
        for op in darts.Op
    )


@pytest.mark.parametrize("stride", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_mixed_edge_is_the_sum_of_its_operations(stride):
    x, weights, kernels = normal(0, 4, 8, 8, 3), normal(2, 8), all_kernels(4, stride)

    def one_by_one(x, kernels, weights):
        total = 0
        for op in darts.Op:
            y = x
            if op == darts.Op.NONE:
                continue
            if op != darts.Op.SKIP_CONNECT or stride == 2:
                y = layers.standardise(before_norm(op, x, kernels[op], stride))
            total = total + weights[op] * y
        return total

    dy = normal(1, 4, 8 // stride, 8 // stride, 3)
    args = x, kernels, weights
    assert_close(
        value_and_cotangents(lambda *a: mixed_edge(stride, None, *a), dy, *args),
        value_and_cotangents(one_by_one, dy, *args),
    )

    # DARTS' second order is the derivative of the gradient along a direction.
    pull = jax.jit(lambda *a: jax.vjp(partial(mixed_edge, stride, None), *a)[1](dy))
    direction = jax.tree.map(lambda leaf: normal(3, *leaf.shape), args)
    got = jax.jit(lambda a, b: jax.jvp(pull, a, b)[1])(args, direction)
    ahead, behind = (
        pull(*jax.tree.map(lambda a, b, h=h: a + h * b, args, direction)) for h in (1e-7, -1e-7)
    )
    wanted = jax.tree.map(lambda a, b: (a - b) / 2e-7, ahead, behind)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), got, wanted)


def toy_edge(op, x, kernels, weights):
    del op
    return jnp.tanh(x) * kernels["scale"] + weights.sum() * x**2


@pytest.mark.parametrize("outer", [True, False])
def test_edges_in_a_loop_are_edges_one_by_one(outer):
    """Values, gradients and the gradients' derivative, from other images or among the nodes."""
    ends = ((0, 1), (1, 0), (1, 2)) if outer else ((0, 1), (0, 2), (1, 2), (2, 3))
    images = normal(0, 2, 2, 3, 3, 2) if outer else None
    nodes, dy = normal(1, 4, 2, 3, 3, 2), normal(2, 4, 2, 3, 3, 2)
    kernels, weights = {"scale": normal(3, len(ends))}, normal(4, len(ends), 8)

    def one_by_one(images, nodes, kernels, weights):
        nodes = list(nodes)
        for e, (source, target) in enumerate(ends):
            x = (nodes if images is None else images)[source]
            own = jax.tree.map(lambda leaf, e=e: leaf[e], kernels)
            nodes[target] = nodes[target] + toy_edge(None, x, own, weights[e])
        return jnp.stack(nodes)

    args = images, nodes, kernels, weights
    looped = partial(add_edges, toy_edge, ends_of(ends), None)
    assert_close(
        value_and_cotangents(looped, dy, *args), value_and_cotangents(one_by_one, dy, *args)
    )

    def along(f):
        tangents = jax.tree.map(lambda leaf: normal(5, *leaf.shape), args)
        return jax.jvp(lambda *a: jax.vjp(f, *a)[1](dy), args, tangents)[1]

    assert_close(along(looped), along(one_by_one))


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


@pytest.mark.parametrize("stride", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_sampled_edge_and_its_gradients(stride):
    """Those of the one-hot mixture, but for the weights of other operations, which count as 1."""
    x, dy = normal(0, 2, 8, 8, 3), normal(1, 2, 8 // stride, 8 // stride, 3)
    kernels = all_kernels(2, stride)

    def both(edge):
        def value_and_pull(op, weights):
            f = lambda x, k, w: edge(stride, op, x, k, w)  # noqa: E731
            y, pull = jax.vjp(f, x, kernels, weights)
            return y, *pull(dy)

        return jax.jit(value_and_pull)

    sampled, mixed = both(sampled_edge), both(mixed_edge)
    for op in darts.Op:
        y, dx, dkernels, dweights = sampled(jnp.asarray(op), 0.7 * jax.nn.one_hot(op, 8))
        wanted = mixed(None, 0.7 * jax.nn.one_hot(op, 8))
        assert_close((y, dx, dkernels, dweights[op]), (*wanted[:3], wanted[3][op]))
        assert_close(np.delete(dweights, op), np.full(7, dy.sum()))


@pytest.mark.slow
def test_sampled_darts_network_is_the_one_hot_mixture():
    net = SupernetModule(channels=2, depth=3, dtype=jnp.float64)
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
        jax.eval_shape(SupernetModule(channels=2).init, jax.random.key(0), x, bad)
    with pytest.raises(ValueError, match=r"expected shape \[6, 5\]"):
        jax.eval_shape(
            supernet_module.SupernetModule().init, jax.random.key(0), x, np.zeros((5, 6))
        )


# --- the NAS-Bench-201 supernet -------------------------------------------------------------------


def test_nb201_supernet_has_the_skeleton_and_both_convolutions_of_every_edge():
    shapes = jax.eval_shape(
        supernet_module.SupernetModule(dtype=jnp.float64).init,
        jax.random.key(0),
        jnp.zeros((2, 32, 32, 3)),
        np.zeros((6, 5)),
    )
    skeleton = int(nb201.num_params([nb201.Op.NONE] * 6))
    cells = sum(5 * 6 * (c * c + 9 * c * c) for c in (16, 32, 64))
    assert size(shapes["params"]) == skeleton + cells


@pytest.mark.parametrize(
    "ops", [(0, 1, 2, 3, 4, 3), pytest.param((3, 2, 4, 1, 3, 2), marks=pytest.mark.slow)]
)
def test_sampled_nb201_network_is_the_one_hot_mixture(ops):
    net = supernet_module.SupernetModule(channels=2, depth=1, dtype=jnp.float64)
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
    net = EvaluationNetwork(genotype, channels=4, depth=5, auxiliary=auxiliary, dtype=jnp.float64)
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((2, 32, 32, 3)))
    counted = darts.count(genotype, channels=4, cells=5, auxiliary=auxiliary)
    assert size(shapes["params"]) == counted.params


def test_darts_v1_has_the_published_number_of_parameters():
    net = EvaluationNetwork(darts.DARTS_V1, dtype=jnp.float64)
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((2, 32, 32, 3)))
    assert size(shapes["params"]) == 3_169_414


def test_evaluation_network_in_training_and_after():
    net = EvaluationNetwork(darts.DARTS_V2, channels=2, depth=3, auxiliary=True, dtype=jnp.float64)
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
