"""Random search: every architecture is drawn anew.

References:
  Bergstra & Bengio, "Random search for hyper-parameter optimization", JMLR 2012
"""

import numpy as np

from jaxnas.search.strategy import Strategy
from jaxnas.spaces import DEFAULT, Space


def random_search(rng: np.random.Generator, space: Space = DEFAULT) -> Strategy:
    """Draws architectures uniformly, with replacement, and never ends.

    Args:
        rng: draws them.
        space: where from.
    """
    while True:
        yield space.sample(rng)
