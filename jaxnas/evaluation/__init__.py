"""How well scores rank cells by accuracy, which cells they pick, and what chance and counts do."""

from jaxnas.evaluation.baselines import chance, counts
from jaxnas.evaluation.evaluating import REPLICATES, Evaluation, EvaluationError, evaluate
from jaxnas.evaluation.measures import FIGURES
from jaxnas.evaluation.metrics import (
    above_median,
    best_percentile,
    kendall,
    monotonicity,
    slope,
    slope_scale,
    spearman,
    top_accuracy,
)
from jaxnas.evaluation.picking import PROTOCOLS, Picked, Protocol, draws, pick
from jaxnas.evaluation.report import CONDITIONS_FILE, TABLE_FILE, described, write_report
from jaxnas.evaluation.scores import Score, average, scores_of

__all__ = [
    "CONDITIONS_FILE",
    "FIGURES",
    "PROTOCOLS",
    "REPLICATES",
    "TABLE_FILE",
    "Evaluation",
    "EvaluationError",
    "Picked",
    "Protocol",
    "Score",
    "above_median",
    "average",
    "best_percentile",
    "chance",
    "counts",
    "described",
    "draws",
    "evaluate",
    "kendall",
    "monotonicity",
    "pick",
    "scores_of",
    "slope",
    "slope_scale",
    "spearman",
    "top_accuracy",
    "write_report",
]
