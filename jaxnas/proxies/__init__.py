"""Scores of a network at initialisation, for any pure `apply(params, x)`.

    scores = proxies.score(["js", "pjs", "gradient_kernel"], model.apply, params, x, y)

Each proxy has a keyword factory (`js()`, `pjs(zeros="structural-removed")`, ...) that gives a
`Proxy`, callable on a network; `score` computes several and every gradient they share once.
Of what it is given only floats are parameters, and of flax's variables only `params`; the rest is
state, held constant. `linen`, `nnx` and `logits_of` make such a function of models that are none.
A score that is undefined is NaN, and a warning, `UndefinedScore`, says why.
`CATALOGUE` lists every score with its meaning, its source and its cost.
"""

from typing import TYPE_CHECKING

from jaxnas import lazy
from jaxnas.proxies.catalogue import CATALOGUE, Entry, make

if TYPE_CHECKING:
    from jaxnas.proxies.adapters import linen, logits_of, nnx
    from jaxnas.proxies.gradient_kernels import (
        gradient_correlation,
        gradient_kernel,
        gradient_kernel_sampled,
        gradient_trace,
        gradient_value,
        layerwise,
    )
    from jaxnas.proxies.input_jacobian import js, jsc
    from jaxnas.proxies.parameter_jacobian import pjs, pjsc, wpjs, wpjsi
    from jaxnas.proxies.proxy import Proxy, score
    from jaxnas.proxies.undefined import UndefinedScore

__all__ = [
    "CATALOGUE",
    "Entry",
    "Proxy",
    "UndefinedScore",
    "gradient_correlation",
    "gradient_kernel",
    "gradient_kernel_sampled",
    "gradient_trace",
    "gradient_value",
    "js",
    "jsc",
    "layerwise",
    "linen",
    "logits_of",
    "make",
    "nnx",
    "pjs",
    "pjsc",
    "score",
    "wpjs",
    "wpjsi",
]

_HOMES = {
    "adapters": ("linen", "logits_of", "nnx"),
    "gradient_kernels": (
        "gradient_correlation",
        "gradient_kernel",
        "gradient_kernel_sampled",
        "gradient_trace",
        "gradient_value",
        "layerwise",
    ),
    "input_jacobian": ("js", "jsc"),
    "parameter_jacobian": ("pjs", "pjsc", "wpjs", "wpjsi"),
    "proxy": ("Proxy", "score"),
    "undefined": ("UndefinedScore",),
}
# The catalogue can be read without JAX, which these need.
__getattr__, _ = lazy.attach(
    __name__,
    {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names},
)


def __dir__() -> list[str]:
    return sorted(__all__)
