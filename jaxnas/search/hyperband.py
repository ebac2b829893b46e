"""BOHB: Hyperband whose new architectures come from a kernel density model.

Own code: hpbandster, the authors', is no longer maintained and needs a name server and ConfigSpace
for what is here a page.

References:
  Falkner et al., "BOHB: Robust and efficient hyperparameter optimization at scale", ICML 2018,
  algorithms 1 and 2; Li et al., "Hyperband", JMLR 2018;
  settings of Dong & Yang, "NAS-Bench-201", ICLR 2020
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from jaxnas.search import kernel_density
from jaxnas.search.strategy import Strategy
from jaxnas.spaces import DEFAULT, Space


def bohb(
    rng: np.random.Generator,
    space: Space = DEFAULT,
    rungs: int = 3,
    eta: int = 3,
    num_samples: int = 4,
    random_fraction: float = 0.0,
    min_bandwidth: float = 0.3,
) -> Strategy:
    """Hyperband's brackets, in turn and for ever; of each rung the best 1/eta go to the next.

    As in the published runs, every query is the same training, whatever the rung: there a cell
    that goes up a rung is trained and paid for again, at 12 epochs each time. So brackets say which
    cells are repeated, not how long they are trained. The defaults are those runs': budgets of 12
    to 200 epochs by name are three rungs.

    Args:
        rng: draws architectures.
        space: what is searched, by its codes.
        rungs: of the longest bracket.
        eta: one in so many goes up.
        num_samples: draws from the model, of which the most promising is asked for.
        random_fraction: probability of a uniform draw where there is a model.
        min_bandwidth: of the model, see `kernel_density.fit`.
    """
    choices = np.array(space.choices)
    seen: list[list[tuple[NDArray[np.int64], float]]] = [[] for _ in range(rungs)]
    while True:
        for bracket in brackets(rungs, eta):
            first = rungs - len(bracket)
            standing: list[tuple[NDArray[np.int64], float]] = []
            for rung, count in enumerate(bracket, first):
                promoted = sorted(standing, key=lambda entry: -entry[1])[:count]
                standing = []
                for place in range(count):
                    if rung > first:
                        code = promoted[place][0]
                    else:
                        code = _propose(
                            seen, choices, rng, num_samples, random_fraction, min_bandwidth
                        )
                    reward = yield space.decode(code.tolist())
                    standing.append((code, reward))
                    seen[rung].append((code, reward))


def brackets(rungs: int, eta: int) -> Iterator[list[int]]:
    """How many cells each rung of each bracket has, the longest bracket first.

    With s further rungs a bracket starts with floor(rungs / (s + 1)) · eta^s cells.
    """
    for further in reversed(range(rungs)):
        start = rungs // (further + 1) * eta**further
        yield [start // eta**step for step in range(further + 1)]


def split(
    entries: list[tuple[NDArray[np.int64], float]], least: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """The best 15 % and the rest, each of `least` or more points, or None where there are too few.

    Args:
        entries: points [D] with their rewards.
        least: points that a model needs.

    Returns:
        Points [G, D] and [N - G, D], each with the best first.
    """
    count = len(entries)
    good = max(least, count * 15 // 100)
    if count - good < least:
        return None
    ordered = np.array([code for code, _ in sorted(entries, key=lambda entry: -entry[1])])
    return ordered[:good], ordered[good:]


def _propose(
    seen: list[list[tuple[NDArray[np.int64], float]]],
    choices: NDArray[np.int64],
    rng: np.random.Generator,
    num_samples: int,
    random_fraction: float,
    min_bandwidth: float,
) -> NDArray[np.int64]:
    """A code [D], from the model of the highest rung that has enough points for one."""
    halves = (split(entries, len(choices) + 1) for entries in reversed(seen))
    found = next((half for half in halves if half is not None), None)
    if found is None or rng.random() < random_fraction:
        return kernel_density.integers(rng, choices, choices.shape)
    good, bad = (kernel_density.fit(points, choices, min_bandwidth) for points in found)
    drawn = good.sample(rng, num_samples)
    return drawn[np.argmax(good.density(drawn) / bad.density(drawn))]
