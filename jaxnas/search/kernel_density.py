"""A kernel density over unordered categories: the model that BOHB draws from.

References:
  Aitchison & Aitken, "Multivariate binary discrimination by the kernel method", Biometrika 1976
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class KernelDensity:
    """The mean over points of a product over dimensions of Aitchison and Aitken's kernel.

    The kernel keeps 1 - h for a point's own category and gives h / (c - 1) to each other one, so
    at h = (c - 1) / c it is uniform and the density sums to 1 over the whole space.

    Attributes:
        points: integers [N, D], each from 0 to c - 1.
        bandwidths: h, [D], each from 0 to (c - 1) / c.
        categories: c, [D].
    """

    points: NDArray[np.integer]
    bandwidths: NDArray[np.float64]
    categories: NDArray[np.integer]

    def density(self, at: NDArray[np.integer]) -> NDArray[np.float64]:
        """Probabilities [M] of points [M, D]."""
        same = at[:, None, :] == self.points
        kernel = np.where(same, 1 - self.bandwidths, self.bandwidths / _others(self.categories))
        return kernel.prod(axis=-1).mean(axis=-1)

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Draws points [count, D] from the density."""
        centres = self.points[rng.integers(len(self.points), size=count)].astype(np.int64)
        moved = rng.random(centres.shape) < self.bandwidths
        steps = 1 + integers(rng, _others(self.categories), centres.shape)
        return np.where(moved, (centres + steps) % self.categories, centres)


def fit(
    points: NDArray[np.integer], categories: NDArray[np.integer], min_bandwidth: float
) -> KernelDensity:
    """A density with the normal reference bandwidths, 1.06 σ N^(-1/(4+D)), as BOHB has them.

    They are kept at or above `min_bandwidth` and at or below (c - 1) / c. (The normal reference
    knows no upper end; statsmodels, which BOHB's authors used, lets such kernels go negative.)

    Args:
        points: integers [N, D].
        categories: c, [D].
        min_bandwidth: the lower end.
    """
    count, dimensions = points.shape
    reference = 1.06 * points.std(axis=0) * count ** (-1 / (4 + dimensions))
    widest = (categories - 1) / categories
    return KernelDensity(points, np.clip(reference, min_bandwidth, widest), categories)


def integers(
    rng: np.random.Generator, below: NDArray[np.integer], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Uniform integers from 0 to below - 1, int64 of a shape whose last axis is that of `below`."""
    first = int(below[0])
    # numpy draws another stream where the bounds are an array.
    return rng.integers(first if (below == first).all() else below, size=shape)


def _others(categories: NDArray[np.integer]) -> NDArray[np.integer]:
    """How many other categories each one has; 1 where there is none, at bandwidth 0."""
    return np.maximum(categories - 1, 1)
