"""NAS-Bench-201 as a `jaxnas.spaces.space.Space`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import checked, ranges
from jaxnas.spaces.nb201.cells import (
    EDGES,
    NASLIB,
    NUM_CELLS,
    OPS,
    Op,
    as_index,
    cell_from_text,
    cell_ops,
    index_to_arch,
    index_to_ops,
    ops_to_arch,
    ops_to_index,
)
from jaxnas.spaces.nb201.counts import check_sizes, num_flops, num_params, widths
from jaxnas.spaces.nb201.functions import is_connected, live_ops, representatives
from jaxnas.spaces.space import (
    CellGraph,
    Counts,
    GraphEdge,
    OpKind,
    Sizes,
    Space,
    number_drawn,
    structural_zeros,
)

_DRAWN: dict[Op, tuple[str, OpKind]] = {
    Op.SKIP: ("skip", "skip"),
    Op.CONV1X1: ("conv 1×1", "other conv"),
    Op.CONV3X3: ("conv 3×3", "conv"),
    Op.POOL: ("avg 3×3", "pool"),
}


class NB201:
    """The 15,625 cells of NAS-Bench-201; a code is a cell's six operations."""

    name: str = "nb201"
    title: str = "NAS-Bench-201"
    reference: str = "nas-bench-201"
    size: int = NUM_CELLS
    indexed: bool = True
    inputs: Literal["images", "tokens"] = "images"
    sizes: Sizes = Sizes(16, 5)
    depth_means: str = "cells in each of three stages"
    notation: str = "an arch string |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, or an index"
    published: Mapping[str, str] = MappingProxyType({})
    choices: tuple[int, ...] = (len(OPS),) * len(EDGES)
    coded: str = NASLIB

    def __repr__(self) -> str:
        return f"SPACES[{self.name!r}]"

    def parse(self, text: str) -> str:
        """The arch string; see `Space.parse`."""
        return ops_to_arch(cell_from_text(checked("architecture", text, str)))

    def encode(self, arch: str) -> tuple[int, ...]:
        """Six operations; see `Space.encode`."""
        known = _index_of().get(arch)
        return cell_from_text(arch) if known is None else index_to_ops(known)

    def decode(self, code: Sequence[int]) -> str:
        """The arch string of six operations."""
        return _archs()[ops_to_index(code)]

    def arch(self, index: int) -> str:
        """The arch string of an official index."""
        return _archs()[as_index(index)]

    def indices(self, archs: Sequence[str]) -> NDArray[np.int64]:
        """Official indices, int64 [N]."""
        known = _index_of()
        found = [
            known[arch] if arch in known else ops_to_index(cell_from_text(arch)) for arch in archs
        ]
        return np.array(found, np.int64)

    def sample(self, rng: np.random.Generator) -> str:
        """A cell drawn uniformly."""
        return _archs()[int(rng.integers(NUM_CELLS))]

    def mutate(self, arch: str, rng: np.random.Generator) -> str:
        """Gives one edge another op, all four others being as likely.

        A node is drawn first, then one of the edges into it, as the benchmark's code does: edge
        0->1 changes with probability 1/3, an edge into node 2 with 1/6, one into node 3 with 1/9.
        """
        ops = list(self.encode(arch))
        node = int(rng.integers(1, 4))
        edge = EDGES.index((int(rng.integers(node)), node))
        ops[edge] = (ops[edge] + int(rng.integers(1, len(OPS)))) % len(OPS)
        return self.decode(ops)

    def draw(self, count: int, seed: int) -> tuple[str, ...]:
        """Cells drawn without replacement; see `Space.draw`.

        Cell i has the i-th raw 64-bit output of PCG64(seed) as its key, and those with the lowest
        keys are drawn, lowest first; numpy promises to keep that stream (NEP 19).
        """
        count = number_drawn(count, NUM_CELLS, f"1 to {NUM_CELLS} cells of {self.title}")
        keys = np.random.PCG64(checked("seed", seed, ranges.Seed)).random_raw(NUM_CELLS)
        archs = _archs()
        return tuple(archs[i] for i in np.argsort(keys, kind="stable")[:count].tolist())

    def functions(self, archs: Sequence[str]) -> tuple[str, ...]:
        """Of each cell the one of lowest index with the same function."""
        all_archs = _archs()
        return tuple(all_archs[i] for i in representatives()[self.indices(archs)].tolist())

    def connected(self, archs: Sequence[str]) -> NDArray[np.bool_]:
        """Whether there is a path from input to output, bool [N]."""
        return is_connected(self._ops(archs))

    def check(self, sizes: Sizes, num_classes: int, image_size: int) -> None:
        """Raises ValueError if there are no such networks."""
        check_sizes(num_classes, image_size, *sizes)

    def counts(
        self, archs: Sequence[str], sizes: Sizes, num_classes: int, image_size: int
    ) -> Counts:
        """Counts of the network of `sizes.depth` cells in each of three stages."""
        self.check(sizes, num_classes, image_size)
        ops = self._ops(archs)
        live = live_ops(ops)
        tensors, zeros = np.zeros((2, len(ops)), np.int64)
        for op, size in ((Op.CONV1X1, 1), (Op.CONV3X3, 9)):
            number = sizes.depth * (live == op).sum(axis=1)
            tensors += 3 * number
            zeros += number * sum(structural_zeros(w, size * w) for w in widths(sizes.channels))
        outside = _shapes_outside_cells(sizes.channels, num_classes)
        connected = is_connected(ops)
        *inner, (classes, features) = outside
        fixed = sum(structural_zeros(*shape) for shape in inner)
        fixed += structural_zeros(classes, features, is_output=True)
        return Counts(
            num_params(ops, num_classes, *sizes),
            num_flops(ops, num_classes, image_size, *sizes),
            np.where(connected, tensors + len(outside), 0),
            np.where(connected, zeros + fixed, 0),
        )

    def stream(self, arch: str) -> int:
        """The official index."""
        return int(self.indices([arch])[0])

    def graphs(self, arch: str) -> tuple[CellGraph, ...]:
        """The cell."""
        edges = tuple(
            GraphEdge(*edge, *_DRAWN[Op(op)])
            for edge, op in zip(EDGES, self.encode(arch), strict=True)
            if op != Op.NONE
        )
        return (CellGraph(f"cell {self.stream(arch)}", ("in", "1", "2", "out"), edges),)

    @property
    def trainable(self) -> Space:
        """The space itself."""
        return self

    @property
    def networks(self) -> Any:
        """`jaxnas.networks.nb201`."""
        from jaxnas.networks import nb201

        return nb201

    def _ops(self, archs: Sequence[str]) -> NDArray[np.int8]:
        return cell_ops()[self.indices(archs)]


def _shapes_outside_cells(channels: int, num_classes: int) -> list[tuple[int, int]]:
    """(outputs, entries of one output) of the tensors that every cell's network has."""
    first, *_, last = widths(channels)
    shapes = [(first, 27)]
    for a, b in itertools.pairwise(widths(channels)):
        shapes += [(b, 9 * a), (b, 9 * b), (b, a)]
    return [*shapes, (num_classes, last)]


@functools.cache
def _archs() -> tuple[str, ...]:
    return tuple(index_to_arch(cell) for cell in range(NUM_CELLS))


@functools.cache
def _index_of() -> dict[str, int]:
    return {arch: index for index, arch in enumerate(_archs())}
