"""From weights of operations to a genotype, as the papers do it.

Each rule takes the weights of one cell, [14, 8] (rows `EDGES`, columns `Op`), and gives its edges;
only their order counts, so probabilities, logits under one softmax a row, or gates do equally well
where a rule compares within a row, and must be comparable between rows where it compares those.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from jaxnas.spaces.darts.genotype import EDGES, NODES, OPS, Gene, Genotype, Op

Rule = Callable[[npt.ArrayLike], tuple[Gene, ...]]


def top_edges(weights: npt.ArrayLike) -> tuple[Gene, ...]:
    """DARTS': each node keeps the two edges of the largest weight, each its best operation.

    `none` is left out of both; ties go to the earlier node and the earlier operation. The heavier
    edge comes first (Liu et al. 2019, section 2.4, and the released code).

    Raises:
        ValueError: if the weights are not finite numbers [14, 8].
    """
    matrix = _without_none(weights)
    best = matrix.argmax(1)
    genes: list[Gene] = []
    for node in NODES:
        rows = [e for e, (_, target) in enumerate(EDGES) if target == node]
        rows.sort(key=lambda e: -matrix[e, best[e]])
        genes += [(OPS[best[e]], EDGES[e][0]) for e in rows[:2]]
    return tuple(genes)


def top_pairs(weights: npt.ArrayLike) -> tuple[Gene, ...]:
    """GDAS' and PR-DARTS': each node keeps the two largest of all (operation, source) pairs.

    `none` is left out; both pairs may have the same source. Ties go to the earlier node and the
    earlier operation (Dong & Yang 2019 and Zhou et al. 2020, released code).

    Raises:
        ValueError: as `top_edges`.
    """
    matrix = _without_none(weights)
    genes: list[Gene] = []
    for node in NODES:
        rows = [e for e, (_, target) in enumerate(EDGES) if target == node]
        pairs = [(e, op) for e in rows for op in Op if op != Op.NONE]
        pairs.sort(key=lambda pair: -matrix[pair])
        genes += [(OPS[op], EDGES[e][0]) for e, op in pairs[:2]]
    return tuple(genes)


def every_edge(weights: npt.ArrayLike) -> tuple[Gene, ...]:
    """SNAS': every edge keeps its best operation, `none` included (Xie et al. 2019).

    Raises:
        ValueError: as `top_edges`.
    """
    best = _checked(weights).argmax(1)
    return tuple((OPS[op], source) for op, (source, _) in zip(best, EDGES, strict=True))


def discretise(normal: npt.ArrayLike, reduce: npt.ArrayLike, rule: Rule = top_edges) -> Genotype:
    """The genotype of the weights of both kinds of cell, [14, 8] each; all nodes concatenated.

    Raises:
        ValueError: as `top_edges`.
    """
    return Genotype(rule(normal), NODES, rule(reduce), NODES)


def _checked(weights: npt.ArrayLike) -> npt.NDArray[np.float64]:
    matrix = np.array(weights, dtype=np.float64)
    if matrix.shape != (len(EDGES), len(OPS)):
        raise ValueError(
            f"Weights of a cell: expected shape [{len(EDGES)}, {len(OPS)}], edges by operations, "
            f"got {list(matrix.shape)}."
        )
    if np.isnan(matrix).any():
        edge, op = np.argwhere(np.isnan(matrix))[0]
        raise ValueError(f"Weights of a cell: NaN at edge {EDGES[edge]}, operation {OPS[op]}.")
    return matrix


def _without_none(weights: npt.ArrayLike) -> npt.NDArray[np.float64]:
    matrix = _checked(weights)
    matrix[:, Op.NONE] = -np.inf
    return matrix
