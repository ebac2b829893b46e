"""The network of all genotypes against the plain network of each, in float64."""

import itertools
import math
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict
from plain_genotype import places, plain_params

from jaxnas.networks import darts
from jaxnas.networks.darts import EvaluationNetwork
from jaxnas.networks.layers import BN_MODES
from jaxnas.proxies import usage
from jaxnas.spaces.darts import (
    DARTS_V1,
    NODES,
    OPS,
    Genotype,
    cell_shapes,
    edges_of,
    parse_genotype,
)
from jaxnas.spaces.darts.space import Darts
from jaxnas.spaces.space import Sizes, structural_zeros

pytestmark = pytest.mark.usefixtures("x64")

SPACE = Darts()
SIZES = Sizes(4, 3)  # a normal cell, and both reductions
CLASSES, PIXELS = 5, 8
RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, PIXELS, PIXELS, 3))
WEIGHTS = np.cos(np.arange(3 * CLASSES)).reshape(3, CLASSES)

# Every operation once from an input and once between nodes, in both kinds of cell.
SOURCES = (0, 1, 2, 1, 3, 0, 4, 2)
EVERY_OP = str(
    Genotype(
        tuple((OPS[1 + i % 7], source) for i, source in enumerate(SOURCES)),
        NODES,
        tuple((OPS[1 + (i + 3) % 7], source) for i, source in enumerate(SOURCES)),
        NODES,
    )
)
# Two edges on one pair of nodes, and nodes that read the inputs alone.
TWO_ON_ONE = str(
    Genotype(
        (("dil_conv_3x3", 1), ("dil_conv_3x3", 1)) * 4,
        NODES,
        (("skip_connect", 0), ("sep_conv_3x3", 0)) * 4,
        NODES,
    )
)
ARCHS = [EVERY_OP, TWO_ON_ONE, SPACE.sample(RNG)]
CASES = [(EVERY_OP, "batch"), (TWO_ON_ONE, "example")]


@cache
def scored(bn: str = "batch") -> Any:
    return darts.scored(SIZES, num_classes=CLASSES, image_size=PIXELS, bn=bn, dtype=jnp.float64)


def code_of(arch: str) -> Any:
    return jnp.asarray(scored().code(arch))


@cache
def shapes(sizes: Sizes = SIZES) -> Any:
    net = darts.scored(sizes, num_classes=CLASSES, image_size=PIXELS)
    image = jax.ShapeDtypeStruct((1, PIXELS, PIXELS, 3), jnp.float32)
    code = jax.ShapeDtypeStruct((32,), jnp.int32)
    return jax.eval_shape(net.network.init, jax.eval_shape(jax.random.key, 0), image, code)


def random_params(seed: int) -> Any:
    """Parameters with a value in every place, used or not, and norms that do something."""
    random = np.random.default_rng(seed)

    def leaf(path, shape):
        values = random.standard_normal(shape.shape)
        name = path[-1].key
        if name.startswith("scale"):
            return 1 + 0.3 * values
        return values * (0.3 if name.startswith(("shift", "bias")) else 0.5)

    return jax.tree_util.tree_map_with_path(leaf, shapes())


def with_gradients(apply):
    """Logits and the gradients to parameters and images of a scalar that weighs all logits."""

    def scalar(params, x, weights, *code):
        logits = apply(params, x, *code)
        return jnp.sum(weights * (logits + 0.1 * logits**2)), logits

    def run(*args):
        (_, logits), gradients = jax.value_and_grad(scalar, (0, 1), has_aux=True)(*args)
        return logits, *gradients

    return jax.jit(run)


@cache
def program(bn: str) -> Any:
    return with_gradients(scored(bn).apply)


def assert_close(a, b, rtol=1e-8):
    """To round-off, relative to each tensor's largest entry."""
    a, b = np.asarray(a), np.asarray(b)
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(np.abs(b).max(), 1e-3))


# --- the plain network ----------------------------------------------------------------------------


def plain(genotype: Genotype) -> EvaluationNetwork:
    return EvaluationNetwork(genotype, CLASSES, *SIZES, dtype=jnp.float64)


def plain_apply(genotype: Genotype, bn: str) -> Any:
    """The plain network in a mode of normalisation.

    An example by its own statistics is a batch of one; frozen statistics are the running ones at
    initialisation.
    """
    net = plain(genotype)
    image = jax.ShapeDtypeStruct(X.shape, jnp.float64)
    variables = jax.eval_shape(net.init, jax.eval_shape(jax.random.key, 0), image)
    stats = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.full(leaf.shape, path[-1].key == "variance", leaf.dtype),
        variables["batch_stats"],
    )

    def apply(params, x):
        everything = {**params, "batch_stats": stats}
        if bn == "example":
            return jax.lax.map(lambda x: net.apply(everything, x[None], train=True)[0][0], x)
        return net.apply(everything, x, train=bn == "batch")[0]

    return apply


@pytest.mark.parametrize(
    ("arch", "bn"), [CASES[0], pytest.param(*CASES[1], marks=pytest.mark.slow)]
)
def test_genotype_as_data_is_the_network_of_the_genotype(arch, bn):
    genotype, params = parse_genotype(arch), random_params(1)
    logits, to_params, to_x = program(bn)(params, X, WEIGHTS, code_of(arch))
    own = plain_params(genotype, SIZES, params)
    wanted, wanted_params, wanted_x = with_gradients(plain_apply(genotype, bn))(own, X, WEIGHTS)
    assert_close(logits, wanted)
    assert_close(to_x, wanted_x)
    found = flatten_dict(plain_params(genotype, SIZES, to_params))
    for path, gradient in flatten_dict(wanted_params).items():
        assert_close(found.pop(path), gradient)
    assert not found
    live = flatten_dict(scored().live(params, code_of(arch)))
    for path, gradient in flatten_dict(to_params).items():
        assert not np.any(np.asarray(gradient)[~np.asarray(live[path])]), path


def test_one_program_serves_all_genotypes():
    for arch in SPACE.draw(3, 0):
        program("batch")(random_params(0), X, WEIGHTS, code_of(arch))
    assert program("batch")._cache_size() == 1


@pytest.mark.slow
def test_modes_of_normalisation_differ():
    logits = [program(bn)(random_params(0), X, WEIGHTS, code_of(EVERY_OP))[0] for bn in BN_MODES]
    for one, other in itertools.combinations(logits, 2):
        assert not np.allclose(one, other)


@pytest.mark.slow
def test_gradients_of_examples_at_once_are_those_of_one_after_another():
    """Those of batches of one are those of a batch in which the others weigh nothing."""
    net, params, code = scored("example"), random_params(2), code_of(EVERY_OP)

    def gradient(x, weights):
        def scalar(params):
            (logits,) = net.apply(params, x[None], code)
            return jnp.sum(weights * (logits + 0.1 * logits**2))

        return jax.grad(scalar)(params)

    at_once = jax.jit(jax.vmap(gradient))(X, WEIGHTS)
    for b in range(len(X)):
        weights = np.where(np.arange(len(X))[:, None] == b, WEIGHTS, 0)
        alone = program("example")(params, X, weights, code)[1]
        jax.tree.map(lambda found, wanted, b=b: assert_close(found[b], wanted), at_once, alone)


# --- Cells of one function ------------------------------------------------------------------------


def renamed(genes, order):
    """Genes with the nodes renamed and a node's edges sorted, and the old slot of each."""
    new = dict(zip(NODES, order, strict=True))
    edges = [
        (new[target], new.get(source, source), op, slot)
        for slot, (op, source, target) in enumerate(edges_of(genes))
    ]
    if any(source >= target for target, source, _, _ in edges):
        return None
    ordered = sorted(edges, key=lambda edge: (edge[0], edge[1], OPS[edge[2]]))
    return tuple((OPS[op], source) for _, source, op, _ in ordered), [e[-1] for e in ordered]


def other_names(genes):
    """The renaming that moves most nodes: the order, the genes, and the old slot of each."""
    orders = [order for order in itertools.permutations(NODES) if renamed(genes, order)]
    order = max(orders, key=lambda order: sum(a != b for a, b in zip(NODES, order, strict=True)))
    return order, *renamed(genes, order)


def moved(params, orders, slots):
    """Parameters for the renamed genotype: slots and concatenated channels in their new places."""
    flat = flatten_dict(params)
    cells = cell_shapes(*SIZES)
    kinds = ["reduce" if shape.reduction else "normal" for shape in cells]

    def channels_of(cell):
        """For each channel of a cell's output, as renamed, the old one."""
        if cell < 0:
            return slice(None)
        width = cells[cell].channels
        old = [orders[kinds[cell]].index(node) for node in NODES]
        return np.concatenate([np.arange(width) + width * i for i in old])

    result = {}
    for path, leaf in flat.items():
        names = path[1:]
        if names[1] in OPS:
            result[path] = leaf[slots[kinds[int(names[0].removeprefix("cell"))]]]
        elif names[1] in ("entry0", "entry1") and names[2] != "bn":
            source = int(names[0].removeprefix("cell")) - (2 if names[1] == "entry0" else 1)
            result[path] = leaf[:, channels_of(source)]
        elif names == ("classifier", "kernel"):
            result[path] = leaf[channels_of(len(cells) - 1)]
        else:
            result[path] = leaf
    return unflatten_dict(result)


@pytest.mark.parametrize("arch", [TWO_ON_ONE, str(DARTS_V1), *SPACE.draw(3, 7)])
def test_genotypes_of_one_function_are_one_function(arch):
    genotype, params = parse_genotype(arch), random_params(3)
    orders, genes, slots = {}, {}, {}
    for kind in ("normal", "reduce"):
        orders[kind], genes[kind], slots[kind] = other_names(getattr(genotype, kind))
    other = str(Genotype(genes["normal"], NODES, genes["reduce"], NODES))
    assert SPACE.functions([other]) == SPACE.functions([arch])
    logits, _, to_x = program("batch")(params, X, WEIGHTS, code_of(arch))
    again, _, to_x_again = program("batch")(
        moved(params, orders, slots), X, WEIGHTS, code_of(other)
    )
    assert_close(again, logits)
    assert_close(to_x_again, to_x)


# --- what is live, counted ------------------------------------------------------------------------


def live_sizes(params, live):
    """Numbers of live parameters."""
    return sum(
        int(np.sum(used)) * math.prod(leaf.shape[np.ndim(used) :])
        for leaf, used in zip(jax.tree.leaves(params), jax.tree.leaves(live), strict=True)
    )


@pytest.mark.parametrize(
    "sizes",
    [SIZES, *(pytest.param(other, marks=pytest.mark.slow) for other in (Sizes(2, 5), Sizes(8, 8)))],
)
def test_what_is_live_is_what_the_space_counts(sizes):
    params = shapes(sizes)
    net = darts.scored(sizes, num_classes=CLASSES, image_size=PIXELS)
    archs = (*ARCHS, *SPACE.draw(10, 5))
    counts = SPACE.counts(archs, sizes, CLASSES, PIXELS)
    flat = flatten_dict(params)
    for i, arch in enumerate(archs):
        live = net.live(params, net.code(arch))
        assert live_sizes(params, live) == counts.params[i]
        used = flatten_dict(live)
        tensors = zeros = 0
        for path, slot, axis in net.tensors:
            shape = list(flat[path].shape[0 if slot is None else 1 :])
            if not (used[path] if slot is None else used[path][slot]):
                continue
            rows = shape.pop(axis)
            tensors += 1
            is_output = path == net.tensors[-1].path
            zeros += structural_zeros(rows, math.prod(shape), is_output=is_output)
        assert (tensors, zeros) == (counts.tensors[i], counts.zeros[i])


def test_every_tensor_has_its_place():
    flat = flatten_dict(shapes())
    wanted = set()
    for path, leaf in flat.items():
        stacked = path[2] in OPS
        if len(leaf.shape) - stacked >= 2:
            wanted |= {(path, slot) for slot in (range(8) if stacked else (None,))}
    places = [(path, slot) for path, slot, _ in scored().tensors]
    assert len(places) == len(set(places))
    assert set(places) == wanted


@pytest.mark.parametrize("arch", [EVERY_OP, TWO_ON_ONE, str(DARTS_V1)])
def test_order_of_the_tensors_is_that_of_the_plain_trace(arch):
    genotype, params = parse_genotype(arch), random_params(0)
    own = plain_params(genotype, SIZES, params)
    traced = usage.tensors(plain_apply(genotype, "batch"), own, jnp.asarray(X))
    where = {path: (path, None) for path in flatten_dict(own)} | places(genotype, SIZES)
    live = flatten_dict(scored().live(params, scored().code(arch)))
    order = [
        (path, slot)
        for path, slot, _ in scored().tensors
        if (live[path] if slot is None else live[path][slot])
    ]
    assert [where[tensor.path] for tensor in traced] == order


# --- Initialisation -------------------------------------------------------------------------------


def drawn(arch: str, seed: int = 0, stream: int = 0, **options: Any) -> Any:
    net = darts.scored(SIZES, num_classes=CLASSES, image_size=PIXELS, **options)
    return net.initial(jax.devices()[0])(seed, stream, net.code(arch))


def test_what_a_genotype_does_not_use_is_zero_and_the_rest_is_drawn():
    params, stream = drawn(EVERY_OP, 3, 2**63 - 1), 2**63 - 1
    live = flatten_dict(scored().live(params, scored().code(EVERY_OP)))
    for path, leaf in flatten_dict(params).items():
        used = np.asarray(live[path])
        assert not np.any(np.asarray(leaf)[~used])
        for tensor in np.asarray(leaf)[used] if used.ndim else [np.asarray(leaf)]:
            name = path[-1]
            if name.startswith(("scale", "shift")):
                assert np.all(tensor == name.startswith("scale"))
            else:
                assert len(np.unique(tensor)) == tensor.size
    leaves = jax.tree_util.tree_leaves_with_path(params)
    names = [tuple(key.key for key in path) for path, _ in leaves]
    i = names.index(("params", "cell0", "sep_conv_3x3", "pointwise0"))
    (slot,) = np.flatnonzero(live[names[i]])
    random = np.random.Generator(np.random.PCG64((3, stream, i, int(slot))))
    wanted = ((random.random((1, 1, 4, 4)) * 2 - 1) / math.sqrt(4)).astype(np.float32)
    np.testing.assert_array_equal(leaves[i][1][slot], wanted[0, 0].T)


def test_a_draw_does_not_hang_on_the_other_edges_nor_the_type():
    one, double = drawn(EVERY_OP), drawn(EVERY_OP, dtype=jnp.float64)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=0), one, double)
    code = list(SPACE.encode(EVERY_OP))
    code[0] = (code[0] + 1) % 7
    other = flatten_dict(drawn(SPACE.decode(code)))
    for path, leaf in flatten_dict(one).items():
        slots = slice(1, None) if path[2] in OPS and path[1] == "cell0" else slice(None)
        np.testing.assert_array_equal(leaf[slots], other[path][slots])
    assert np.any(flatten_dict(drawn(EVERY_OP, 1))[path] != leaf)


@pytest.mark.parametrize(("scheme", "variance"), [("pytorch", 1 / 3), ("he", 2)])
def test_kernels_have_the_spread_of_the_scheme(scheme, variance):
    net = darts.scored(Sizes(32, 3), num_classes=CLASSES, image_size=PIXELS, init=scheme)
    params = net.initial(jax.devices()[0])(0, 0, net.code(TWO_ON_ONE))["params"]
    pointwise = np.asarray(params["cell0"]["dil_conv_3x3"]["pointwise0"])
    assert pointwise.std() == pytest.approx(math.sqrt(variance / 32), rel=0.05)
    depthwise = np.asarray(params["cell0"]["dil_conv_3x3"]["depthwise0"])
    assert depthwise.std() == pytest.approx(math.sqrt(variance / 9), rel=0.05)
