"""Estimators of the gradient of E[L(Z)] for independent categorical edges, Z ~ p_α.

`gradient` applies any of them; `Estimator.surrogate` gives the gradient by a network's weights
along with it.

| | unbiased | evaluations | ops computed of an edge |
|---|---|---|---|
| `exact` | yes, no variance | K^E | 1 |
| `score_function` | yes | 1 | 1 |
| `relax` | yes | 1 | 1 |
| `ram` | yes | E (K - 1) + 1 | 1 |
| `gumbel_softmax` | no | 1 | K, with derivative |
| `straight_through` | no | 1 | K, with derivative |
| `gdas` | no | 1 | 1, with derivative |
| `softmax_mixture` | no, no variance | 1 | K, with derivative |
| `stochastic_gates` | no | 1 | K, with derivative |
| `straight_through_top_k` | no | 1 | K, with derivative |

The gates of the last two are of independent ops, not of one categorical choice an edge.
"""

from jaxnas.estimators.categorical import discrete, entropy, mode
from jaxnas.estimators.concrete import gumbel_softmax
from jaxnas.estimators.control_variates import relax
from jaxnas.estimators.enumeration import exact
from jaxnas.estimators.estimator import (
    Estimate,
    Estimator,
    Evaluations,
    Loss,
    Mixing,
    Sample,
    gradient,
)
from jaxnas.estimators.gates import activation_probability, stochastic_gates
from jaxnas.estimators.marginalisation import ram
from jaxnas.estimators.mixtures import softmax_mixture
from jaxnas.estimators.one_hot import add_bare, gdas, straight_through
from jaxnas.estimators.score_functions import score_function
from jaxnas.estimators.temperature import Temperature
from jaxnas.estimators.top_k import straight_through_top_k

__all__ = [
    "Estimate",
    "Estimator",
    "Evaluations",
    "Loss",
    "Mixing",
    "Sample",
    "Temperature",
    "activation_probability",
    "add_bare",
    "discrete",
    "entropy",
    "exact",
    "gdas",
    "gradient",
    "gumbel_softmax",
    "mode",
    "ram",
    "relax",
    "score_function",
    "softmax_mixture",
    "stochastic_gates",
    "straight_through",
    "straight_through_top_k",
]
