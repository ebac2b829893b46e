"""From the gates of PR-DARTS to one architecture.

Though gates are sigmoids, each independent of the others, the paper and its code compare the
softmax over an edge's ops of β: an op with a wide open gate counts little if the others of its edge
are open as well. Source: Zhou et al., NeurIPS 2020, and their code.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import softmax  # type: ignore[import-untyped]

from jaxnas.spaces import darts, nb201


def prune_darts(logits: npt.ArrayLike) -> darts.Genotype:
    """The genotype of β [28, 8], normal cell above reduction cell.

    Each node keeps the two (op, source) pairs of the largest softmax, none left out; both may come
    from the same source.

    Raises:
        ValueError: of another shape, or NaN.
    """
    edges = len(darts.EDGES)
    matrix = _checked(logits, (2 * edges, len(darts.OPS)))
    shares = softmax(matrix, axis=1)
    return darts.discretise(shares[:edges], shares[edges:], darts.top_pairs)


def prune_nb201(logits: npt.ArrayLike) -> tuple[int, ...]:
    """The ops of β [6, 5]: each edge's largest, in the softmax as in β, ties to the earlier op.

    The paper did not search this space, in which an edge holds one op: the pairs that a node would
    keep of one edge, or of more than two, have no counterpart. An edge is pruned where none
    has the largest β; none's gate changes no image's value, so its β follows only the regulariser
    and the decay, both downwards.

    Raises:
        ValueError: of another shape, or NaN.
    """
    matrix = _checked(logits, (len(nb201.EDGES), len(nb201.OPS)))
    return tuple(matrix.argmax(axis=1).tolist())


def _checked(logits: npt.ArrayLike, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    matrix = np.asarray(logits, np.float64)
    if matrix.shape != shape:
        raise ValueError(
            f"logits: expected shape {list(shape)}, edges by ops, got {list(matrix.shape)}"
        )
    if np.isnan(matrix).any():
        edge, op = np.argwhere(np.isnan(matrix))[0]
        raise ValueError(f"logits: NaN at edge {edge}, op {op}; nothing can be chosen")
    return matrix
