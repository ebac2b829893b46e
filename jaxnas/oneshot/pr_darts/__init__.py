"""PR-DARTS: stochastic gates, group-structured sparsity, path-depth regularisation."""

from jaxnas.oneshot.pr_darts.cell import DARTS, NB201, Cell, Space
from jaxnas.oneshot.pr_darts.method import annealed, pr_darts, released_pr_darts
from jaxnas.oneshot.pr_darts.regularisers import (
    Strengths,
    non_skip,
    path,
    penalty,
    released_penalty,
    skip,
)

__all__ = [
    "DARTS",
    "NB201",
    "Cell",
    "Space",
    "Strengths",
    "annealed",
    "non_skip",
    "path",
    "penalty",
    "pr_darts",
    "released_penalty",
    "released_pr_darts",
    "skip",
]
