"""Pictures: of scores, of what an evaluation finds, of a search by gradient, of cells."""

from jaxnas.plots.cell_graph import plot_cell
from jaxnas.plots.distributions import Scores, function_scores, plot_scores, rank_correlation
from jaxnas.plots.evaluation import plot_evaluation
from jaxnas.plots.gradient_search import plot_curves

__all__ = [
    "Scores",
    "function_scores",
    "plot_cell",
    "plot_curves",
    "plot_evaluation",
    "plot_scores",
    "rank_correlation",
]
