"""Pictures: of a table of scores, of what an evaluation finds, of a search by gradient."""

from jaxnas.plots.distributions import Scores, function_scores, plot_scores, rank_correlation
from jaxnas.plots.evaluation import plot_evaluation
from jaxnas.plots.gradient_search import plot_curves

__all__ = [
    "Scores",
    "function_scores",
    "plot_curves",
    "plot_evaluation",
    "plot_scores",
    "rank_correlation",
]
