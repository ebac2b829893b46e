"""Drawings of cells: every operation is there, and nothing covers anything else."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxnas.plots import cell_graph, graph_layout, plot_cell
from jaxnas.plots.graph_layout import Edge, Node
from jaxnas.spaces import SPACES, darts, nb201
from jaxnas.spaces.darts import EDGES, NODES, OPS, Genotype

EVERY_EDGE = tuple((OPS[1 + e % 7], source) for e, (source, _) in enumerate(EDGES))
TWICE_FROM_ONE_NODE = tuple(
    (op, node - 1) for node in NODES for op in ("sep_conv_5x5", "skip_connect")
)
ALL_FROM_ONE_INPUT = (("dil_conv_5x5", 0),) * 8


def random_genes(random: np.random.Generator) -> tuple[Any, ...]:
    return tuple(
        (OPS[random.integers(1, len(OPS))], int(random.integers(node)))
        for node in NODES
        for _ in range(2)
    )


def graphs_of(genotype: Genotype) -> tuple[cell_graph.Graph, ...]:
    return cell_graph.graphs_of(str(genotype), SPACES["darts"])


def assert_legible(graph: cell_graph.Graph) -> None:
    """Labels apart from each other and from nodes, arrows apart from nodes but their own."""
    edges, labels = cell_graph._laid_out(graph)
    assert len(edges) == len(labels) == len(graph.ops)
    for one, other in itertools.combinations(labels, 2):
        assert not one.overlaps(other)
    for node, label in itertools.product(graph.nodes, labels):
        assert not label.touches(node)
    for edge, points in zip(graph.edges, edges, strict=True):
        for i, node in enumerate(graph.nodes):
            distance = np.hypot(*(points - [node.x, node.y]).T).min()
            ends = i in (edge.source, edge.target)
            assert distance < node.radius + 0.02 if ends else distance > node.radius + 0.01


@pytest.mark.parametrize("seed", range(10))
def test_any_genotype_is_legible(seed: int) -> None:
    random = np.random.default_rng(seed)
    genotype = Genotype(random_genes(random), NODES, random_genes(random), NODES)
    for graph in graphs_of(genotype):
        assert_legible(graph)


@pytest.mark.parametrize("genes", [EVERY_EDGE, TWICE_FROM_ONE_NODE, ALL_FROM_ONE_INPUT])
def test_all_edges_and_parallel_edges_are_legible(genes: Any) -> None:
    for graph in graphs_of(Genotype(genes, NODES, genes, (4, 5))):
        assert_legible(graph)


@pytest.mark.parametrize("index", [1462, *range(0, nb201.NUM_CELLS, 1601)])
def test_any_cell_is_legible_and_planar(index: int) -> None:
    (graph,) = cell_graph.graphs_of(index, SPACES["nb201"])
    assert_legible(graph)
    curves = graph_layout.curves(graph.nodes, graph.edges)
    for (one, a), (other, b) in itertools.combinations(zip(graph.edges, curves, strict=True), 2):
        if not {one.source, one.target} & {other.source, other.target}:
            assert np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1)).min() > 0.02
    ops = nb201.index_to_ops(index)
    drawn = {
        (edge.source, edge.target): label
        for edge, (label, _) in zip(graph.edges, graph.ops, strict=True)
    }
    names = {1: "skip", 2: "conv 1×1", 3: "conv 3×3", 4: "avg 3×3"}
    assert drawn == {e: names[op] for e, op in zip(nb201.EDGES, ops, strict=True) if op}


def test_genotypes_are_drawn_as_written() -> None:
    normal, reduce = graphs_of(darts.DARTS_V2)
    assert [(e.source, e.target) for e in normal.edges] == [
        (0, 2), (1, 2), (0, 3), (1, 3), (1, 4), (0, 4), (0, 5), (2, 5)
    ]  # fmt: skip
    assert [label for label, _ in normal.ops] == [*["sep 3×3"] * 5, "skip", "skip", "dil 3×3"]
    assert [label for label, _ in reduce.ops].count("max 3×3") == 5
    genes = (("none", 0), *EVERY_EDGE[1:])
    (normal, _) = graphs_of(Genotype(genes, NODES, genes, NODES))
    assert len(normal.edges) == 13
    assert Edge(0, 2) not in normal.edges


def test_crossings_are_avoided_where_they_can_be() -> None:
    nodes = [Node(float(x), 0, 0.1) for x in range(5)]
    edges = [Edge(0, 2), Edge(1, 3), Edge(2, 4), Edge(0, 1), Edge(0, 1), Edge(0, 4)]
    found = graph_layout.sides(nodes, edges)
    assert found[3:5].count(0) == 1
    assert found[0] != found[1] != found[2]
    levels = graph_layout.levels(nodes, edges, found)
    for i, j in itertools.permutations(range(6), 2):
        inside = edges[i].source <= edges[j].source and edges[j].target <= edges[i].target
        if found[i] == found[j] != 0 and inside and edges[i] != edges[j]:
            assert levels[i] > levels[j]


def test_what_is_written_fits_its_label_and_the_picture() -> None:
    figure = cell_graph.draw(graphs_of(darts.PC_DARTS))
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    texts = [text.get_window_extent(renderer) for ax in figure.axes for text in ax.texts]
    assert len(texts) == 2 * (1 + 1 + 7 + 8)
    for one, other in itertools.combinations(texts, 2):
        assert not (
            one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1
        )
    for box in texts:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_a_cell_without_operations_and_the_same_bytes_again(tmp_path: Path) -> None:
    none = nb201.ops_to_index([0] * 6)
    plot_cell(none, tmp_path / "a.png")
    plot_cell(nb201.index_to_arch(none), str(tmp_path / "b.png"))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


# The command.


@pytest.mark.parametrize("cell", ["1462", "pr-darts", str(darts.DARTS_V1), "@found.json"])
def test_draw(call: Callable[..., Any], cell: str) -> None:
    Path("found.json").write_text(json.dumps({"method": "x", "genotype": str(darts.DARTS_V2)}))
    status, out, err = call(
        "draw", cell, "--space", "nb201" if cell == "1462" else "darts", "--out", "cell.png"
    )
    assert (status, out, err) == (0, "picture  cell.png\n", "")
    assert Path("cell.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["15625"], ["15624"]),
        (["|nor_conv_3x3~0|"], ["3 nodes"]),
        (["pr-dart", "--space", "darts"], ["did you mean 'pr-darts'"]),
        (["Genotype(normal=[])", "--space", "darts"], ["expected the fields"]),
        (["darts-v1"], ["cells 'darts-v1': expected"]),
        (["0:2"], ["'0:2': expected one architecture, got 2"]),
        (["@none.json"], ["none.json"]),
        (["@empty.json"], ["empty.json: expected one architecture a line"]),
        (["@bytes.json"], ["bytes.json: expected lines of text"]),
        (["7", "--out", "cell.pdf"], [".png"]),
        (["7", "--out", "nowhere/cell.png"], ["nowhere"]),
    ],
)
def test_draw_refuses_in_one_line(
    call: Callable[..., Any], arguments: list[str], words: list[str]
) -> None:
    Path("empty.json").touch()
    Path("bytes.json").write_bytes(b"\xff\xfe\xff")
    before = sorted(Path().iterdir())
    out = [] if "--out" in arguments else ["--out", "cell.png"]
    status, printed, err = call("draw", *arguments, *out)
    assert (status, printed, err.count("\n")) == (2, "", 1)
    assert err.startswith("jaxnas: error: ")
    for word in words:
        assert word in err
    assert sorted(Path().iterdir()) == before
