"""NAS-Bench-201 as a space, against its codec, counts and classes of functions."""

import numpy as np
import pytest

from jaxnas.spaces import SPACES, Sizes, select
from jaxnas.spaces import nb201 as cells

NB201 = SPACES["nb201"]
ARCHS = tuple(cells.index_to_arch(cell) for cell in range(cells.NUM_CELLS))


def test_all_cells_in_official_order():
    assert NB201.size == len(select("all", NB201)) == 15_625
    assert select("all", NB201) == ARCHS
    np.testing.assert_array_equal(NB201.indices(ARCHS), np.arange(15_625))


@pytest.mark.parametrize("sizes", [NB201.sizes, Sizes(4, 1)])
def test_params_and_flops_of_all_cells(sizes):
    ops = cells.cell_ops()
    counts = NB201.counts(ARCHS, sizes, 10, 32)
    np.testing.assert_array_equal(counts.params, cells.num_params(ops, 10, *sizes))
    np.testing.assert_array_equal(counts.flops, cells.num_flops(ops, 10, 32, *sizes))


def test_tensors_and_zeros_of_all_cells():
    """15 convolutions for each live one: 5 cells in each of 3 stages; a square conv1x1 has 1 zero.

    The rest are the stem, three tensors in each of two reductions, and the linear layer.
    """
    live = cells.live_ops(cells.cell_ops())
    ones = (live == cells.Op.CONV1X1).sum(axis=1)
    threes = (live == cells.Op.CONV3X3).sum(axis=1)
    connected = cells.is_connected(cells.cell_ops())
    counts = NB201.counts(ARCHS, Sizes(16, 5), 10, 32)
    np.testing.assert_array_equal(counts.tensors, np.where(connected, 8 + 15 * (ones + threes), 0))
    np.testing.assert_array_equal(counts.zeros, np.where(connected, 51 + 15 * ones, 0))
    np.testing.assert_array_equal(NB201.connected(ARCHS), connected)
    assert (~connected).sum() == 341


def test_functions_are_the_lowest_equal_cells():
    functions = NB201.functions(ARCHS)
    np.testing.assert_array_equal(NB201.indices(functions), cells.representatives())


def test_a_draw_takes_the_lowest_keys_of_pcg64():
    keys = np.random.PCG64(11).random_raw(15_625).tolist()
    lowest = sorted(range(15_625), key=lambda cell: (keys[cell], cell))
    assert NB201.draw(300, 11) == tuple(ARCHS[cell] for cell in lowest[:300])
    assert set(NB201.draw(15_625, 11)) == set(ARCHS)


def test_a_mutation_chooses_the_node_first():
    """Edge 0->1 changes with probability 1/3, one into node 2 with 1/6, into node 3 with 1/9."""
    rng = np.random.default_rng(1)
    code = (0, 1, 2, 3, 4, 0)
    arch, tries = NB201.decode(code), 6000
    changed = np.array(
        [np.not_equal(NB201.encode(NB201.mutate(arch, rng)), code) for _ in range(tries)]
    )
    expected = np.array([1 / 3, 1 / 6, 1 / 6, 1 / 9, 1 / 9, 1 / 9]) * tries
    assert ((changed.sum(axis=0) - expected) ** 2 / expected).sum() < 20.5  # chi-square, 5: 0.1%


def test_streams_are_official_indices():
    assert [NB201.stream(arch) for arch in ARCHS[:20]] == list(range(20))


def test_pictures_have_every_edge_but_none():
    (graph,) = NB201.graphs(ARCHS[3])
    assert graph.title == "cell 3"
    assert [(e.source, e.target, e.label) for e in graph.edges] == [
        (0, 1, "avg 3×3"),
        (0, 2, "skip"),
        (2, 3, "skip"),
    ]
    assert graph.concatenated == ()
