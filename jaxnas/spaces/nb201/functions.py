"""Functionally equal cells: which of the 15,625 compute the same function of the image.

A node's value is a sum, kept as a multiset of terms. A term is the cell's input, one convolution
instance, or the pooling of a value:

- dead edges (no path from the input, or none to the output) and none add nothing;
- a skip adds all terms of its source, so a convolution reached twice through skips is one term
  counted twice;
- every convolution edge is an instance with weights of its own: two from one node are two terms;
- poolings of equal values are equal terms; that pooling is linear is not used.

Two cells are the same function when renaming the instances of one gives the output of the other.
That leaves 5,260 functions. The 6,466 structures of Dong & Yang, "NAS-Bench-201", ICLR 2020, are
another partition, neither finer nor coarser: their strings keep zeros and the order of nested
sums, but give convolutions no identity, so 430 of the 6,466 hold two or more of the functions here.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from jaxnas.spaces.nb201.cells import (
    EDGES,
    Op,
    as_cell,
    as_ops,
    cell_ops,
    ops_to_arch,
    product_rank,
)

_NUM_NODES = 4
_CONVS = (Op.CONV1X1, Op.CONV3X3)

_Value = tuple[int, ...]
"""A node's value: sorted ids of its terms, repeated when a term is summed twice."""

_Terms = dict[tuple[int, int, _Value], int]
"""Id of the term (op, label, input value); id 0 is the cell's input."""

_Instance = tuple[int, _Value, int]
"""A convolution in canonical naming: (op, input value without labels, label)."""


class _Canonical(NamedTuple):
    """A cell's function: its output under the least labelling, and the edge of each instance."""

    output: _Value
    edges: dict[_Instance, int]


def live_ops(ops: npt.ArrayLike) -> npt.NDArray[np.int8]:
    """Sets every edge that is on no path from input to output to none.

    Args:
      ops: integers [..., 6]; a path runs over edges other than none.

    Returns:
      int8 [..., 6]; all none for a disconnected cell.

    Raises:
      ValueError: if ops are not codes 0..4 with a last axis of 6.
    """
    codes = as_ops(ops)
    present = codes != Op.NONE
    from_input = np.zeros((*codes.shape[:-1], _NUM_NODES), dtype=bool)
    to_output = from_input.copy()
    from_input[..., 0] = True
    to_output[..., -1] = True
    # EDGES is in topological order: forwards for the input side, backwards for the output side.
    for edge, (source, target) in enumerate(EDGES):
        from_input[..., target] |= present[..., edge] & from_input[..., source]
    for edge, (source, target) in reversed(list(enumerate(EDGES))):
        to_output[..., source] |= present[..., edge] & to_output[..., target]
    sources, targets = zip(*EDGES, strict=True)
    live = from_input[..., list(sources)] & to_output[..., list(targets)]
    return np.where(live, codes, np.int8(Op.NONE))


def is_connected(ops: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether the output depends on the input at all; 341 of the 15,625 cells do not.

    Args:
      ops: integers [..., 6].

    Returns:
      bool [...].

    Raises:
      ValueError: as `live_ops`.
    """
    return np.asarray((live_ops(ops) != Op.NONE).any(axis=-1))


def _node_values(live: Sequence[int], labels: Sequence[int], terms: _Terms) -> list[_Value]:
    """Values of the four nodes, where `labels` [6] tell instances of equal op and input apart."""
    sums: list[list[int]] = [[0], [], [], []]
    for (source, target), op, label in zip(EDGES, live, labels, strict=True):
        if op == Op.SKIP:
            sums[target] += sums[source]
        elif op != Op.NONE:
            term = (op, label, tuple(sorted(sums[source])))
            sums[target].append(terms.setdefault(term, len(terms) + 1))
    return [tuple(sorted(node)) for node in sums]


def _canonical(live: Sequence[int], terms: _Terms) -> _Canonical:
    """Least output over all labellings of a cell's instances; comparable within one `terms`.

    Only instances with the same op and the same input value, labels ignored, can stand for each
    other, so only these are permuted.
    """
    unlabelled = _node_values(live, [0] * len(EDGES), terms)
    groups: dict[tuple[int, _Value], list[int]] = {}
    for edge, op in enumerate(live):
        if op in _CONVS:
            groups.setdefault((op, unlabelled[EDGES[edge][0]]), []).append(edge)

    def output(orders: tuple[tuple[int, ...], ...]) -> _Value:
        labels = [0] * len(EDGES)
        for order in orders:
            for label, edge in enumerate(order):
                labels[edge] = label
        return _node_values(live, labels, terms)[-1]

    labellings = itertools.product(*map(itertools.permutations, groups.values()))
    least, orders = min((output(orders), orders) for orders in labellings)
    edges = {
        (*group, label): edge
        for group, order in zip(groups, orders, strict=True)
        for label, edge in enumerate(order)
    }
    return _Canonical(least, edges)


@functools.cache
def representatives() -> npt.NDArray[np.int32]:
    """For each cell the lowest official index with the same function (see the module docstring).

    Returns:
      int32 [15625], read-only, cached; 5,260 distinct values, all disconnected cells one function.
    """
    live = live_ops(cell_ops())
    _, first, row = np.unique(product_rank(live), return_index=True, return_inverse=True)
    terms: _Terms = {}
    numbers: dict[_Value, int] = {}
    function_of_row = [
        numbers.setdefault(_canonical(cell, terms).output, len(numbers))
        for cell in live[first].tolist()
    ]
    function = np.array(function_of_row)[row]
    _, lowest, inverse = np.unique(function, return_index=True, return_inverse=True)
    result = lowest[inverse].astype(np.int32)
    result.setflags(write=False)
    return result


def matching(ops_a: npt.ArrayLike, ops_b: npt.ArrayLike) -> dict[int, int]:
    """Maps the live convolutions of one cell to those of a functionally equal cell.

    With the weights of edge e of cell a copied to edge ``matching(a, b)[e]`` of cell b, both cells
    compute the same function.

    Args:
      ops_a: integers [6].
      ops_b: integers [6].

    Returns:
      Edge of a -> edge of b (positions in `EDGES`), in a's edge order; empty if the cells have no
      live convolution. Where several mappings would do, one of them.

    Raises:
      ValueError: if the cells are different functions, or ops are not the codes of one cell.
    """
    cell_a, cell_b = as_cell(ops_a), as_cell(ops_b)
    terms: _Terms = {}
    a, b = (_canonical(live_ops(cell).tolist(), terms) for cell in (cell_a, cell_b))
    if a.output != b.output:
        raise ValueError(
            "Matching: expected two cells with the same function, got "
            f"{ops_to_arch(cell_a)!r} and {ops_to_arch(cell_b)!r}."
        )
    return dict(sorted((edge, b.edges[instance]) for instance, edge in a.edges.items()))
