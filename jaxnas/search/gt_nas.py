"""GT-NAS: score many untrained cells, train the few best, keep the best of those.

References:
  "A gradient-based kernel approach for efficient network architecture search", section 5
  (published as KNAS, ICML 2021): the score is `gradient_kernel`, s = 300, k = 20 and 40
"""

import math
from collections.abc import Callable, Iterable
from typing import TypeAlias

from jaxnas.search.strategy import Strategy, each
from jaxnas.spaces import nb201

# What a proxy gives a cell, higher is better, NaN where it is undefined.
Score: TypeAlias = Callable[[int], float]


def gt_nas(sample: Iterable[int], score: Score, k: int) -> Strategy:
    """Asks for each of the `candidates`, the highest score first."""
    return each(candidates(sample, score, k))


def candidates(sample: Iterable[int], score: Score, k: int) -> tuple[int, ...]:
    """The k sampled cells with the highest scores that are different functions.

    Of equal scores the cell sampled first is ahead, so that a score with many ties, such as a
    count, is broken by chance; of functionally equal cells the one ahead stands for all.

    Args:
        sample: official indices, in random order.
        score: of a cell; a cell whose score is NaN is never picked.
        k: candidates wanted.

    Returns:
        Official indices [k], the highest score first.

    Raises:
        ValueError: fewer than k different functions have a score.
    """
    scores = {cell: score(cell) for cell in sample}
    ranked = sorted((c for c in scores if not math.isnan(scores[c])), key=lambda c: -scores[c])
    functions = nb201.representatives()
    heads: dict[int, int] = {}
    for cell in ranked:
        heads.setdefault(int(functions[cell]), cell)
    if not 0 < k <= len(heads):
        raise ValueError(
            f"k = {k}: expected 1 to {len(heads)}, the different functions with a score among the "
            f"{len(scores)} cells sampled"
        )
    return tuple(heads.values())[:k]
