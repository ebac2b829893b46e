"""An architecture as graphs, one of each of its cells, side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon
from matplotlib.textpath import TextPath

from jaxnas.plots import graph_layout
from jaxnas.plots.graph_layout import Box, Edge, Node, Points
from jaxnas.plots.style import BLUE, GREEN, GREY, LIGHT_GREY, ORANGE, VERMILLION, new_figure, save
from jaxnas.spaces import CellGraph, Space, find
from jaxnas.spaces.space import OpKind

_COLOURS: dict[OpKind, str] = {
    "skip": GREEN,
    "pool": ORANGE,
    "conv": BLUE,
    "other conv": VERMILLION,
}

# Inches, but for the sizes of type, which are points.
_GAP, _FIRST_GAP, _LAST_GAP, _LONG_GAP = 0.8, 0.92, 0.78, 0.96
_RADIUS, _END_RADIUS, _INPUT_HEIGHT = 0.12, 0.17, 0.4
_MARGIN, _TITLE_HEIGHT, _APART = 0.08, 0.26, 0.4
_TYPE, _PAD = 7, 0.025
_HEAD_LENGTH, _HEAD_WIDTH = 0.075, 0.06
_BAND = "#ECECEC"


@dataclass(frozen=True)
class Graph:
    """What is drawn of a cell.

    Attributes:
        title: above it.
        nodes: in the order of the row.
        names: of the nodes.
        edges: the operations but `none`.
        ops: label and colour of each.
        concatenated: positions of the nodes whose concatenation is the last node; none where that
            is an ordinary one.
    """

    title: str
    nodes: tuple[Node, ...]
    names: tuple[str, ...]
    edges: tuple[Edge, ...]
    ops: tuple[tuple[str, str], ...]
    concatenated: tuple[int, ...] = ()


def plot_cell(arch: str | int, path: str | os.PathLike[str], space: str | Space = "nb201") -> None:
    """Draws an architecture as a PNG: nodes from left to right, an arrow an operation.

    `none` is left out; several kinds of cell are drawn side by side.

    Args:
        arch: in the space's notation, or its official index.
        path: of the picture, replaced whole or not at all.
        space: whose architecture it is, or the space's name.

    Raises:
        ValueError: there is no such architecture.
        ResultsError: the disk refuses.
    """
    graphs = graphs_of(arch, find(space))
    save(lambda: draw(graphs), Path(path), dpi=300)


def graphs_of(arch: str | int, space: Space) -> tuple[Graph, ...]:
    """The graphs of an architecture, as `plot_cell` takes it.

    Raises:
        ValueError: there is no such architecture.
    """
    known = arch if isinstance(arch, str) else space.arch(arch)
    return tuple(placed(graph) for graph in space.graphs(known))


def placed(graph: CellGraph) -> Graph:
    """A cell's graph with places for its nodes, which are in a row.

    Nodes with a number for a name are within the cell, those before them are its inputs. Two inputs
    stand one above the other.
    """
    inner = [name.isdecimal() for name in graph.nodes]
    inputs = inner.index(True)
    if inputs == 1:
        nodes = [
            Node(_LONG_GAP * i, 0, _RADIUS if within else _END_RADIUS)
            for i, within in enumerate(inner)
        ]
    else:
        nodes = [Node(0, side * _INPUT_HEIGHT, _END_RADIUS, side) for side in (1, -1)]
        nodes += [Node(_FIRST_GAP + _GAP * i, 0, _RADIUS) for i in range(sum(inner))]
        nodes.append(Node(nodes[-1].x + _LAST_GAP, 0, _END_RADIUS))
    return Graph(
        graph.title,
        tuple(nodes),
        graph.nodes,
        tuple(Edge(edge.source, edge.target) for edge in graph.edges),
        tuple((edge.label, _COLOURS[edge.kind]) for edge in graph.edges),
        graph.concatenated,
    )


def draw(graphs: Sequence[Graph]) -> Figure:
    """The graphs side by side, at their size."""
    laid_out = [_laid_out(graph) for graph in graphs]
    boxes = [
        graph_layout.bounds(graph.nodes, *parts)
        for graph, parts in zip(graphs, laid_out, strict=True)
    ]
    width = sum(box.width for box in boxes) + _APART * (len(boxes) - 1) + 2 * _MARGIN
    above = max(box.y + box.height / 2 for box in boxes)
    below = min(box.y - box.height / 2 for box in boxes)
    height = above - below + _TITLE_HEIGHT + 2 * _MARGIN
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    left = _MARGIN
    for graph, (edges, labels), box in zip(graphs, laid_out, boxes, strict=True):
        # One inch is one unit, and the rows of all graphs are at one height.
        rectangle = (left / width, 0, box.width / width, 1)
        ax = figure.add_axes(rectangle)
        ax.set_axis_off()
        x0 = box.x - box.width / 2
        ax.set_xlim(x0, x0 + box.width)
        ax.set_ylim(below - _MARGIN, above + _TITLE_HEIGHT + _MARGIN)
        ax.text(box.x, above + _TITLE_HEIGHT, graph.title, ha="center", va="top", size=8)
        _draw(ax, graph, edges, labels)
        left += box.width + _APART
    return figure


def _laid_out(graph: Graph) -> tuple[list[Points], list[Box]]:
    edges = graph_layout.curves(graph.nodes, graph.edges)
    sizes = [_size(label) for label, _ in graph.ops]
    shafts = [graph_layout.shaft(points, _HEAD_LENGTH) for points in edges]
    return edges, graph_layout.place_labels(graph.nodes, shafts, sizes)


def _size(label: str) -> tuple[float, float]:
    """Width and height of a label with its padding; equal heights, so that baselines agree."""
    width = TextPath((0, 0), label, size=_TYPE).get_extents().width
    return width / 72 + 2 * _PAD, 0.75 * _TYPE / 72 + 2 * _PAD


def _draw(ax: Axes, graph: Graph, edges: Sequence[Points], labels: Sequence[Box]) -> None:
    if graph.concatenated:
        _draw_concatenation(ax, graph)
    for points, (_, colour) in zip(edges, graph.ops, strict=True):
        _draw_arrow(ax, points, colour)
    for box, (label, _) in zip(labels, graph.ops, strict=True):
        corner = (box.x - box.width / 2, box.y - box.height / 2)
        ax.add_patch(
            FancyBboxPatch(
                corner,
                box.width,
                box.height,
                boxstyle="round,pad=0,rounding_size=0.03",
                facecolor="white",
                linewidth=0,
                zorder=3,
            )
        )
        baseline = box.y - 0.365 * _TYPE / 72
        ax.text(box.x, baseline, label, ha="center", va="baseline", size=_TYPE, zorder=4)
    for i, (node, name) in enumerate(zip(graph.nodes, graph.names, strict=True)):
        end = node.radius > _RADIUS
        ax.add_patch(
            Circle(
                (node.x, node.y),
                node.radius,
                facecolor=LIGHT_GREY if end else "white",
                edgecolor=GREY,
                linewidth=0.8,
                linestyle="--" if _is_left_out(graph, i) else "-",
                zorder=5,
                clip_on=False,
            )
        )
        ax.text(node.x, node.y, name, ha="center", va="center_baseline", size=_TYPE, zorder=6)


def _is_left_out(graph: Graph, i: int) -> bool:
    """Whether a node of the row is not part of the concatenation."""
    inner = graph.nodes[i].radius == _RADIUS
    return bool(graph.concatenated) and inner and i not in graph.concatenated


def _draw_concatenation(ax: Axes, graph: Graph) -> None:
    """A band through the nodes that the output concatenates, and an arrow from it."""
    first, before, last = graph.nodes[min(graph.concatenated)], *graph.nodes[-2:]
    wide = 2 * (_RADIUS + 0.05)
    band = (first.x - wide / 2, -wide / 2)
    ax.add_patch(
        FancyBboxPatch(
            band,
            last.x - band[0],
            wide,
            boxstyle=f"round,pad=0,rounding_size={wide / 2}",
            facecolor=_BAND,
            linewidth=0,
            zorder=0,
        )
    )
    start, end = before.x + before.radius + 0.03, last.x - last.radius
    ax.text(start, 0, "concat", ha="left", va="center_baseline", size=6, color=GREY)
    _draw_arrow(ax, np.linspace([end - 0.16, 0], [end, 0], 50), GREY)


def _draw_arrow(ax: Axes, points: Points, colour: str) -> None:
    # The line ends within the head, not at its tip.
    line = graph_layout.shaft(points, 0.8 * _HEAD_LENGTH)
    ax.plot(*line.T, color=colour, linewidth=1.2, solid_capstyle="butt", zorder=2)
    tip, base = points[-1], graph_layout.shaft(points, _HEAD_LENGTH)[-1]
    direction = (tip - base) / np.hypot(*(tip - base))
    across = direction[::-1] * [-1, 1] * _HEAD_WIDTH / 2
    ax.add_patch(Polygon([tip, base + across, base - across], color=colour, linewidth=0, zorder=2))
