"""Regularised evolution: the oldest architecture dies, not the worst.

References:
  Real et al., "Regularized evolution for image classifier architecture search", AAAI 2019,
  algorithm 1; settings of Dong & Yang, "NAS-Bench-201", ICLR 2020
"""

from collections import deque

import numpy as np

from jaxnas.search.strategy import Strategy
from jaxnas.spaces import DEFAULT, Space


def regularized_evolution(
    rng: np.random.Generator,
    space: Space = DEFAULT,
    population_size: int = 10,
    sample_size: int = 3,
) -> Strategy:
    """Mutates the best of a few members, drawn with replacement from the youngest architectures.

    Args:
        rng: draws the first members, tournaments and mutations.
        space: what is searched; its `mutate` gives a member's child.
        population_size: members alive; the first so many are drawn uniformly.
        sample_size: members in a tournament; of equal ones the first drawn wins.
    """
    population: deque[tuple[str, float]] = deque(maxlen=population_size)
    while True:
        if len(population) < population_size:
            arch = space.sample(rng)
        else:
            drawn = rng.integers(population_size, size=sample_size).tolist()
            parent, _ = max((population[i] for i in drawn), key=lambda member: member[1])
            arch = space.mutate(parent, rng)
        population.append((arch, (yield arch)))
