"""Kendall's sum over all pairs, exact, for many weightings of the same points at once.

The bootstrap needs Σ_{i<j} w_i w_j sign(x_i - x_j) sign(y_i - y_j) for thousands of weightings w of
15,625 points. The points are cut into blocks of neighbours in x and in y, about √n to a block, ties
never apart. For two points that share no block the blocks' order gives the signs, so a histogram of
the weights over (block in y, block in x) is enough; the pairs within a block are summed one by one.
Both are matrix products. Whole weights give whole sums, exact in float64 below 2^53.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse  # type: ignore[import-untyped]
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Weightings at a time, so that their histograms stay in the cache.
_AT_ONCE = 32


def pair_sums(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Σ_{i<j} w_i w_j sign(x_i - x_j) sign(y_i - y_j): concordant minus discordant pairs.

    Args:
        x: finite, [n].
        y: finite, [n].
        weights: [n, R], how often each point is there in each weighting.

    Returns:
        [R].
    """
    in_x, in_y = _blocks(x), _blocks(y)
    sums = _between_blocks(in_x, in_y, weights)
    # Pairs in one block of y, whatever their blocks of x; then those in one block of x alone.
    for rows in _members(in_y):
        sums += _within(x[rows], y[rows], weights[rows])
    for rows in _members(in_x):
        sums += _within(x[rows], y[rows], weights[rows], apart=in_y[rows])
    return sums


def _blocks(values: Floats) -> NDArray[np.int64]:
    """Number of each point's block, [n]; rises with the value, equal values in one block.

    A value with more copies than a block's size has a block of its own, so that no other block is
    longer than twice the size.
    """
    size = max(math.isqrt(len(values)), 1)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    starts = np.cumsum(counts) - counts
    block = 2 * (starts // size) + (counts > size)
    return np.unique(block[inverse], return_inverse=True)[1]


def _members(block: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Points of each block."""
    order = np.argsort(block, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(block[order])) + 1)


def _between_blocks(in_x: NDArray[np.int64], in_y: NDArray[np.int64], weights: Floats) -> Floats:
    """The sum over pairs that share neither block."""
    wide, high = int(in_x.max()) + 1, int(in_y.max()) + 1
    points = len(in_x)
    indicator = scipy.sparse.csr_array(
        (np.ones(points), (in_y * wide + in_x, np.arange(points))), shape=(high * wide, points)
    )
    # [b, b']: +1 where b' < b.
    sign = np.sign(np.subtract.outer(np.arange(wide), np.arange(wide))).astype(np.float64)
    sums = np.empty(weights.shape[1])
    for start in range(0, len(sums), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        histogram = (indicator @ weights[:, part]).reshape(high, wide, -1)
        lower = np.cumsum(histogram, axis=0) - histogram
        sums[part] = np.einsum("ijr,ijr->r", histogram, sign @ lower)
    return sums


def _within(
    x: Floats, y: Floats, weights: Floats, apart: NDArray[np.int64] | None = None
) -> Floats:
    """The sum over pairs of a block's points, only those of which `apart` differs."""
    if len(x) < 2 or x.max() == x.min() or y.max() == y.min():
        return np.zeros(weights.shape[1])
    signs = np.sign(np.subtract.outer(x, x)) * np.sign(np.subtract.outer(y, y))
    if apart is not None:
        signs *= apart[:, None] != apart
    return np.asarray(np.einsum("ir,ir->r", signs @ weights, weights)) / 2
