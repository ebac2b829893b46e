"""Search strategies, which ask for trainings, and experiments with them.

`search` runs a strategy on a `Query`: `tabular` answers from a benchmark's table, any other
function of an arch may train for real. `simulate` runs any of `METHODS` many times on a table.
"""

from typing import TYPE_CHECKING

from jaxnas import lazy as _lazy

if TYPE_CHECKING:
    from jaxnas.search.evolution import regularized_evolution
    from jaxnas.search.experiment import (
        Found,
        Run,
        Summary,
        optimum,
        repeat,
        searching,
        summarise,
    )
    from jaxnas.search.hyperband import bohb
    from jaxnas.search.literature import published
    from jaxnas.search.methods import METHODS, Method
    from jaxnas.search.policy_gradient import reinforce
    from jaxnas.search.sampling import random_search
    from jaxnas.search.score_then_train import Score, candidates, gt_nas
    from jaxnas.search.simulation import Searched, Simulation, simulate
    from jaxnas.search.strategy import Answer, Query, Strategy, Trace, each, search, tabular
    from jaxnas.search.yardsticks import baselines, draw, picking

__all__ = [
    "METHODS",
    "Answer",
    "Found",
    "Method",
    "Query",
    "Run",
    "Score",
    "Searched",
    "Simulation",
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
    "simulate",
    "summarise",
    "tabular",
]

_HOMES = {
    "evolution": ("regularized_evolution",),
    "experiment": ("Found", "Run", "Summary", "optimum", "repeat", "searching", "summarise"),
    "hyperband": ("bohb",),
    "literature": ("published",),
    "methods": ("METHODS", "Method"),
    "policy_gradient": ("reinforce",),
    "sampling": ("random_search",),
    "score_then_train": ("Score", "candidates", "gt_nas"),
    "simulation": ("Searched", "Simulation", "simulate"),
    "strategy": ("Answer", "Query", "Strategy", "Trace", "each", "search", "tabular"),
    "yardsticks": ("baselines", "draw", "picking"),
}

__getattr__, __dir__ = _lazy.attach(
    __name__, {name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names}
)
