"""The DARTS space: notations, discretisation, counts."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxnas.spaces import darts
from jaxnas.spaces.darts import EDGES, NODES, OPS, Genotype, Op


def cells(none: bool):
    def gene(target):
        names = st.sampled_from(OPS if none else OPS[1:])
        return st.tuples(names, st.integers(0, target - 1))

    if none:
        return st.tuples(*(st.tuples(st.sampled_from(OPS), st.just(s)) for s, _ in EDGES))
    return st.tuples(*(gene(node) for node in NODES for _ in range(2)))


concats = st.lists(st.sampled_from(NODES), min_size=1, unique=True).map(tuple)
genotypes = st.builds(
    Genotype, cells(False) | cells(True), concats, cells(False) | cells(True), concats
)
weights = arrays(np.float64, (14, 8), elements=st.floats(0, 1))


@given(genotypes)
def test_what_is_printed_is_read_back(genotype):
    assert darts.parse_genotype(str(genotype)) == genotype


@given(genotypes)
def test_grouped_notation_with_weights_is_read(genotype):
    if len(genotype.normal) != 8 or len(genotype.reduce) != 8:
        return

    def grouped(genes):
        return [tuple((*gene, 0.25) for gene in genes[i : i + 2]) for i in range(0, 8, 2)]

    text = repr(
        {
            "normal": grouped(genotype.normal),
            "normal_concat": list(genotype.normal_concat),
            "reduce": grouped(genotype.reduce),
            "reduce_concat": list(genotype.reduce_concat),
        }
    )
    assert darts.parse_genotype(text) == genotype


@given(genotypes)
def test_json_is_read(genotype):
    fields = json.dumps(asdict(genotype))
    assert darts.parse_genotype(fields) == genotype
    for inner in (asdict(genotype), str(genotype)):
        found = json.dumps({"method": "darts", "best": None, "genotype": inner}, indent=1)
        assert darts.parse_genotype(found) == genotype


def test_assignments_in_files_of_genotypes_are_read():
    assert darts.parse_genotype(f"\nDARTS_V1 = {darts.DARTS_V1}\n") == darts.DARTS_V1


def test_published_genotypes_by_name():
    for name in ("pr-darts", "PR_DARTS", "Pr-Darts"):
        assert darts.published_genotype(name) is darts.PR_DARTS
    with pytest.raises(ValueError, match=r"expected one of darts-v1, .*did you mean 'darts-v2'"):
        darts.published_genotype("darts-v3")


@pytest.mark.parametrize(
    "text",
    [
        *("", "3", "null", "[]", '{"genotype": 3}', '{"genotype": "x"}', "{", "a = b = 1", "x; y"),
        *("Genotype(*[1])", "[" * 100_000, "-" * 100_000 + "1", "open('x')", "\0"),
    ],
)
def test_other_text_is_refused_in_one_short_line(text):
    with pytest.raises(ValueError, match=r"^Genotype: expected Genotype\(.*") as error:
        darts.parse_genotype(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


def test_ranges_are_read():
    text = str(darts.DARTS_V1).replace("[2, 3, 4, 5]", "range(2, 6)")
    assert darts.parse_genotype(text) == darts.DARTS_V1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("'sep_conv_3x3', 1", "'sep_conv_3x4', 1"), "normal, edge 0.*did you mean 'sep_conv_3x3'"),
        (("'sep_conv_3x3', 1", "'sep_conv_3x3', 2"), "node 2 takes its input from a node 0..1"),
        (("'sep_conv_3x3', 1", "'none', 1"), "'none' is no edge to keep"),
        (("('sep_conv_3x3', 1), ", ""), "expected 8 edges"),
        (("normal_concat=[2, 3, 4, 5]", "normal_concat=[2, 2]"), "different nodes"),
        (("normal_concat", "concat"), "expected the fields"),
        (("Genotype(", "print("), "expected Genotype"),
        (("'sep_conv_3x3', 1", "__import__('os'), 1"), "expected Genotype"),
        ((")", ""), "expected Genotype"),
    ],
)
def test_what_is_no_genotype_is_refused_in_one_line(change, message):
    with pytest.raises(ValueError, match=message) as error:
        darts.parse_genotype(str(darts.DARTS_V1).replace(*change))
    assert "\n" not in str(error.value)


@given(weights)
def test_top_edges_against_a_plain_reading_of_the_rule(matrix):
    genes = darts.top_edges(matrix)
    for n, node in enumerate(NODES):
        rows = {source: matrix[e, 1:] for e, (source, target) in enumerate(EDGES) if target == node}
        kept = genes[2 * n : 2 * n + 2]
        sources = [source for _, source in kept]
        assert len(set(sources)) == 2
        for name, source in kept:
            assert rows[source][OPS.index(name) - 1] == rows[source].max()
        left_out = [row.max() for source, row in rows.items() if source not in sources]
        assert max(left_out, default=0) <= min(rows[source].max() for source in sources)


@given(weights)
def test_top_pairs_and_every_edge(matrix):
    pairs = darts.top_pairs(matrix)
    for n, node in enumerate(NODES):
        rows = {source: matrix[e, 1:] for e, (source, target) in enumerate(EDGES) if target == node}
        kept = [rows[source][OPS.index(name) - 1] for name, source in pairs[2 * n : 2 * n + 2]]
        assert kept == sorted(np.concatenate(list(rows.values())))[:-3:-1]
    for e, (name, source) in enumerate(darts.every_edge(matrix)):
        assert source == EDGES[e][0]
        assert matrix[e, OPS.index(name)] == matrix[e].max()


def test_none_counts_for_no_edge():
    matrix = np.full((14, 8), 0.1)
    matrix[:, Op.NONE] = 0.9
    matrix[2, Op.SEP_CONV_3X3] = 0.2
    genotype = darts.discretise(matrix, matrix)
    assert genotype.normal[2:4] == (("sep_conv_3x3", 0), ("max_pool_3x3", 1))
    assert genotype.normal_concat == NODES


@pytest.mark.parametrize("bad", [np.zeros((8, 14)), np.full((14, 8), np.nan)])
def test_weights_that_are_none_are_refused(bad):
    with pytest.raises(ValueError, match=r"^Weights of a cell: [^\n]*$"):
        darts.top_edges(bad)


def test_published_counts():
    assert darts.count(darts.DARTS_V1) == (3_169_414, 501_015_744)
    assert darts.count(darts.DARTS_V2).params == 3_349_342
    assert set(darts.PUBLISHED) == {"darts-v1", "darts-v2", "p-darts", "pc-darts", "pr-darts"}


@pytest.mark.parametrize(
    "sizes", [{"cells": 2}, {"channels": 3}, {"image_size": 30}, {"num_classes": 0}]
)
def test_networks_that_do_not_exist_are_refused(sizes):
    named = {"cells": "depth"}.get(next(iter(sizes)), next(iter(sizes)))
    with pytest.raises(ValueError, match=f"^{named}: "):
        darts.count(darts.DARTS_V1, **sizes)
