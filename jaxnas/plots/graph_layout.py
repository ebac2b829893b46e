"""Layout of a directed acyclic graph whose nodes stand in a row: nested arcs, labels apart.

Arcs run above or below the row, the sides chosen so that few cross (a two-page book embedding, by
trying all); an arc over another is higher. All lengths are inches.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_LOWEST, _STEP = 0.3, 0.24
_SAMPLES = 601
# Labels are placed in turn, so many times, each where the others leave room.
_SWEEPS = 4
# Where along an edge its label may be, the best first.
_PLACES = sorted(np.linspace(0.2, 0.8, 41), key=lambda place: abs(place - 0.5))


@dataclass(frozen=True)
class Node:
    """A circle.

    Attributes:
        x: of its centre.
        y: likewise; 0 for a node in the row.
        radius: of the circle.
        side: of the arcs that leave it, 1 above and -1 below; 0 where each may choose.
    """

    x: float
    y: float
    radius: float
    side: int = 0


@dataclass(frozen=True)
class Edge:
    """From a node to a later one, by their positions in the list of nodes."""

    source: int
    target: int


@dataclass(frozen=True)
class Box:
    """A rectangle by its centre."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Box) -> bool:
        """Whether they share an area."""
        return (
            abs(self.x - other.x) < (self.width + other.width) / 2
            and abs(self.y - other.y) < (self.height + other.height) / 2
        )

    def touches(self, node: Node) -> bool:
        """Whether it shares an area with the circle."""
        dx = max(abs(self.x - node.x) - self.width / 2, 0)
        dy = max(abs(self.y - node.y) - self.height / 2, 0)
        return math.hypot(dx, dy) < node.radius

    def covers(self, points: Points) -> int:
        """How many of the points are inside."""
        inside = np.abs(points - [self.x, self.y]) < [self.width / 2, self.height / 2]
        return int(inside.all(1).sum())


def sides(nodes: Sequence[Node], edges: Sequence[Edge]) -> tuple[int, ...]:
    """Of each edge: 1 above the row, -1 below, 0 straight to the next node.

    Of all choices one with the fewest crossings, then the lowest.
    """
    options: list[tuple[int, ...]] = []
    straight: set[Edge] = set()
    for edge in edges:
        if nodes[edge.source].side:
            options.append((nodes[edge.source].side,))
        elif _neighbours(nodes, edge) and edge not in straight:
            straight.add(edge)
            options.append((0,))
        else:
            options.append((1, -1))

    def cost(choice: tuple[int, ...]) -> tuple[int, int]:
        pairs = itertools.combinations(zip(edges, choice, strict=True), 2)
        crossings = sum(s == t != 0 and _cross(nodes, a, b) for (a, s), (b, t) in pairs)
        return crossings, sum(levels(nodes, edges, choice))

    return min(itertools.product(*options), key=cost)


def levels(nodes: Sequence[Node], edges: Sequence[Edge], sides: Sequence[int]) -> tuple[int, ...]:
    """Height of each arc: one more than the highest it spans on its side; 0 for straight edges."""
    spans = [_span(nodes, edge) for edge in edges]
    found = [0] * len(edges)
    # Of equal spans, the later is the higher.
    for i in sorted(range(len(edges)), key=lambda i: (spans[i][1] - spans[i][0], i)):
        if sides[i]:
            below = [
                found[j]
                for j, (first, last) in enumerate(spans)
                if sides[j] == sides[i] and spans[i][0] <= first and last <= spans[i][1]
            ]
            found[i] = 1 + max(below)
    return tuple(found)


def curves(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[Points]:
    """Each edge as points [n, 2], from the rim of one node to the rim of the other."""
    chosen = sides(nodes, edges)
    heights = levels(nodes, edges, chosen)
    return [
        _curve(nodes[edge.source], nodes[edge.target], side * (_LOWEST + _STEP * (level - 1)))
        if side
        else _between(nodes[edge.source], nodes[edge.target])
        for edge, side, level in zip(edges, chosen, heights, strict=True)
    ]


def place_labels(
    nodes: Sequence[Node], edges: Sequence[Points], sizes: Sequence[tuple[float, float]]
) -> list[Box]:
    """A box of the given (width, height) on each edge, near its middle.

    Of all places on it the one that shares an area with the fewest other boxes, then nodes, then
    other edges.
    """
    boxes = [Box(*_at(points, 0.5), *size) for points, size in zip(edges, sizes, strict=True)]
    for _ in range(_SWEEPS):
        for i, points in enumerate(edges):
            others = boxes[:i] + boxes[i + 1 :]
            curves = np.concatenate([points[:0], *edges[:i], *edges[i + 1 :]])
            tried = [Box(*_at(points, place), *sizes[i]) for place in _PLACES]
            # Of equals the first, which is the one nearest to the middle.
            boxes[i] = min(tried, key=partial(_collisions, others, nodes, curves))
    return boxes


def _collisions(
    others: Sequence[Box], nodes: Sequence[Node], curves: Points, box: Box
) -> tuple[int, int, int]:
    labels = sum(box.overlaps(other) for other in others)
    return labels, sum(box.touches(node) for node in nodes), box.covers(curves)


def shaft(points: Points, head: float) -> Points:
    """An edge without the last `head` inches."""
    along = lengths(points)
    return points[along <= along[-1] - head]


def lengths(points: Points) -> Points:
    """Length of a curve up to each of its points."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _neighbours(nodes: Sequence[Node], edge: Edge) -> bool:
    """Whether no node of the row is between its ends."""
    first, last = _span(nodes, edge)
    return not any(first < node.x < last for node in nodes)


def _span(nodes: Sequence[Node], edge: Edge) -> tuple[float, float]:
    return nodes[edge.source].x, nodes[edge.target].x


def _cross(nodes: Sequence[Node], one: Edge, other: Edge) -> bool:
    (a, b), (c, d) = sorted([_span(nodes, one), _span(nodes, other)])
    return a < c < b < d


def _at(points: Points, place: float) -> tuple[float, float]:
    along = lengths(points)
    x, y = (float(np.interp(place * along[-1], along, axis)) for axis in points.T)
    return x, y


def _between(source: Node, target: Node) -> Points:
    ends = np.array([[source.x, source.y], [target.x, target.y]])
    return _cut(
        ends[0] + np.linspace(0, 1, _SAMPLES)[:, None] * (ends[1] - ends[0]), source, target
    )


def _curve(source: Node, target: Node, height: float) -> Points:
    """A cubic whose middle has this height above (or below) the row."""
    reach = 0.22 * (target.x - source.x)
    control = (8 * height - source.y - target.y) / 6
    corners = np.array(
        [
            [source.x, source.y],
            [source.x + reach, control],
            [target.x - reach, control],
            [target.x, target.y],
        ]
    )
    t = np.linspace(0, 1, _SAMPLES)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return _cut(weights @ corners, source, target)


def _cut(points: Points, source: Node, target: Node) -> Points:
    """The part outside both circles."""
    outside = np.ones(len(points), bool)
    for node in (source, target):
        outside &= np.hypot(*(points - [node.x, node.y]).T) >= node.radius
    return points[outside]


def bounds(nodes: Sequence[Node], edges: Sequence[Points], labels: Sequence[Box]) -> Box:
    """The rectangle around everything."""
    corners = [points.min(0) for points in edges] + [points.max(0) for points in edges]
    for node in nodes:
        corners += [np.array([node.x + s * node.radius, node.y + s * node.radius]) for s in (-1, 1)]
    for box in labels:
        half = np.array([box.width, box.height]) / 2
        corners += [np.array([box.x, box.y]) + s * half for s in (-1, 1)]
    low, high = np.min(corners, 0), np.max(corners, 0)
    return Box(*map(float, (low + high) / 2), *map(float, high - low))
