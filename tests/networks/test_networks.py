"""The network with operations as data, the one specialised to a cell, and one written in numpy."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxnas.networks.initial import draw
from jaxnas.networks.initialisers import KERNELS, linear_bias
from jaxnas.networks.layers import BN_MODES
from jaxnas.networks.nb201.network import CellNetwork, Network, cell_parameters, used_parameters
from jaxnas.proxies import usage
from jaxnas.spaces import nb201
from jaxnas.types import Tensor

pytestmark = pytest.mark.usefixtures("x64")

SMALL: dict[str, Any] = {"channels": 4, "depth": 1}
X = np.random.default_rng(0).standard_normal((3, 16, 16, 3))
OPS = jnp.zeros(6, jnp.int32)

RANDOM_CELLS = [
    nb201.index_to_ops(int(i)) for i in np.random.default_rng(7).choice(nb201.NUM_CELLS, 12, False)
]
HAND_PICKED = [
    (0, 0, 0, 0, 0, 0),  # disconnected
    (1, 1, 1, 1, 1, 1),
    (4, 4, 4, 4, 4, 4),
    (3, 3, 3, 3, 3, 3),
    (2, 0, 0, 0, 1, 0),  # a chain past node 2
    (3, 2, 0, 0, 0, 0),  # two dead convolutions
]
CELLS = [(ops, BN_MODES[i % 3]) for i, ops in enumerate([*RANDOM_CELLS, *HAND_PICKED])]


def network(bn: str) -> Network:
    return Network(bn=bn, dtype=jnp.float64, **SMALL)


def cell_network(ops: Sequence[int], bn: str) -> CellNetwork:
    return CellNetwork(ops=tuple(ops), bn=bn, dtype=jnp.float64, **SMALL)


@cache
def shapes() -> Any:
    with jax.enable_x64(True):
        return jax.eval_shape(network("batch").init, jax.random.key(0), X, OPS)


def random_params(seed: int) -> Any:
    """Parameters with a value in every place, used or not, and BN that does something."""
    random = np.random.default_rng(seed)

    def leaf(path, shape):
        values = random.standard_normal(shape.shape)
        if path[-1].key == "scale":
            return jnp.asarray(1 + 0.3 * values)
        fan_in = math.prod(shape.shape[:-1])
        return jnp.asarray(values / np.sqrt(fan_in) if fan_in > 1 else 0.3 * values)

    return jax.tree_util.tree_map_with_path(leaf, shapes())


def with_gradients(apply):
    """Logits and the gradients to parameters and input of a scalar that weighs all logits."""

    def scalar(params, x, *ops):
        logits = apply(params, x, *ops)
        weights = jnp.cos(jnp.arange(logits.size)).reshape(logits.shape)
        return jnp.sum(weights * logits + 0.1 * logits**2), logits

    differentiated = jax.value_and_grad(scalar, (0, 1), has_aux=True)

    def run(*args):
        (_, logits), (to_params, to_x) = differentiated(*args)
        return logits, to_params, to_x

    return jax.jit(run)


@cache
def network_program(bn: str):
    return with_gradients(network(bn).apply)


def assert_close(a, b, rtol=1e-8):
    """To round-off, relative to each tensor's largest entry."""
    a, b = np.asarray(a), np.asarray(b)
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(np.abs(b).max(), 1e-3))


@pytest.mark.parametrize(
    ("ops", "bn"), CELLS[:3] + [pytest.param(*cell, marks=pytest.mark.slow) for cell in CELLS[3:]]
)
def test_ops_as_data_is_the_network_of_the_cell(ops, bn):
    params = random_params(seed=sum(ops))
    logits, to_params, to_x = network_program(bn)(params, X, jnp.asarray(ops))
    own = cell_parameters(params, ops)
    wanted = with_gradients(cell_network(ops, bn).apply)(own, X)
    assert_close(logits, wanted[0])
    assert_close(to_x, wanted[2])
    assert bool(np.any(wanted[2])) == bool(nb201.is_connected(ops))
    found, wanted_gradients = flatten_dict(to_params), flatten_dict(wanted[1])
    for path, gradient in found.items():
        if path in wanted_gradients:
            assert_close(gradient, wanted_gradients[path])
        else:
            assert not np.any(gradient), path
    used = flatten_dict(used_parameters(params, jnp.asarray(ops)))
    assert {path for path, is_used in used.items() if is_used} == wanted_gradients.keys()


def test_one_program_serves_all_cells():
    for bn in BN_MODES:
        program = network_program(bn)
        for ops in RANDOM_CELLS[:3]:
            program(random_params(0), X, jnp.asarray(ops))
        assert program._cache_size() == 1


def test_modes_of_normalisation_differ():
    logits = [
        network_program(bn)(random_params(0), X, jnp.asarray((3, 2, 4, 1, 3, 2)))[0]
        for bn in BN_MODES
    ]
    assert not np.allclose(logits[0], logits[1])
    assert not np.allclose(logits[0], logits[2])
    assert not np.allclose(logits[1], logits[2])


def test_init_draws_the_same_for_both():
    ops, key = (3, 2, 4, 1, 2, 3), jax.random.key(3)
    whole = jax.jit(network("batch").init)(key, X, jnp.asarray(ops))
    own = flatten_dict(jax.jit(cell_network(ops, "batch").init)(key, X))
    kept = flatten_dict(cell_parameters(whole, ops))
    assert kept.keys() == own.keys()
    for path, value in own.items():
        np.testing.assert_allclose(kept[path], value, rtol=1e-12, atol=0)
    used = flatten_dict(used_parameters(whole, ops))
    for path, value in flatten_dict(whole).items():
        if path[-1] == "kernel":
            assert np.any(value) == used[path], path


@pytest.mark.parametrize("ops", [(3,) * 6, (0,) * 6, (2, 3, 2, 4, 1, 2), (1, 2, 3, 0, 4, 0)])
@pytest.mark.parametrize("classes", [10, 120])
def test_parameter_count_at_full_size(ops, classes):
    module = CellNetwork(ops=ops, num_classes=classes)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    with jax.enable_x64(False):
        params = jax.eval_shape(module.init, jax.random.key(0), image)
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    assert count == nb201.num_params(ops, classes)


def test_forward_order_is_complete_and_in_place():
    order = network("batch").forward_order()
    with_axes = {p[1:] for p, leaf in flatten_dict(shapes()).items() if len(leaf.shape) >= 2}
    assert len(order) == len(set(order))
    assert set(order) == with_axes
    stages = [path[0] for path in order]
    firsts = list(dict.fromkeys(stages))
    wanted = ["stem_conv", "stage0_cell0", "residual1", "stage1_cell0", "residual2"]
    assert firsts == [*wanted, "stage2_cell0", "classifier"]
    assert stages == sorted(stages, key=firsts.index)
    two = Network(channels=4, depth=2).forward_order()
    assert [p[0] for p in two if "edge0" in p and "conv1x1" in p] == [
        f"stage{s}_cell{i}" for s in range(3) for i in range(2)
    ]


@pytest.mark.parametrize("ops", [(3, 2, 3, 2, 3, 2), (2, 3, 4, 1, 3, 0), RANDOM_CELLS[0]])
def test_forward_order_is_that_of_the_trace(ops):
    own = cell_parameters(random_params(0), ops)
    traced = usage.tensors(cell_network(ops, "batch").apply, own, jnp.asarray(X))
    kept = flatten_dict(own)
    used = [("params", *path) for path in network("batch").forward_order()]
    assert list(traced) == [Tensor(path) for path in used if path in kept]


# --- Cells of one function ------------------------------------------------------------------------


def equal_pairs(number: int) -> list[tuple[tuple[int, ...], tuple[int, ...], dict[int, int]]]:
    """Pairs of equal cells with live convolutions, every other one with edges that move."""
    representatives = nb201.representatives()
    moved, kept = [], []
    for b in np.random.default_rng(1).permutation(nb201.NUM_CELLS).tolist():
        a = int(representatives[b])
        pair = nb201.index_to_ops(a), nb201.index_to_ops(b)
        if a == b or not nb201.is_connected(pair[0]):
            continue
        matching = nb201.matching(*pair)
        if matching:
            moves = any(e != f for e, f in matching.items())
            (moved if moves else kept).append((*pair, matching))
        if min(len(moved), len(kept)) >= number // 2:
            break
    return moved[: number // 2] + kept[: number // 2]


def moved_weights(params: Any, matching: dict[int, int]) -> Any:
    """Other weights on all edges but those that the matching names.

    There the shift is zero, as at initialisation: a convolution of a node that no path reaches adds
    its shift.
    """
    old, new = flatten_dict(params), flatten_dict(random_params(seed=99))
    result = {}
    origin = {f"edge{f}": f"edge{e}" for e, f in matching.items()}
    for path, leaf in old.items():
        edge = next((part for part in path if part.startswith("edge")), None)
        if edge is None:
            result[path] = leaf
        elif edge in origin:
            result[path] = old[tuple(origin[edge] if part == edge else part for part in path)]
        else:
            result[path] = jnp.zeros_like(leaf) if path[-1] == "shift" else new[path]
    return unflatten_dict(result)


PAIRS = equal_pairs(28)


def test_there_are_pairs_of_both_kinds():
    assert len(PAIRS) == 28
    assert sum(any(e != f for e, f in matching.items()) for *_, matching in PAIRS) == 14


@pytest.mark.parametrize(("a", "b", "matching"), PAIRS)
def test_cells_of_one_function_are_one_function(a, b, matching):
    """As data, which is the network of the cell by the test above."""
    run, params = (
        network_program("batch"),
        moved_weights(random_params(5), {e: e for e in matching}),
    )
    logits, _, to_x = run(params, X, jnp.asarray(a))
    again = run(moved_weights(params, matching), X, jnp.asarray(b))
    assert_close(again[0], logits)
    assert_close(again[2], to_x)
    # Without the weights in their places the logits are others.
    scrambled = run(moved_weights(params, dict(list(matching.items())[1:])), X, jnp.asarray(b))
    assert not np.allclose(scrambled[0], logits, rtol=1e-3)
    unmoved = run(moved_weights(params, {f: f for f in matching.values()}), X, jnp.asarray(b))
    if any(e != f for e, f in matching.items()) and len(matching) == 1:
        assert not np.allclose(unmoved[0], logits, rtol=1e-3)


@pytest.mark.parametrize(("a", "b", "matching"), PAIRS[:3])
def test_the_same_of_specialised_networks(a, b, matching):
    params = moved_weights(random_params(5), {e: e for e in matching})
    logits = [
        jax.jit(cell_network(ops, "batch").apply)(cell_parameters(p, ops), X)
        for ops, p in ((a, params), (b, moved_weights(params, matching)))
    ]
    assert_close(*logits)


def test_cells_of_different_functions_differ():
    run, params = network_program("batch"), random_params(5)
    cells = nb201.cell_ops()[np.unique(nb201.representatives())[100:2100:100]]
    logits = [np.asarray(run(params, X, jnp.asarray(ops, jnp.int64))[0]) for ops in cells]
    for i, one in enumerate(logits):
        assert not any(np.allclose(one, other, rtol=1e-6) for other in logits[:i])


# --- Initialisation -------------------------------------------------------------------------------

SHAPE = (3, 3, 64, 128)  # fan in 576, fan out 1152
# Deviation, and the bound if there is one.
SPREADS = {
    "pytorch": (1 / 24 / math.sqrt(3), 1 / 24),
    "he": (math.sqrt(2 / 576), None),
    "xavier": (math.sqrt(2 / 1728), math.sqrt(6 / 1728)),
}


@pytest.mark.parametrize("scheme", SPREADS)
@pytest.mark.parametrize("source", ["engine", "flax"])
def test_kernels_have_the_spread_of_the_scheme(scheme, source):
    deviation, bound = SPREADS[scheme]
    if source == "engine":
        dtype = np.dtype(np.float64)
        values = draw(np.random.default_rng(0), scheme, "kernel", SHAPE, 576, dtype)
    else:
        values = np.asarray(KERNELS[scheme](jax.random.key(0), SHAPE, jnp.float64))
    assert values.shape == SHAPE
    assert values.std() == pytest.approx(deviation, rel=0.01)
    assert abs(values.mean()) < 5 * deviation / math.sqrt(values.size)
    if bound is None:
        assert 3.5 * deviation < np.abs(values).max() < 7 * deviation
    else:
        assert 0.999 * bound < np.abs(values).max() <= bound * (1 + 1e-12)


@pytest.mark.parametrize("scheme", SPREADS)
def test_bias_of_the_linear_layer(scheme):
    engine = draw(np.random.default_rng(0), scheme, "bias", (5000,), 64, np.dtype(np.float64))
    flax = np.asarray(linear_bias(scheme, 64)(jax.random.key(0), (5000,), jnp.float64))
    for values in (engine, flax):
        if scheme == "pytorch":
            assert 0.99 / 8 < np.abs(values).max() <= 1 / 8
        else:
            assert not values.any()


# --- The whole network, written again in numpy ----------------------------------------------------


def conv(x, kernel, stride=1):
    size, pad = len(kernel), len(kernel) // 2
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    return np.einsum("bhwcij,ijcd->bhwd", windows[:, ::stride, ::stride], kernel)


def norm(x, p):
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) / np.sqrt(variance + 1e-5) * p["scale"] + p["shift"]


def relu(x):
    return np.maximum(x, 0)


def pool(x):
    y = np.zeros_like(x)
    for i, j in np.ndindex(x.shape[1:3]):
        y[:, i, j] = x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].mean((1, 2))
    return y


def cell(x, p, ops):
    def edge(e, x):
        match ops[e]:
            case 0:
                return 0 * x
            case 1:
                return x
            case 4:
                return pool(x)
        own = p[f"edge{e}"]
        return norm(
            conv(relu(x), own["conv1x1" if ops[e] == 2 else "conv3x3"]["kernel"]), own["bn"]
        )

    node1 = edge(0, x)
    node2 = edge(1, x) + edge(2, node1)
    return edge(3, x) + edge(4, node1) + edge(5, node2)


def residual(x, p):
    y = norm(conv(relu(x), p["conv1"]["kernel"], 2), p["bn1"])
    y = norm(conv(relu(y), p["conv2"]["kernel"]), p["bn2"])
    halved = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
    return y + conv(halved, p["shortcut"]["kernel"])


def forward(x, p, ops):
    x = norm(conv(x, p["stem_conv"]["kernel"]), p["stem_bn"])
    x = cell(x, p["stage0_cell0"], ops)
    x = cell(residual(x, p["residual1"]), p["stage1_cell0"], ops)
    x = cell(residual(x, p["residual2"]), p["stage2_cell0"], ops)
    x = relu(norm(x, p["last_bn"])).mean((1, 2))
    return x @ p["classifier"]["kernel"] + p["classifier"]["bias"]


@pytest.mark.parametrize("ops", [(3, 2, 4, 1, 3, 2), (4, 3, 2, 2, 0, 1), RANDOM_CELLS[1]])
def test_whole_network_in_numpy(ops):
    params = random_params(11)
    logits = network_program("batch")(params, X, jnp.asarray(ops))[0]
    assert_close(logits, forward(X, jax.tree.map(np.asarray, params)["params"], ops))
