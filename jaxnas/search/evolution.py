"""Regularised evolution: the oldest cell dies, not the worst.

References:
  Real et al., "Regularized evolution for image classifier architecture search", AAAI 2019,
  algorithm 1; settings of Dong & Yang, "NAS-Bench-201", ICLR 2020
"""

from collections import deque

import numpy as np

from jaxnas.search.strategy import Strategy
from jaxnas.spaces import nb201


def regularized_evolution(
    rng: np.random.Generator, population_size: int = 10, sample_size: int = 3
) -> Strategy:
    """Mutates the best of a few members, drawn with replacement from the youngest cells.

    Args:
        rng: draws the first members, tournaments and mutations.
        population_size: members alive; the first so many cells are drawn uniformly.
        sample_size: members in a tournament; of equal ones the first drawn wins.
    """
    population: deque[tuple[int, float]] = deque(maxlen=population_size)
    while True:
        if len(population) < population_size:
            cell = int(rng.integers(nb201.NUM_CELLS))
        else:
            drawn = rng.integers(population_size, size=sample_size).tolist()
            parent, _ = max((population[i] for i in drawn), key=lambda member: member[1])
            cell = mutate(parent, rng)
        population.append((cell, (yield cell)))


def mutate(cell: int, rng: np.random.Generator) -> int:
    """Gives one edge another op, all four others being as likely.

    A node is drawn first, then one of the edges into it, as the benchmark's code does: edge 0->1
    changes with probability 1/3, an edge into node 2 with 1/6, one into node 3 with 1/9.
    """
    ops = list(nb201.index_to_ops(cell))
    node = int(rng.integers(1, 4))
    edge = nb201.EDGES.index((int(rng.integers(node)), node))
    ops[edge] = (ops[edge] + int(rng.integers(1, len(nb201.OPS)))) % len(nb201.OPS)
    return nb201.ops_to_index(ops)
