"""The genotypes of DARTS as a `jaxnas.spaces.space.Space`.

Its architectures are those that DARTS' search ends with: two edges a node, none of them `none`, all
four nodes concatenated. An arch is a genotype in DARTS' notation.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import checked, quoted, ranges, same_word
from jaxnas.spaces.darts.counts import KERNEL_SIZE, TWICE, CellShape, cell_shapes, check_network
from jaxnas.spaces.darts.counts import STEM_MULTIPLIER as _STEM
from jaxnas.spaces.darts.counts import count as count_network
from jaxnas.spaces.darts.genotype import NODES, OPS, Gene, Genotype, Op, edges_of, parse_genotype
from jaxnas.spaces.darts.published import PUBLISHED
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

TARGETS = tuple(node for node in NODES for _ in range(2))
"""The node that each of a cell's eight edges leads to."""

_PAIRS = tuple(tuple(itertools.combinations(range(node), 2)) for node in NODES)
_NUM_OPS = len(OPS) - 1  # without `none`
_CELLS = math.prod(len(pairs) * _NUM_OPS**2 for pairs in _PAIRS)

_DRAWN: dict[Op, tuple[str, OpKind]] = {
    Op.MAX_POOL_3X3: ("max 3×3", "pool"),
    Op.AVG_POOL_3X3: ("avg 3×3", "pool"),
    Op.SKIP_CONNECT: ("skip", "skip"),
    Op.SEP_CONV_3X3: ("sep 3×3", "conv"),
    Op.SEP_CONV_5X5: ("sep 5×5", "conv"),
    Op.DIL_CONV_3X3: ("dil 3×3", "other conv"),
    Op.DIL_CONV_5X5: ("dil 5×5", "other conv"),
}


class Darts:
    """Genotypes with two edges a node.

    A code has two entries for each edge, of the normal cell and then of the reduction cell: the
    operation, counted from 0 without `none`, and the source node.
    """

    name: str = "darts"
    title: str = "the DARTS space"
    reference: str = "darts"
    size: int = _CELLS**2
    indexed: bool = False
    inputs: Literal["images", "tokens"] = "images"
    sizes: Sizes = Sizes(16, 8)
    depth_means: str = "cells in all, two of them reductions"
    notation: str = "Genotype(normal=[(operation, source), ...], ...), or a published one's name"
    published: Mapping[str, str] = MappingProxyType(
        {name: str(genotype) for name, genotype in PUBLISHED.items()}
    )
    coded: str = ""
    choices: tuple[int, ...] = 2 * tuple(n for target in TARGETS for n in (_NUM_OPS, target))

    def __repr__(self) -> str:
        return f"SPACES[{self.name!r}]"

    def parse(self, text: str) -> str:
        """The genotype; see `Space.parse`."""
        return str(genotype_of(checked("architecture", text, str)))

    def encode(self, arch: str) -> tuple[int, ...]:
        """(operation, source) of each of 16 edges; see `Space.encode`."""
        return _code(arch)

    def decode(self, code: Sequence[int]) -> str:
        """The genotype of a code."""
        normal, reduce = _genes(code[: len(code) // 2]), _genes(code[len(code) // 2 :])
        return str(Genotype(normal, NODES, reduce, NODES))

    def arch(self, index: int) -> str:
        """Raises ValueError: genotypes have no official index."""
        raise ValueError(
            f"index {quoted(index)}: expected a genotype, as {self.title} has no indices; "
            f"write {self.notation}"
        )

    def indices(self, archs: Sequence[str]) -> None:
        """None: genotypes have no official index."""
        del archs

    def sample(self, rng: np.random.Generator) -> str:
        """A genotype drawn uniformly among those whose nodes have two different inputs."""
        return _of_ranks(*(int(rank) for rank in rng.integers(_CELLS, size=2)))

    def mutate(self, arch: str, rng: np.random.Generator) -> str:
        """Gives one entry of the code another value, all others being as likely."""
        code = list(self.encode(arch))
        changeable = [i for i, count in enumerate(self.choices) if count > 1]
        place = changeable[int(rng.integers(len(changeable)))]
        code[place] = (code[place] + int(rng.integers(1, self.choices[place]))) % self.choices[
            place
        ]
        return self.decode(code)

    def draw(self, count: int, seed: int) -> tuple[str, ...]:
        """Genotypes with two different inputs a node, drawn uniformly; see `Space.draw`.

        Two raw 64-bit outputs of PCG64(seed) for each kind of cell make a number of 128 bits, and
        its fraction of 2^128 the cell's rank; numpy promises to keep that stream (NEP 19).
        """
        count = number_drawn(count, ranges.MOST, f"1 to {ranges.MOST:,} genotypes")
        raw = np.random.PCG64(checked("seed", seed, ranges.Seed)).random_raw
        drawn: dict[str, None] = {}
        while len(drawn) < count:
            high_normal, low_normal, high_reduce, low_reduce = raw(4).tolist()
            normal = (((high_normal << 64) | low_normal) * _CELLS) >> 128
            reduce = (((high_reduce << 64) | low_reduce) * _CELLS) >> 128
            drawn[_of_ranks(normal, reduce)] = None
        return tuple(drawn)

    def functions(self, archs: Sequence[str]) -> tuple[str, ...]:
        """For each genotype the first of those that renaming nodes and sorting edges give.

        A node is the sum of its edges, so their order is of no matter; nodes are concatenated into
        channels, whose order is one of initial weights.
        """
        return tuple(_function(arch) for arch in archs)

    def connected(self, archs: Sequence[str]) -> NDArray[np.bool_]:
        """All of them are, bool [N]."""
        return np.ones(len(archs), np.bool_)

    def check(self, sizes: Sizes, num_classes: int, image_size: int) -> None:
        """Raises ValueError if there are no such networks."""
        check_network(num_classes, *sizes, image_size)

    def counts(
        self, archs: Sequence[str], sizes: Sizes, num_classes: int, image_size: int
    ) -> Counts:
        """Counts of the network of `sizes.depth` cells, without auxiliary head."""
        self.check(sizes, num_classes, image_size)
        rows = [_counted(self.parse(arch), sizes, num_classes, image_size) for arch in archs]
        return Counts(*np.array(rows, np.int64).reshape(-1, len(Counts._fields)).T)

    def stream(self, arch: str) -> int:
        """63 bits of the arch's SHA-256."""
        return int.from_bytes(hashlib.sha256(arch.encode()).digest()[:8]) >> 1

    def graphs(self, arch: str) -> tuple[CellGraph, ...]:
        """The normal and the reduction cell."""
        genotype = genotype_of(arch, searched=False)
        return (
            _graph("normal cell", genotype.normal, genotype.normal_concat),
            _graph("reduction cell", genotype.reduce, genotype.reduce_concat),
        )

    @property
    def trainable(self) -> Space:
        """All genotypes: also those with every edge, or whose cells concatenate some nodes only."""
        return _AllGenotypes()

    @property
    def networks(self) -> Any:
        """`jaxnas.networks.darts`."""
        from jaxnas.networks import darts

        return darts


class _AllGenotypes(Darts):
    """The space with the genotypes that other searches than DARTS' end with."""

    def parse(self, text: str) -> str:
        """The genotype, whatever edges it has; see `Space.parse`."""
        return str(genotype_of(checked("architecture", text, str), searched=False))

    @property
    def trainable(self) -> Space:
        """The space itself."""
        return self


@functools.lru_cache(maxsize=65536)
def genotype_of(text: str, *, searched: bool = True) -> Genotype:
    """The genotype that a text writes, or that has this name.

    Args:
        text: in any notation that `parse_genotype` reads.
        searched: whether it has to be one that DARTS' search can end with, as those of the space.

    Raises:
        ValueError: it is none.
    """
    name = same_word(text, PUBLISHED)
    genotype = parse_genotype(text) if name is None else PUBLISHED[name]
    if not searched:
        return genotype
    for kind in ("normal", "reduce"):
        genes, concat = getattr(genotype, kind), getattr(genotype, f"{kind}_concat")
        if len(genes) != len(TARGETS):
            raise ValueError(
                f"Genotype, {kind}: expected {len(TARGETS)} edges, two for each node, to be an "
                f"architecture of the DARTS space, got {len(genes)}."
            )
        if set(concat) != set(NODES):
            raise ValueError(
                f"Genotype, {kind}_concat: expected all of the nodes {list(NODES)}, to be an "
                f"architecture of the DARTS space, got {list(concat)}."
            )
    return Genotype(genotype.normal, NODES, genotype.reduce, NODES)


@functools.lru_cache(maxsize=65536)
def _code(arch: str) -> tuple[int, ...]:
    genotype = genotype_of(arch)
    return tuple(
        number
        for genes in (genotype.normal, genotype.reduce)
        for name, source in genes
        for number in (OPS.index(name) - 1, source)
    )


def _genes(code: Sequence[int]) -> tuple[Gene, ...]:
    return tuple(
        (OPS[op + 1], int(source)) for op, source in zip(code[::2], code[1::2], strict=True)
    )


def _of_ranks(normal: int, reduce: int) -> str:
    return str(Genotype(_cell_of_rank(normal), NODES, _cell_of_rank(reduce), NODES))


def _cell_of_rank(rank: int) -> tuple[Gene, ...]:
    """The rank-th of the cells whose nodes have two different inputs."""
    genes: list[Gene] = []
    for pairs in _PAIRS:
        rank, pair = divmod(rank, len(pairs))
        for source in pairs[pair]:
            rank, op = divmod(rank, _NUM_OPS)
            genes.append((OPS[op + 1], source))
    return tuple(genes)


@functools.lru_cache(maxsize=65536)
def _function(arch: str) -> str:
    genotype = genotype_of(arch)
    return str(Genotype(_first(genotype.normal), NODES, _first(genotype.reduce), NODES))


def _first(genes: Sequence[Gene]) -> tuple[Gene, ...]:
    """The least cell among those that renaming nodes gives, a node's edges sorted by source."""
    return min(
        cell
        for order in itertools.permutations(NODES)
        if (cell := _renamed(genes, dict(zip(NODES, order, strict=True)))) is not None
    )


def _renamed(genes: Sequence[Gene], new: Mapping[int, int]) -> tuple[Gene, ...] | None:
    """The cell with its nodes renamed; None where a node would come before its input."""
    inputs: dict[int, list[tuple[int, str]]] = {node: [] for node in NODES}
    for op, source, target in edges_of(genes):
        inputs[new[target]].append((new.get(source, source), OPS[op]))
    if any(source >= node for node, edges in inputs.items() for source, _ in edges):
        return None
    return tuple((op, source) for node in NODES for source, op in sorted(inputs[node]))


def _counted(arch: str, sizes: Sizes, num_classes: int, image_size: int) -> tuple[int, ...]:
    genotype = genotype_of(arch, searched=False)
    counted = count_network(genotype, num_classes, *sizes, image_size)
    shapes = [(_STEM * sizes.channels, 27)]
    widths = len(genotype.normal_concat), len(genotype.reduce_concat)
    cells = cell_shapes(*sizes, *widths)
    for cell in cells:
        shapes += _shapes_of_cell(genotype.reduce if cell.reduction else genotype.normal, cell)
    zeros = sum(structural_zeros(*shape) for shape in shapes)
    features = widths[cells[-1].reduction] * cells[-1].channels
    zeros += structural_zeros(num_classes, features, is_output=True)
    return counted.params, counted.multiply_adds, len(shapes) + 1, zeros


def _shapes_of_cell(genes: Sequence[Gene], cell: CellShape) -> list[tuple[int, int]]:
    """(outputs, entries of one output) of a cell's tensors with two or more axes."""
    channels = cell.channels
    before, last = cell.inputs
    halves = [(channels // 2, before)] * 2 if cell.halve_first else [(channels, before)]
    shapes = [*halves, (channels, last)]
    for op, source, _ in edges_of(genes):
        if op in KERNEL_SIZE:
            separable = [(channels, KERNEL_SIZE[op] ** 2), (channels, channels)]
            shapes += separable * (2 if op in TWICE else 1)
        elif op == Op.SKIP_CONNECT and cell.reduction and source < NODES[0]:
            shapes += [(channels // 2, channels)] * 2
    return shapes


def _graph(title: str, genes: Sequence[Gene], concat: Sequence[int]) -> CellGraph:
    output = NODES[-1] + 1
    edges = tuple(
        GraphEdge(source, target, *_DRAWN[op])
        for op, source, target in edges_of(genes)
        if op != Op.NONE
    )
    names = ("$c_{k-2}$", "$c_{k-1}$", *(str(i) for i in range(len(NODES))), "$c_k$")
    assert len(names) == output + 1
    return CellGraph(title, names, edges, tuple(sorted(concat)))
