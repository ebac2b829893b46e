"""Supernets as a search sees them: what is drawn, and how architectures are written."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_search import darts_supernet, nb201_supernet

from jaxnas.spaces import Sizes, darts, nb201
from jaxnas.spaces.nb201 import Op


def test_random_architectures_of_nb201_are_uniform_where_every_node_has_an_input() -> None:
    space = nb201_supernet()
    keys = jax.random.split(jax.random.key(0), 20_000)
    ops = np.asarray(jax.jit(jax.vmap(space.draw))(keys))
    alive = ops != Op.NONE
    assert alive[:, 0].all()
    assert alive[:, 1:3].any(1).all()
    assert alive[:, 3:].any(1).all()
    # Of edge 0 four ops are left; of a node with two edges each pair but one.
    first = np.bincount(ops[:, 0], minlength=5)[1:]
    pairs = np.bincount(ops[:, 1] * 5 + ops[:, 2], minlength=25)[1:]
    for counts in (first, pairs):
        expected = len(ops) / len(counts)
        chi2 = ((counts - expected) ** 2 / expected).sum()
        freedom = len(counts) - 1
        assert chi2 < freedom + 5 * math.sqrt(2 * freedom)


def test_random_architectures_of_darts_keep_two_edges_a_node() -> None:
    space = darts_supernet()
    keys = jax.random.split(jax.random.key(0), 20_000)
    ops = np.asarray(jax.jit(jax.vmap(space.draw))(keys))
    alive = ops.reshape(-1, 2, 14) != darts.Op.NONE
    for node in darts.NODES:
        of_node = [e for e, (_, target) in enumerate(darts.EDGES) if target == node]
        assert (alive[:, :, of_node].sum(2) == 2).all()
        share = alive[:, :, of_node].mean((0, 1))
        np.testing.assert_allclose(share, 2 / node, atol=0.02)
    counts = np.bincount(ops[ops != 0], minlength=8)[1:]
    expected = counts.sum() / 7
    assert ((counts - expected) ** 2 / expected).sum() < 6 + 5 * math.sqrt(12)
    genotype = darts.parse_genotype(space.named(tuple(ops[0].tolist())).notation)
    assert len(genotype.normal) == len(genotype.reduce) == 8


def test_architectures_are_written_as_the_field_does() -> None:
    space, ops = nb201_supernet(), (3, 1, 0, 2, 4, 1)
    weights = np.eye(5)[list(ops)]
    assert space.discretised(weights, "top-edges") == space.named(ops)
    assert nb201.arch_to_ops(space.named(ops).notation) == ops
    assert space.count_skips(ops) == 2

    space = darts_supernet()
    weights = np.random.default_rng(0).uniform(size=(28, 8))
    for rule, of_cell in (
        ("every-edge", darts.every_edge),
        ("top-edges", darts.top_edges),
        ("top-pairs", darts.top_pairs),
    ):
        found = space.discretised(weights, rule)
        wanted = darts.discretise(weights[:14], weights[14:], of_cell)
        assert found.notation == str(wanted)
        for half, genes in enumerate((wanted.normal, wanted.reduce)):
            ops = found.ops[14 * half : 14 * half + 14]
            for e, edge in enumerate(darts.EDGES):
                own = [op for op, *gene in darts.edges_of(genes) if tuple(gene) == edge]
                assert ops[e] == (own[0] if own else darts.Op.NONE)
    found = space.discretised(weights, "top-edges")
    assert space.named(found.ops).notation.count("'none'") == 0
    every = space.discretised(weights, "every-edge")
    assert space.named(every.ops) == every


@pytest.mark.parametrize("sampled", [True, False])
def test_the_darts_supernet_takes_both_cells_at_once(sampled: bool) -> None:
    """By shapes alone: nothing is computed."""
    space = darts_supernet(7, Sizes(2, 3))
    params = jax.eval_shape(lambda: space.init(jax.random.key(0), 8))
    ops = jnp.zeros(28, jnp.int32) if sampled else None
    weights, x = jnp.zeros((28, 8)), jnp.zeros((4, 8, 8, 3))
    logits = jax.eval_shape(lambda params: space.logits(params, x, weights, ops), params)
    assert logits.shape == (4, 7)
    with pytest.raises(ValueError, match="channels: expected an even number"):
        darts_supernet(7, Sizes(3, 8))
