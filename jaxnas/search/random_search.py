"""Random search: every cell is drawn anew.

References:
  Bergstra & Bengio, "Random search for hyper-parameter optimization", JMLR 2012
"""

import numpy as np

from jaxnas.search.strategy import Strategy
from jaxnas.spaces import nb201


def random_search(rng: np.random.Generator) -> Strategy:
    """Draws cells uniformly, with replacement, and never ends."""
    while True:
        yield int(rng.integers(nb201.NUM_CELLS))
