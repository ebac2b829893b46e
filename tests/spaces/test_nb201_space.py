"""NAS-Bench-201's codec, functionally equal cells and counts, against independent computations."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats_bench import NATStopology
from nats_bench.genotype_utils import TopologyStructure

from jaxnas.spaces import nb201
from jaxnas.spaces.nb201 import Op

DATA = Path(__file__).parents[3] / "shared/data/nb201.npz"

OFFICIAL_ARCHS = {
    0: "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    1: "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
    2: "|avg_pool_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|avg_pool_3x3~0|avg_pool_3x3~1|avg_pool_3x3~2|",
    3: "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|skip_connect~2|",
    # The best cells by test accuracy on ImageNet16-120, CIFAR-10 and CIFAR-100.
    857: "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    6111: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    9930: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    15624: "|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|",
}

any_ops = st.tuples(*[st.integers(0, 4)] * 6)
any_index = st.integers(0, nb201.NUM_CELLS - 1)

# The toy functions of a cell: one strictly nonlinear function per op, each with f(0) = 0 so that
# a dead source contributes nothing by itself, and one pair of weights per convolution.
WEIGHTS = np.array([[0.6, 1.9], [0.9, 1.3], [1.3, 0.7], [1.8, 1.1], [2.5, 0.4], [3.4, 2.3]])
PERMUTATIONS = list(itertools.permutations(range(6)))


def toy_edge(value: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """All five ops applied to `value` [...]: [..., 5]."""
    outputs = [
        np.zeros_like(value),
        value,
        np.log1p(weight[0] * value),
        weight[1] * -np.expm1(-value),
        np.sqrt(value + 0.25) - 0.5,
    ]
    return np.stack(outputs, axis=-1)


@pytest.fixture(scope="module")
def toy_outputs() -> np.ndarray:
    """float64 [720, 15625]: output of each cell, edge e having WEIGHTS[permutation[e]]."""
    grid = np.empty((len(PERMUTATIONS), 5, 5, 5, 5, 5, 5))
    node_0 = np.array(0.7)
    for row, permutation in enumerate(PERMUTATIONS):
        w = WEIGHTS[list(permutation)]
        node_1 = toy_edge(node_0, w[0])
        node_2 = toy_edge(node_0, w[1])[:, None] + toy_edge(node_1, w[2])[:, None, :]
        grid[row] = (
            toy_edge(node_0, w[3])[:, None, None]
            + toy_edge(node_1, w[4])[:, None, None, None, :, None]
            + toy_edge(node_2, w[5])[:, :, :, None, None, :]
        )
    return grid[(slice(None), *nb201.cell_ops().T)]


@pytest.fixture(scope="module")
def data() -> Iterator[np.lib.npyio.NpzFile]:
    if not DATA.exists():
        pytest.skip(f"the benchmark table {DATA} is not here")
    with np.load(DATA, allow_pickle=False) as table:
        yield table


# Codec.


@pytest.mark.parametrize(("index", "arch"), OFFICIAL_ARCHS.items())
def test_official_order(index: int, arch: str) -> None:
    assert nb201.index_to_arch(index) == arch
    assert nb201.arch_to_index(arch) == index


def test_order_is_that_of_the_benchmark_code() -> None:
    """Strings built node by node as AutoDL-Projects does, shuffled by the global generator."""
    archs = [""]
    for node in (1, 2, 3):
        for source in range(node):
            opening = "+|" if node > 1 and source == 0 else "|" if source == 0 else ""
            archs = [f"{arch}{opening}{op}~{source}|" for arch in archs for op in nb201.OPS]
    state = random.getstate()
    try:
        random.seed(88)
        random.shuffle(archs)
    finally:
        random.setstate(state)
    assert archs == [nb201.index_to_arch(i) for i in range(nb201.NUM_CELLS)]


def test_cell_ops_are_constant_and_leave_the_random_state_alone() -> None:
    nb201.cell_ops.cache_clear()
    random.seed(1)  # Not the state that an earlier shuffle from seed 88 would have left.
    state = random.getstate()
    ops = nb201.cell_ops()
    assert random.getstate() == state
    assert ops.dtype == np.int8 and ops.shape == (15625, 6)
    assert nb201.cell_ops() is ops
    with pytest.raises(ValueError, match="read-only"):
        ops[0, 0] = 0


def test_op_codes_name_the_ops() -> None:
    assert [op.name for op in Op] == ["NONE", "SKIP", "CONV1X1", "CONV3X3", "POOL"]
    assert [nb201.OPS[op] for op in (Op.SKIP, Op.CONV3X3)] == ["skip_connect", "nor_conv_3x3"]


@given(any_ops)
def test_round_trip_from_ops(ops: tuple[int, ...]) -> None:
    arch, index = nb201.ops_to_arch(ops), nb201.ops_to_index(ops)
    assert nb201.arch_to_ops(arch) == ops
    assert nb201.index_to_ops(index) == ops
    assert nb201.arch_to_index(arch) == index


@given(any_index)
def test_round_trip_from_index(index: int) -> None:
    assert nb201.ops_to_index(nb201.index_to_ops(index)) == index
    assert nb201.arch_to_index(nb201.index_to_arch(index)) == index
    assert nb201.index_to_ops(np.int32(index)) == tuple(nb201.cell_ops()[index])


@given(any_ops)
def test_arch_agrees_with_the_benchmark_parser(ops: tuple[int, ...]) -> None:
    """nats_bench reads from our string the op and source node of every edge."""
    nodes = NATStopology.str2lists(nb201.ops_to_arch(ops))
    read = {(source, node + 1): name for node, edges in enumerate(nodes) for name, source in edges}
    assert read == {edge: nb201.OPS[op] for edge, op in zip(nb201.EDGES, ops, strict=True)}
    assert nb201.arch_to_ops(TopologyStructure(nodes).tostr()) == ops


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("", "expected 3 nodes joined by '+', got 1."),
        ("|none~0|+|none~0|none~1|", "expected 3 nodes joined by '+', got 2."),
        (
            "|none~0|+|none~0|none~1+|none~0|none~1|none~2|",
            "node 2: expected '|' at both ends, got '|none~0|none~1'.",
        ),
        (
            "|none~0|+|+|none~0|none~1|none~2|",
            "node 2: expected '|' at both ends, got '|'.",
        ),
        (
            "|none~0|+|none~0|+|none~0|none~1|none~2|",
            "node 2: expected 2 edge(s), got 1 in '|none~0|'.",
        ),
        (
            "|none~0|+|none~0|none~0|+|none~0|none~1|none~2|",
            "edge 1->2: expected 'op~1', got 'none~0'.",
        ),
        (
            "|none|+|none~0|none~1|+|none~0|none~1|none~2|",
            "edge 0->1: expected 'op~0', got 'none'.",
        ),
        (
            "|none~0|+|none~0|none~1|+|none~0|conv_3x3~1|none~2|",
            (
                "edge 1->3: expected one of none, skip_connect, nor_conv_1x1, nor_conv_3x3, "
                "avg_pool_3x3, got 'conv_3x3' (did you mean 'nor_conv_3x3'?)."
            ),
        ),
        (
            "|none~0|+|none~0|none~1|+|none~0|none~1|???~2|",
            (
                "edge 2->3: expected one of none, skip_connect, nor_conv_1x1, nor_conv_3x3, "
                "avg_pool_3x3, got '???'."
            ),
        ),
    ],
)
def test_malformed_arch_says_where_and_what(arch: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        nb201.arch_to_ops(arch)
    assert str(error.value).startswith(f"Arch string {arch!r}")
    assert str(error.value).endswith(message)


@pytest.mark.parametrize("index", [-1, 15625])
def test_index_out_of_range(index: int) -> None:
    message = rf"^Cell index: expected 0\.\.15624, got {index}\.$"
    with pytest.raises(ValueError, match=message):
        nb201.index_to_ops(index)
    with pytest.raises(ValueError, match=message):
        nb201.index_to_arch(index)


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (3, "Cell ops: expected shape [..., 6], one op per edge, got ()."),
        ([0] * 5, "Cell ops: expected shape [..., 6], one op per edge, got (5,)."),
        ([0.0] * 6, "Cell ops: expected integer op codes, got dtype float64."),
        ([0, 0, 0, 0, 5, 0], "Cell ops: expected op codes 0..4, got 5 on edge 1->3."),
        ([0, 0, -1, 0, 0, 0], "Cell ops: expected op codes 0..4, got -1 on edge 1->2."),
        ([0, 0, 256, 0, 0, 0], "Cell ops: expected op codes 0..4, got 256 on edge 1->2."),
    ],
)
@pytest.mark.parametrize(
    "function", [nb201.ops_to_index, nb201.ops_to_arch, nb201.live_ops, nb201.num_params]
)
def test_malformed_ops_say_what(function, ops, message: str) -> None:
    with pytest.raises(ValueError) as error:
        function(ops)
    assert str(error.value) == message


def test_the_codec_takes_one_cell() -> None:
    message = r"expected one cell, shape \[6\], got shape \(2, 6\)"
    for function in (nb201.ops_to_index, nb201.ops_to_arch):
        with pytest.raises(ValueError, match=message):
            function(np.zeros((2, 6), int))


# Dead edges.


def paths(present: tuple[bool, ...]) -> list[list[int]]:
    """All paths from input to output, as lists of edges, by brute force."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(4))
    graph.add_edges_from(itertools.compress(nb201.EDGES, present))
    found = nx.all_simple_edge_paths(graph, 0, 3)
    return [[nb201.EDGES.index(edge) for edge in path] for path in found]


def test_live_ops_against_path_enumeration() -> None:
    """All 15,625 cells; only which edges are none decides, so 64 patterns are enumerated."""
    on_path = {}
    for present in itertools.product([False, True], repeat=6):
        used = set(itertools.chain(*paths(present)))
        on_path[present] = [edge in used for edge in range(6)]
    ops = nb201.cell_ops()
    mask = np.array([on_path[tuple(row)] for row in (ops != Op.NONE).tolist()])
    np.testing.assert_array_equal(nb201.live_ops(ops), np.where(mask, ops, 0))
    np.testing.assert_array_equal(nb201.is_connected(ops), mask.any(axis=1))


def test_disconnected_cells() -> None:
    connected = nb201.is_connected(nb201.cell_ops())
    assert connected.dtype == bool
    assert (~connected).sum() == 341


def test_leading_axes() -> None:
    ops = nb201.cell_ops()[:24]
    for function in (nb201.live_ops, nb201.is_connected, nb201.num_params, nb201.num_flops):
        one_by_one = np.stack([function(cell) for cell in ops])
        np.testing.assert_array_equal(function(ops), one_by_one)
        shape = (2, 3, 4, *one_by_one.shape[1:])
        np.testing.assert_array_equal(function(ops.reshape(2, 3, 4, 6)), one_by_one.reshape(shape))


# Functionally equal cells.


def test_representatives_are_the_lowest_of_5260_functions() -> None:
    representatives = nb201.representatives()
    assert representatives.dtype == np.int32 and representatives.shape == (15625,)
    assert len(np.unique(representatives)) == 5260
    assert (representatives <= np.arange(15625)).all()
    np.testing.assert_array_equal(representatives[representatives], representatives)
    with pytest.raises(ValueError, match="read-only"):
        representatives[0] = 0


def test_functions_against_numerical_fingerprints(toy_outputs: np.ndarray) -> None:
    """A second algorithm, with neither terms nor live edges.

    Over all 720 assignments of weights to edges, the distribution of a cell's output does not
    depend on how instances are named, and generically nothing else is lost. Its fingerprint, the
    mean of cos over the distribution, is equal exactly where `representatives` are.
    """
    representatives = nb201.representatives()
    fingerprints = np.cos(3 * toy_outputs).mean(axis=0)
    within = np.abs(fingerprints - fingerprints[representatives])
    between = np.diff(np.sort(fingerprints[np.unique(representatives)]))
    assert within.max() < 1e-13
    assert between.min() > 1e-11


def test_disconnected_cells_are_one_function(toy_outputs: np.ndarray) -> None:
    disconnected = ~nb201.is_connected(nb201.cell_ops())
    lowest = np.flatnonzero(disconnected)[0]
    np.testing.assert_array_equal(nb201.representatives() == lowest, disconnected)
    np.testing.assert_array_equal((toy_outputs == 0).all(axis=0), disconnected)


NONE, SKIP, CONV1, CONV3, POOL = Op

SAME = {
    "dead edges": ((CONV3, 0, 0, SKIP, 0, 0), (0, 0, POOL, SKIP, 0, CONV1)),
    "conv moved along a skip": ((SKIP, 0, 0, 0, CONV3, 0), (CONV3, 0, 0, 0, SKIP, 0)),
    "conv behind two skips": ((CONV3, 0, SKIP, 0, 0, SKIP), (0, 0, 0, CONV3, 0, 0)),
    "poolings of one value": ((SKIP, 0, 0, POOL, POOL, 0), (POOL, 0, SKIP, 0, SKIP, SKIP)),
    "instances renamed": ((CONV3, CONV3, 0, 0, POOL, SKIP), (CONV3, CONV3, 0, 0, SKIP, POOL)),
}
DIFFERENT = {
    "two convs, one conv twice": (
        (CONV3, CONV3, 0, 0, SKIP, SKIP),
        (CONV3, 0, SKIP, 0, SKIP, SKIP),
    ),
    "one conv twice, one conv once": ((CONV3, 0, SKIP, 0, SKIP, SKIP), (0, 0, 0, CONV3, 0, 0)),
    "two convs and one read by others": (
        (CONV3, CONV3, 0, 0, POOL, CONV1),
        (CONV3, 0, SKIP, 0, POOL, CONV1),
    ),
    "kinds of conv": ((0, 0, 0, CONV3, 0, 0), (0, 0, 0, CONV1, 0, 0)),
    "multiplicity of a pooling": ((SKIP, 0, 0, POOL, POOL, 0), (0, 0, 0, POOL, 0, 0)),
    "multiplicity of the input": ((SKIP, 0, 0, SKIP, SKIP, 0), (0, 0, 0, SKIP, 0, 0)),
    "pooling of a sum": ((SKIP, SKIP, SKIP, 0, 0, POOL), (SKIP, 0, 0, POOL, POOL, 0)),
    "order of conv and pooling": ((CONV3, 0, 0, 0, POOL, 0), (POOL, 0, 0, 0, CONV3, 0)),
}


def representative(ops: tuple[int, ...]) -> int:
    return int(nb201.representatives()[nb201.ops_to_index(ops)])


@pytest.mark.parametrize(("a", "b"), SAME.values(), ids=SAME)
def test_cells_that_merge(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    assert representative(a) == representative(b)
    nb201.matching(a, b)


@pytest.mark.parametrize(("a", "b"), DIFFERENT.values(), ids=DIFFERENT)
def test_cells_that_must_not_merge(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    assert representative(a) != representative(b)
    with pytest.raises(ValueError) as error:
        nb201.matching(a, b)
    assert str(error.value) == (
        "Matching: expected two cells with the same function, got "
        f"{nb201.ops_to_arch(a)!r} and {nb201.ops_to_arch(b)!r}."
    )


def test_matching_by_hand() -> None:
    """The pooled convolution goes to the pooled one, the convolution after it stays last."""
    pooled_first = (CONV3, CONV3, 0, CONV1, POOL, SKIP)
    pooled_second = (CONV3, CONV3, 0, CONV1, SKIP, POOL)
    assert nb201.matching(pooled_first, pooled_second) == {0: 1, 1: 0, 3: 3}
    assert nb201.matching((0, 0, 0, CONV3, 0, 0), (CONV3, 0, SKIP, 0, 0, SKIP)) == {3: 0}
    assert nb201.matching((CONV3, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, CONV1)) == {}


def test_matching_carries_the_weights_of_every_merged_pair(toy_outputs: np.ndarray) -> None:
    """Weights moved along the matching give the representative the output of each cell."""
    row_of = {permutation: row for row, permutation in enumerate(PERMUTATIONS)}
    ops, live = nb201.cell_ops(), nb201.live_ops(nb201.cell_ops())
    representatives = nb201.representatives()
    merged = np.flatnonzero(representatives != np.arange(len(ops)))
    rows = []
    for cell in merged:
        target = representatives[cell]
        edges = nb201.matching(ops[cell], ops[target])
        assert list(edges) == [e for e in range(6) if live[cell, e] in (CONV1, CONV3)]
        assert all(live[cell, a] == live[target, b] for a, b in edges.items())
        weight_of = {b: a for a, b in edges.items()}
        unused = iter(sorted(set(range(6)) - set(edges)))
        rows.append(
            row_of[tuple(weight_of[e] if e in weight_of else next(unused) for e in range(6))]
        )
    moved = toy_outputs[rows, representatives[merged]]
    np.testing.assert_allclose(moved, toy_outputs[0, merged], rtol=1e-13)
    assert np.mean(np.abs(toy_outputs[0, representatives[merged]] - moved) > 1e-6) > 0.3


# Parameters and FLOPs.


def layers(
    ops: tuple[int, ...], channels: int, cells: int, size: int
) -> Iterator[tuple[int, int, int, bool, int]]:
    """Each convolution of the network as (kernel, in, out, has BN, output pixels), in order."""
    yield 3, 3, channels, True, size**2
    for stage in range(3):
        if stage:
            channels, size = 2 * channels, size // 2
            yield 3, channels // 2, channels, True, size**2
            yield 3, channels, channels, True, size**2
            yield 1, channels // 2, channels, False, size**2
        for _, op in itertools.product(range(cells), ops):
            if op in (CONV1, CONV3):
                yield (1 if op == CONV1 else 3), channels, channels, True, size**2


@given(any_ops, st.integers(1, 200), st.integers(1, 40), st.integers(1, 6), st.integers(1, 56))
def test_counts_against_a_walk_through_the_layers(
    ops: tuple[int, ...], classes: int, channels: int, cells: int, quarter: int
) -> None:
    walk = list(layers(ops, channels, cells, 4 * quarter))
    linear = 4 * channels * classes + classes
    params = sum(k * k * i * o + 2 * o * bn for k, i, o, bn, _ in walk)
    flops = sum(k * k * i * o * pixels for k, i, o, _, pixels in walk)
    last_bn = 2 * 4 * channels
    assert nb201.num_params(ops, classes, channels, cells) == params + last_bn + linear
    assert nb201.num_flops(ops, classes, 4 * quarter, channels, cells) == flops + linear


def test_counts_of_known_cells() -> None:
    """The cell of six none and the cell of six 3x3 convolutions, on CIFAR-10."""
    ops = np.array([[NONE] * 6, [CONV3] * 6])
    np.testing.assert_array_equal(nb201.num_params(ops), [73306, 1531546])
    np.testing.assert_array_equal(nb201.num_flops(ops), [7783050, 220119690])


@pytest.mark.parametrize(
    ("classes", "size", "record"),
    [
        (10, 32, "FLOP=184.73 M, Params=1.289 MB"),
        (100, 32, "FLOP=184.74 M, Params=1.294 MB"),
        (120, 16, "FLOP= 46.19 M, Params=1.296 MB"),
    ],
)
def test_counts_as_the_benchmark_prints_them(classes: int, size: int, record: str) -> None:
    """Cell 9930 on CIFAR-10, CIFAR-100 and ImageNet16-120: lines AutoDL-Projects quotes."""
    ops = nb201.index_to_ops(9930)
    flops, params = nb201.num_flops(ops, classes, size), nb201.num_params(ops, classes)
    assert f"FLOP={flops / 1e6:6.2f} M, Params={params / 1e6:.3f} MB" == record


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_classes": 0}, "num_classes: expected a whole number from 1 to 1000000, got 0"),
        ({"channels": -1}, "channels: expected a whole number from 1 to 4096, got -1"),
        ({"depth": 0}, "depth: expected a whole number from 1 to 1000, got 0"),
        ({"image_size": 0}, "image_size: expected a whole number from 1 to 16384, got 0"),
        ({"image_size": 30}, "image_size: expected a multiple of 4 (two blocks halve it), got 30."),
    ],
)
def test_impossible_sizes(sizes: dict[str, int], message: str) -> None:
    for function in (nb201.num_flops, nb201.num_params):
        if "image_size" in sizes and function is nb201.num_params:
            continue
        with pytest.raises(ValueError) as error:
            function([0] * 6, **sizes)
        assert str(error.value) == message


# The benchmark's table.


def test_all_cells_are_those_of_the_table(data: np.lib.npyio.NpzFile) -> None:
    np.testing.assert_array_equal(nb201.cell_ops(), data["ops"])
    assert [nb201.index_to_arch(i) for i in range(nb201.NUM_CELLS)] == data["arch"].tolist()


@pytest.mark.parametrize(
    ("dataset", "classes", "size"),
    [("cifar10", 10, 32), ("cifar100", 100, 32), ("imagenet16", 120, 16)],
)
def test_all_counts_are_those_of_the_table(
    data: np.lib.npyio.NpzFile, dataset: str, classes: int, size: int
) -> None:
    """The table has millions, exact to one parameter or FLOP."""
    ops = nb201.cell_ops()
    params = np.rint(data[f"params_mb_{dataset}"] * 1e6)
    flops = np.rint(data[f"flops_m_{dataset}"] * 1e6)
    np.testing.assert_array_equal(nb201.num_params(ops, classes), params)
    np.testing.assert_array_equal(nb201.num_flops(ops, classes, size), flops)
