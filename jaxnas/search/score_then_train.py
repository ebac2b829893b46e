"""GT-NAS: score many untrained architectures, train the few best, keep the best of those.

References:
  "A gradient-based kernel approach for efficient network architecture search", section 5
  (published as KNAS, ICML 2021): the score is `gradient_kernel`, s = 300, k = 20 and 40
"""

import math
from collections.abc import Callable, Iterable
from typing import TypeAlias

from jaxnas.checks import whole
from jaxnas.search.strategy import Strategy, each
from jaxnas.spaces import DEFAULT, Space

Score: TypeAlias = Callable[[str], float]
"""What a proxy gives an arch, higher is better, NaN where it is undefined."""


def gt_nas(sample: Iterable[str], score: Score, k: int, space: Space = DEFAULT) -> Strategy:
    """Asks for each of the `candidates`, the highest score first."""
    return each(candidates(sample, score, k, space))


def candidates(
    sample: Iterable[str], score: Score, k: int, space: Space = DEFAULT
) -> tuple[str, ...]:
    """The k sampled cells with the highest scores that are different functions.

    Of equal scores the cell sampled first is ahead, so that a score with many ties, such as a
    count, is broken by chance; of functionally equal cells the one ahead stands for all.

    Args:
        sample: archs, in random order.
        score: gives each of them a number; where it is NaN the cell is never picked.
        k: candidates wanted.
        space: whose archs they are.

    Returns:
        Archs [k], the highest score first.

    Raises:
        ValueError: fewer than k different functions have a score.
    """
    k = whole("k", k, 1)
    scores = {cell: score(cell) for cell in sample}
    ranked = sorted((c for c in scores if not math.isnan(scores[c])), key=lambda c: -scores[c])
    heads: dict[str, str] = {}
    for cell, function in zip(ranked, space.functions(ranked), strict=True):
        heads.setdefault(function, cell)
    if k > len(heads):
        raise ValueError(
            f"k = {k}: expected 1 to {len(heads)}, the different functions with a score among the "
            f"{len(scores)} cells sampled"
        )
    return tuple(heads.values())[:k]
