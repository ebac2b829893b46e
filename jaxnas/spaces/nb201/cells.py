"""Codec of NAS-Bench-201 cells: ops, architecture strings and official indices.

A cell has four nodes and six edges; each edge carries one of five ops and a node is the sum of
its incoming edges. Three spellings of one cell:

- ops: six integers, one `Op` per edge, in the order of `EDGES`;
- arch: NAS-Bench-201's string, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``;
- index: 0..15624, the position in the benchmark's files.

`cell_from_text` reads those of other libraries too: AutoDL-Projects' printed structure and its
tuples of (op, source node), and NASLib's six numbers where they are marked as such.

References:
  Dong & Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search",
  ICLR 2020, https://arxiv.org/abs/2001.00326
"""

import ast
import difflib
import enum
import functools
import itertools
import random
import re
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from jaxnas.checks import quoted, shortened, whole
from jaxnas.spaces.notation import bare, python_of


class Op(enum.IntEnum):
    """What an edge does to its source node; the value is the code used in every ops array."""

    NONE = 0
    SKIP = 1
    CONV1X1 = 2
    CONV3X3 = 3
    POOL = 4


OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""NAS-Bench-201's name of each `Op`, by its code."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source node, target node) of each edge, in the order of the arch string."""

NUM_CELLS = len(OPS) ** len(EDGES)

NASLIB = "naslib:"
"""The mark of six numbers in NASLib's coding, which are one cell; see `naslib_to_ops`."""

_NASLIB_OPS = (Op.SKIP, Op.NONE, Op.CONV3X3, Op.CONV1X1, Op.POOL)
_NASLIB_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))

_STRUCTURE = re.compile(r"\w*\(4 nodes with (.*)\)", re.DOTALL)

_NODES = (1, 2, 3)
_SHUFFLE_SEED = 88


def as_ops(ops: npt.ArrayLike) -> npt.NDArray[np.int8]:
    """Checks ops and converts them to an array.

    Args:
      ops: integers [..., 6], each in 0..4.

    Returns:
      int8 [..., 6].

    Raises:
      ValueError: if the last axis is not 6 long, or a code is not an integer in 0..4.
    """
    array = np.asarray(ops)
    if array.ndim == 0 or array.shape[-1] != len(EDGES):
        raise ValueError(
            f"Cell ops: expected shape [..., {len(EDGES)}], one op per edge, got {array.shape}."
        )
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"Cell ops: expected integer op codes, got dtype {array.dtype}.")
    wrong = (array < 0) | (array >= len(OPS))
    if wrong.any():
        position = tuple(int(i) for i in np.argwhere(wrong)[0])
        source, target = EDGES[position[-1]]
        raise ValueError(
            f"Cell ops: expected op codes 0..{len(OPS) - 1}, got {array[position]} "
            f"on edge {source}->{target}."
        )
    return array.astype(np.int8)


def as_cell(ops: npt.ArrayLike) -> tuple[int, ...]:
    """Checks the ops [6] of exactly one cell and returns them as Python integers.

    Raises:
      ValueError: as `as_ops`, or if there are leading axes.
    """
    array = as_ops(ops)
    if array.ndim != 1:
        raise ValueError(f"Cell ops: expected one cell, shape [6], got shape {array.shape}.")
    return tuple(array.tolist())


def product_rank(ops: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Position of cells in the product over ops, before the benchmark shuffled it.

    Args:
      ops: integers [..., 6].

    Returns:
      int64 [...] in 0..15624; edge 0->1 is the slowest digit, edge 2->3 the fastest.

    Raises:
      ValueError: as `as_ops`.
    """
    weights = len(OPS) ** np.arange(len(EDGES))[::-1]
    return np.asarray(as_ops(ops).astype(np.int64) @ weights)


@functools.cache
def cell_ops() -> npt.NDArray[np.int8]:
    """Ops of every cell in official index order.

    The benchmark enumerates the product over the five ops (node 1 slowest), then calls
    ``random.seed(88); random.shuffle(cells)``. A private generator gives the same order and leaves
    the global one alone.

    Returns:
      int8 [15625, 6], read-only, cached.
    """
    cells = list(itertools.product(range(len(OPS)), repeat=len(EDGES)))
    random.Random(_SHUFFLE_SEED).shuffle(cells)
    ops = np.array(cells, dtype=np.int8)
    ops.setflags(write=False)
    return ops


@functools.cache
def _index_of_rank() -> npt.NDArray[np.int64]:
    """int64 [15625]: official index of the cell with each `product_rank`."""
    return np.argsort(product_rank(cell_ops()))


def ops_to_arch(ops: npt.ArrayLike) -> str:
    """Writes a cell as NAS-Bench-201's architecture string.

    Args:
      ops: integers [6].

    Returns:
      The string, e.g. ``|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|``.

    Raises:
      ValueError: if ops are not the codes of one cell.
    """
    cell = as_cell(ops)
    nodes: dict[int, list[str]] = {node: [] for node in _NODES}
    for (source, target), op in zip(EDGES, cell, strict=True):
        nodes[target].append(f"{OPS[op]}~{source}")
    return "+".join(f"|{'|'.join(edges)}|" for edges in nodes.values())


def arch_to_ops(arch: str) -> tuple[int, ...]:
    """Reads NAS-Bench-201's architecture string.

    Args:
      arch: the string, with every edge present and in order, as the benchmark writes it.

    Returns:
      Six op codes in the order of `EDGES`.

    Raises:
      ValueError: if the string is not a cell; the message says where, what was expected, what
        came, and for an op the nearest name.
    """
    nodes = arch.split("+")
    if len(nodes) != len(_NODES):
        raise ValueError(
            f"{_quoted(arch)}: expected {len(_NODES)} nodes joined by '+', got {len(nodes)}."
        )
    return tuple(
        op
        for target, node in zip(_NODES, nodes, strict=True)
        for op in _parse_node(arch, target, node)
    )


def naslib_to_ops(codes: Sequence[int]) -> tuple[int, ...]:
    """Reads a cell in NASLib's coding, as `naslib.search_spaces.nasbench201.conversions` has it.

    Args:
      codes: six numbers, 0 skip, 1 none, 2 conv3x3, 3 conv1x1, 4 pool, on the edges 0-1, 0-2, 0-3,
        1-2, 1-3, 2-3.

    Returns:
      Six op codes in the order of `EDGES`.

    Raises:
      ValueError: if they are not six numbers 0..4.
    """
    cell = as_cell(codes)
    by_edge = dict(zip(_NASLIB_EDGES, (_NASLIB_OPS[code] for code in cell), strict=True))
    return tuple(int(by_edge[edge]) for edge in EDGES)


def cell_from_text(text: str) -> tuple[int, ...]:
    """Reads a cell in any notation in use that cannot be taken for another.

    - the arch string, with spaces, quotes or a byte-order mark around it or its parts;
    - AutoDL-Projects' printed structure, ``Structure(4 nodes with |op~0|+...)``, and its tuples,
      ``((('op', 0),), (('op', 0), ('op', 1)), (('op', 0), ('op', 1), ('op', 2)))``, as lists too;
    - ``naslib:4,0,3,1,4,3``, also with brackets; six numbers without the mark are refused, as they
      may be six indices, or the ops of this module.

    Returns:
      Six op codes in the order of `EDGES`.

    Raises:
      ValueError: as `arch_to_ops`, or the text may be read in two ways.
    """
    given = bare(text)
    if given.startswith(NASLIB):
        return _from_naslib(given)
    if given.startswith(("(", "[")):
        return _from_tuples(given)
    structure = _STRUCTURE.fullmatch(given)
    return arch_to_ops("".join((structure[1] if structure else given).split()))


def _from_naslib(text: str) -> tuple[int, ...]:
    """Op codes of six numbers after NASLib's mark."""
    written = text.removeprefix(NASLIB).strip().strip("()[]")
    codes = [code.strip() for code in written.removesuffix(",").split(",")]
    if len(codes) != len(EDGES) or any(code not in tuple("01234") for code in codes):
        raise ValueError(
            f"cells {_shortened(text)!r}: expected six numbers 0..{len(OPS) - 1} after {NASLIB}, "
            f"one for each edge, got others; write {NASLIB}4,0,3,1,4,3"
        )
    return naslib_to_ops([int(code) for code in codes])


def _from_tuples(text: str) -> tuple[int, ...]:
    """Op codes of AutoDL-Projects' nodes, each a tuple of (op, source node)."""
    try:
        (statement,) = python_of(text)
        nodes = ast.literal_eval(statement.value) if isinstance(statement, ast.Expr) else None
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        nodes = None
    if isinstance(nodes, Sequence) and len(nodes) == len(EDGES) and all(_is_code(n) for n in nodes):
        raise ValueError(
            f"cells {_shortened(text)!r}: expected a cell that can be read in one way, got six op "
            f"codes, whose order and meaning differ; write {NASLIB}{','.join(map(str, nodes))} for "
            "NASLib's, or the arch string"
        )
    edges = _edges_of(nodes)
    if edges is None:
        raise ValueError(
            f"Arch string {_shortened(text)!r}: expected 3 nodes, each a tuple of "
            "('op', source node) for every node before it"
        )
    return arch_to_ops("+".join("|" + "|".join(node) + "|" for node in edges))


def _edges_of(nodes: Any) -> list[list[str]] | None:
    """Each node's edges as ``op~source``, in order; None where the tuples are none of a cell."""
    if not isinstance(nodes, Sequence) or len(nodes) != len(_NODES):
        return None
    found = []
    for target, node in zip(_NODES, nodes, strict=True):
        right = isinstance(node, Sequence) and len(node) == target
        if not right or not all(
            isinstance(edge, Sequence) and len(edge) == 2 and isinstance(edge[0], str)
            for edge in node
        ):
            return None
        by_source = {edge[1]: edge[0] for edge in node if type(edge[1]) is int}
        if sorted(by_source) != list(range(target)):
            return None
        found.append([f"{by_source[source]}~{source}" for source in range(target)])
    return found


def _is_code(value: Any) -> bool:
    return type(value) is int and 0 <= value < len(OPS)


def _parse_node(arch: str, target: int, node: str) -> list[int]:
    """Op codes of one node's part of the string, such as ``|op~0|op~1|``."""
    where = f"{_quoted(arch)}, node {target}"
    if len(node) < 2 or node[0] != "|" or node[-1] != "|":
        raise ValueError(f"{where}: expected '|' at both ends, got {_shortened(node)!r}.")
    edges = node[1:-1].split("|")
    if len(edges) != target:
        raise ValueError(
            f"{where}: expected {target} edge(s), got {len(edges)} in {_shortened(node)!r}."
        )
    return [_parse_edge(arch, source, target, edge) for source, edge in enumerate(edges)]


def _parse_edge(arch: str, source: int, target: int, edge: str) -> int:
    """Op code of one edge's part of the string, such as ``nor_conv_3x3~0``."""
    where = f"{_quoted(arch)}, edge {source}->{target}"
    name, tilde, number = edge.rpartition("~")
    if not tilde or number != str(source):
        raise ValueError(f"{where}: expected 'op~{source}', got {_shortened(edge)!r}.")
    if name not in OPS:
        near = difflib.get_close_matches(name, OPS, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"{where}: expected one of {', '.join(OPS)}, got {_shortened(name)!r}{hint}."
        )
    return OPS.index(name)


def _quoted(arch: str) -> str:
    return f"Arch string {_shortened(arch, 80)!r}"


def _shortened(text: str, length: int = 40) -> str:
    return shortened(text, length)


def ops_to_index(ops: npt.ArrayLike) -> int:
    """Official index (0..15624) of the cell with ops [6].

    Raises:
      ValueError: if ops are not the codes of one cell.
    """
    return int(_index_of_rank()[product_rank(as_cell(ops))])


def index_to_ops(index: SupportsIndex) -> tuple[int, ...]:
    """Six op codes, in the order of `EDGES`, of the cell with an official index.

    Raises:
      ValueError: if the index is not in 0..15624 (negative indices do not count from the end).
    """
    return tuple(cell_ops()[as_index(index)].tolist())


def as_index(index: SupportsIndex) -> int:
    """Checks an official index and returns it as a Python integer.

    Raises:
      ValueError: if it is not in 0..15624.
    """
    try:
        return whole("Cell index", index, 0, NUM_CELLS - 1)
    except ValueError as error:
        raise ValueError(
            f"Cell index: expected 0..{NUM_CELLS - 1}, got {quoted(index)}."
        ) from error


def arch_to_index(arch: str) -> int:
    """Official index (0..15624) of an architecture string.

    Raises:
      ValueError: as `arch_to_ops`.
    """
    return ops_to_index(arch_to_ops(arch))


def index_to_arch(index: SupportsIndex) -> str:
    """Architecture string of the cell with an official index.

    Raises:
      ValueError: if the index is not in 0..15624.
    """
    return ops_to_arch(index_to_ops(index))
