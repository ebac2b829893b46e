"""PR-DARTS: stochastic gates, group-structured sparsity, path-depth regularisation."""

from jaxnas.oneshot.pr_darts.cell import Cell, Kinds, cells_of
from jaxnas.oneshot.pr_darts.method import pr_darts, released_pr_darts
from jaxnas.oneshot.pr_darts.regularisers import (
    Strengths,
    non_skip,
    path,
    penalty,
    released_penalty,
    skip,
)

__all__ = [
    "Cell",
    "Kinds",
    "Strengths",
    "cells_of",
    "non_skip",
    "path",
    "penalty",
    "pr_darts",
    "released_penalty",
    "released_pr_darts",
    "skip",
]
