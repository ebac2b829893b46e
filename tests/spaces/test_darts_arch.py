"""The DARTS space, against enumeration, brute force and shapes listed by hand."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas.spaces import SPACES, Sizes
from jaxnas.spaces.darts import DARTS_V1, NODES, OPS, Genotype, parse_genotype

DARTS = SPACES["darts"]
DRAWS = 4000

MIXED = Genotype(
    normal=(
        *(("sep_conv_3x3", 0), ("sep_conv_5x5", 1)),
        *(("skip_connect", 0), ("dil_conv_3x3", 2)),
        *(("max_pool_3x3", 1), ("dil_conv_5x5", 3)),
        *(("avg_pool_3x3", 2), ("skip_connect", 4)),
    ),
    normal_concat=NODES,
    reduce=(
        *(("skip_connect", 0), ("max_pool_3x3", 1)),
        *(("sep_conv_5x5", 0), ("skip_connect", 2)),
        *(("dil_conv_3x3", 1), ("avg_pool_3x3", 3)),
        *(("skip_connect", 1), ("dil_conv_5x5", 4)),
    ),
    reduce_concat=NODES,
)


def nodes_of(cell):
    """The two edges of each of a cell's nodes."""
    return [cell[i : i + 2] for i in range(0, 8, 2)]


@pytest.fixture(scope="module")
def drawn():
    return [parse_genotype(arch) for arch in DARTS.draw(DRAWS, 0)]


def chi_square_limit(freedom):
    """What a chi-square variable exceeds once in 100,000 times, by Wilson and Hilferty."""
    variance = 2 / (9 * freedom)
    return freedom * (1 - variance + 4.27 * math.sqrt(variance)) ** 3


def assert_uniform(counts, outcomes):
    expected = sum(counts.values()) / outcomes
    missing = outcomes - len(counts)
    square = sum((n - expected) ** 2 for n in counts.values()) / expected + missing * expected
    assert len(counts) <= outcomes
    assert outcomes == 1 or square < chi_square_limit(outcomes - 1)


def test_size_counts_two_different_inputs_a_node_and_seven_operations():
    cell = math.prod(math.comb(node, 2) * 7**2 for node in NODES)
    assert DARTS.size == cell**2 == 1_076_746_950_455_072_400


def test_drawn_nodes_have_two_different_inputs_and_no_none(drawn):
    for genotype in drawn:
        for genes in (genotype.normal, genotype.reduce):
            assert all(a[1] < b[1] for a, b in nodes_of(genes))
            assert all(op != "none" for op, _ in genes)
        assert genotype.normal_concat == genotype.reduce_concat == NODES


@pytest.mark.parametrize("kind", ["normal", "reduce"])
@pytest.mark.parametrize("n", range(4))
def test_draws_are_uniform(drawn, kind, n):
    nodes = [nodes_of(getattr(genotype, kind))[n] for genotype in drawn]
    pairs = math.comb(NODES[n], 2)
    assert_uniform(Counter((a[1], b[1]) for a, b in nodes), pairs)
    assert_uniform(Counter((a[0], b[0]) for a, b in nodes), 49)
    assert_uniform(Counter(nodes), 49 * pairs)


def test_the_kinds_of_cells_are_drawn_independently(drawn):
    assert_uniform(Counter((g.normal[0][0], g.reduce[0][0]) for g in drawn), 49)
    assert_uniform(Counter((g.normal[0][0], g.normal[6][0]) for g in drawn), 49)


def test_samples_are_uniform():
    rng = np.random.default_rng(2)
    sampled = [parse_genotype(DARTS.sample(rng)) for _ in range(DRAWS)]
    for kind, n in itertools.product(("normal", "reduce"), range(4)):
        nodes = [nodes_of(getattr(genotype, kind))[n] for genotype in sampled]
        assert_uniform(Counter(nodes), 49 * math.comb(NODES[n], 2))


# Equal functions.


def edge_set(cell, new=None):
    """A cell's edges (source, operation, target), with repetitions, after renaming its nodes."""
    new = {node: node for node in range(6)} | (new or {})
    return tuple(
        sorted(
            (new[source], op, new[node])
            for node, edges in zip(NODES, nodes_of(cell), strict=True)
            for op, source in edges
        )
    )


def renamings(cell):
    """The edges of a cell after each of the 24 renamings of its nodes."""
    orders = itertools.permutations(NODES)
    return {edge_set(cell, dict(zip(NODES, order, strict=True))) for order in orders}


def as_cell(edges):
    """The genes of (source, operation, target), or None where an edge leads backwards."""
    if any(source >= target for source, _, target in edges):
        return None
    return tuple((op, source) for source, op, _ in sorted(edges, key=lambda edge: edge[2]))


# Few operations and sources, so that many cells are equal.
cells = st.tuples(
    *(
        st.tuples(st.sampled_from(OPS[3:5]), st.integers(0, target - 1))
        for target in NODES
        for _ in range(2)
    )
)


@given(cells, cells, st.sampled_from(list(itertools.permutations(NODES))), st.booleans())
@settings(deadline=None)
def test_renamed_genotypes_have_one_function(normal, reduce, order, swap):
    new = dict(zip(NODES, order, strict=True))
    renamed = as_cell(edge_set(normal, new)) or normal
    if swap:
        renamed = tuple(gene for pair in nodes_of(renamed) for gene in reversed(pair))
    a, b = (str(Genotype(cell, NODES, reduce, NODES)) for cell in (normal, renamed))
    function, other = DARTS.functions([a, b])
    assert function == other
    assert edge_set(parse_genotype(function).normal) in renamings(normal)
    assert edge_set(parse_genotype(function).reduce) in renamings(reduce)


def test_functions_are_equal_exactly_where_genotypes_are_isomorphic():
    """All cells of one operation whose nodes have two different inputs: 180 of them."""
    pairs = (itertools.combinations(range(node), 2) for node in NODES)
    every = [
        tuple(("skip_connect", source) for pair in chosen for source in pair)
        for chosen in itertools.product(*pairs)
    ]
    assert len(every) == 1 * 3 * 6 * 10
    fixed = MIXED.reduce
    edges, renamed = [edge_set(cell) for cell in every], [renamings(cell) for cell in every]
    for build in (
        lambda cell: str(Genotype(cell, NODES, fixed, NODES)),
        lambda cell: str(Genotype(fixed, NODES, cell, NODES)),
    ):
        functions = DARTS.functions([build(cell) for cell in every])
        for a, b in itertools.combinations(range(len(every)), 2):
            assert (functions[a] == functions[b]) == (edges[b] in renamed[a])
        assert 1 < len(set(functions)) < 180


def test_cells_of_two_kinds_do_not_change_places():
    a = Genotype(MIXED.normal, NODES, MIXED.reduce, NODES)
    b = Genotype(MIXED.reduce, NODES, MIXED.normal, NODES)
    assert len(set(DARTS.functions([str(a), str(b)]))) == 2


# Counts.


def test_published_counts_of_darts():
    counts = DARTS.counts([str(DARTS_V1)], Sizes(36, 20), 10, 32)
    assert (counts.params.item(), counts.flops.item()) == (3_169_414, 501_015_744)


def shapes_of_mixed():
    """(outputs, entries of one) in a network of 4 channels and 4 cells, the middle two halving."""

    def normal(c):
        return [(c, 9)] * 3 + [(c, 25)] * 3 + [(c, c)] * 6

    def reduction(c):
        return [(c // 2, c)] * 4 + [(c, 9), *[(c, 25)] * 3] + [(c, c)] * 4

    return [
        (12, 27),
        *[(4, 12), (4, 12), *normal(4)],
        *[(8, 12), (8, 16), *reduction(8)],
        *[(8, 16), (8, 16), (16, 32), *reduction(16)],
        *[(8, 32), (8, 32), (16, 64), *normal(16)],
    ]


def test_tensors_and_zeros_are_those_of_the_shapes():
    """Zeros as the ranks of correlations of random gradients in float64 have them."""
    rng = np.random.default_rng(0)

    def zeros(gradient):
        return len(gradient) - np.linalg.matrix_rank(np.corrcoef(gradient))

    shapes = shapes_of_mixed()
    logits = rng.standard_normal((10, 64))
    logits -= logits.mean(axis=0)  # as a softmax gradient's rows
    expected = sum(zeros(rng.standard_normal(shape)) for shape in shapes) + zeros(logits)
    counts = DARTS.counts([str(MIXED)], Sizes(4, 4), 10, 8)
    assert counts.tensors.item() == len(shapes) + 1 == 60
    assert counts.zeros.item() == expected


def test_params_are_those_of_the_shapes():
    """Entries of the tensors, two numbers a channel of every BN, and the logits' biases."""
    counts = DARTS.counts([str(MIXED)], Sizes(4, 4), 10, 8)
    weights = sum(rows * columns for rows, columns in shapes_of_mixed()) + 10 * 64 + 10
    # BNs: the stem's; of each cell two before it; 2 a separable convolution, 1 a dilated one,
    # 1 a skip that halves: six in the normal cell, six in the reduction cell.
    channels = 12 + (2 + 6) * (4 + 8 + 16 + 16)
    assert counts.params.item() == weights + 2 * channels


def test_pictures_are_of_both_cells():
    normal, reduce = DARTS.graphs(str(MIXED))
    assert (normal.title, reduce.title) == ("normal cell", "reduction cell")
    assert [(e.source, e.target, e.label) for e in normal.edges][:3] == [
        (0, 2, "sep 3×3"),
        (1, 2, "sep 5×5"),
        (0, 3, "skip"),
    ]
    assert normal.concatenated == reduce.concatenated == NODES
