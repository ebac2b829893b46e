"""Search strategies, which ask for trainings, and experiments with them.

`search` runs a strategy on a `Query`: `tabular` answers from a benchmark's table, any other
function of a cell may train for real.
"""

from jaxnas.search.evolution import regularized_evolution
from jaxnas.search.experiment import Found, Run, Summary, optimum, repeat, searching, summarise
from jaxnas.search.hyperband import bohb
from jaxnas.search.literature import published
from jaxnas.search.policy_gradient import reinforce
from jaxnas.search.sampling import random_search
from jaxnas.search.score_then_train import Score, candidates, gt_nas
from jaxnas.search.strategy import Answer, Query, Strategy, Trace, each, search, tabular
from jaxnas.search.yardsticks import baselines, draw, picking

__all__ = [
    "Answer",
    "Found",
    "Query",
    "Run",
    "Score",
    "Strategy",
    "Summary",
    "Trace",
    "baselines",
    "bohb",
    "candidates",
    "draw",
    "each",
    "gt_nas",
    "optimum",
    "picking",
    "published",
    "random_search",
    "regularized_evolution",
    "reinforce",
    "repeat",
    "search",
    "searching",
    "summarise",
    "tabular",
]
