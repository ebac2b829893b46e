"""Pictures: of a table of scores, and of what an evaluation finds."""

from jaxnas.plots.distributions import Scores, function_scores, plot_scores, rank_correlation
from jaxnas.plots.evaluation import plot_evaluation

__all__ = [
    "Scores",
    "function_scores",
    "plot_evaluation",
    "plot_scores",
    "rank_correlation",
]
