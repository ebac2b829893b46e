"""What a search space is to the rest of the library: one protocol, which every space fulfils.

An architecture is known everywhere by its `arch`, the one spelling that its space gives it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import quoted, whole


class Sizes(NamedTuple):
    """How large the network of an architecture is.

    Attributes:
        channels: channels of the first stage or cell.
        depth: cells, counted as the space's `depth_means` says.
    """

    channels: int
    depth: int


class Counts(NamedTuple):
    """What can be counted of networks without computing them, int64 [N] each.

    Attributes:
        params: trainable parameters of the architecture as written.
        flops: multiply-adds of one image's forward pass, of the architecture as written.
        tensors: tensors with two or more axes that the function uses; 0 where it is disconnected.
        zeros: eigenvalues of the correlations of those tensors' gradients that are zero because of
            their shapes alone.
    """

    params: NDArray[np.int64]
    flops: NDArray[np.int64]
    tensors: NDArray[np.int64]
    zeros: NDArray[np.int64]


OpKind = Literal["skip", "pool", "conv", "other conv"]
"""What an operation does, by which pictures colour it."""


class GraphEdge(NamedTuple):
    """An edge of a cell's picture.

    Attributes:
        source: position of the node that it leads from.
        target: position of the node that it leads to.
        label: the operation, in a word or two.
        kind: what the operation does.
    """

    source: int
    target: int
    label: str
    kind: OpKind


@dataclass(frozen=True)
class CellGraph:
    """A cell as a picture shows it.

    Attributes:
        title: shown above the cell.
        nodes: names of the nodes, in topological order.
        edges: edges other than `none`.
        concatenated: positions of the nodes whose concatenation is the last node; empty where the
            last node is a sum like the others.
    """

    title: str
    nodes: tuple[str, ...]
    edges: tuple[GraphEdge, ...]
    concatenated: tuple[int, ...] = ()


class Space(Protocol):
    """A search space.

    Attributes:
        name: its name on the command line and in tables.
        title: its name in sentences.
        reference: key of its publication in `jaxnas.references`.
        size: number of architectures.
        indexed: whether the architectures have official indices, 0 to size - 1.
        inputs: what goes into the networks.
        sizes: size of the scored network by default.
        depth_means: what `Sizes.depth` counts.
        notation: how an architecture is written, for error sentences.
        published: architectures that have a name, arch by name.
        choices: number of values of each entry of a code; every code within them is an
            architecture.
        coded: mark before an architecture that is written as numbers, one for each entry of
            `choices` and below it, in the coding that the field prints; empty where there is none.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def indexed(self) -> bool: ...
    @property
    def inputs(self) -> Literal["images", "tokens"]: ...
    @property
    def sizes(self) -> Sizes: ...
    @property
    def depth_means(self) -> str: ...
    @property
    def notation(self) -> str: ...
    @property
    def published(self) -> Mapping[str, str]: ...
    @property
    def choices(self) -> tuple[int, ...]: ...
    @property
    def coded(self) -> str: ...

    def parse(self, text: str) -> str:
        """The arch that a text writes, in any notation in use.

        Raises:
            ValueError: the text is no architecture of this space; the sentence says why.
        """

    def encode(self, arch: str) -> tuple[int, ...]:
        """The code of an arch, as a compiled network takes it: integers below `choices`.

        Raises:
            ValueError: as `parse`.
        """

    def decode(self, code: Sequence[int]) -> str:
        """The arch of a code."""

    def arch(self, index: int) -> str:
        """The arch with an official index.

        Raises:
            ValueError: there is none, or the space has no indices.
        """

    def indices(self, archs: Sequence[str]) -> NDArray[np.int64] | None:
        """The official index of each arch, int64 [N]; None where the space has none."""

    def sample(self, rng: np.random.Generator) -> str:
        """An arch drawn uniformly."""

    def mutate(self, arch: str, rng: np.random.Generator) -> str:
        """A neighbour of an arch, as regularised evolution draws it."""

    def draw(self, count: int, seed: int) -> tuple[str, ...]:
        """Different archs drawn uniformly; a smaller draw is the beginning of a larger one.

        The draw is the same with every release of numpy.

        Raises:
            ValueError: there are not so many.
        """

    def functions(self, archs: Sequence[str]) -> tuple[str, ...]:
        """For each arch the one that represents all functionally equal architectures."""

    def connected(self, archs: Sequence[str]) -> NDArray[np.bool_]:
        """Whether the output of each arch depends on its input at all, bool [N]."""

    def check(self, sizes: Sizes, num_classes: int, image_size: int) -> None:
        """Raises ValueError if there are no networks of such sizes for such images."""

    def counts(
        self, archs: Sequence[str], sizes: Sizes, num_classes: int, image_size: int
    ) -> Counts:
        """Counts of each arch's scored network.

        Raises:
            ValueError: as `parse` or `check`.
        """

    def stream(self, arch: str) -> int:
        """The number that tells an arch's initial weights from another's, 0 to 2^63 - 1."""

    def graphs(self, arch: str) -> tuple[CellGraph, ...]:
        """The cells of an arch, to be drawn side by side."""

    @property
    def trainable(self) -> Space:
        """The space with what lies outside of it and can be trained all the same.

        It differs in what it can parse and count; it is the space itself where nothing does.
        """

    @property
    def networks(self) -> Any:
        """The networks of the space, see `jaxnas.networks.protocol`; imports JAX when asked."""


def number_drawn(count: Any, most: int, expected: str) -> int:
    """How many architectures are drawn, if it is a whole number from 1.

    Args:
        count: what came.
        most: how many there can be.
        expected: how many of what, in words.

    Raises:
        ValueError: it is none, or above.
    """
    try:
        return whole("random", count, 1, most)
    except ValueError as error:
        raise ValueError(f"random:{quoted(count)}: expected {expected}") from error


def structural_zeros(rows: int, columns: int, *, is_output: bool = False) -> int:
    """Zero eigenvalues that a gradient's correlation of rows has whatever its values.

    Args:
        rows: outputs of the tensor.
        columns: the tensor's entries for one output.
        is_output: whether the rows are the logits': a softmax gradient's rows sum to zero.
    """
    rank = min(rows, columns - 1)
    return rows - (min(rank, rows - 1) if is_output else rank)
