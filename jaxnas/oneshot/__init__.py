"""Search by gradient on a supernet, whose weights all architectures of a space share.

One step, compiled once, serves all methods; a method is an estimator of `jaxnas.estimators`, a
distribution over architectures and constants, the papers' by default.
"""

from typing import TYPE_CHECKING

from jaxnas.lazy import attach

if TYPE_CHECKING:
    from jaxnas.oneshot.log import Epoch, Outcome
    from jaxnas.oneshot.method import Distribution, Method
    from jaxnas.oneshot.recipe import Recipe
    from jaxnas.oneshot.recipes import METHODS, make_recipe
    from jaxnas.oneshot.run import Diverged, search

__all__ = [
    "METHODS",
    "Distribution",
    "Diverged",
    "Epoch",
    "Method",
    "Outcome",
    "Recipe",
    "make_recipe",
    "search",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "METHODS": "jaxnas.oneshot.recipes",
        "Distribution": "jaxnas.oneshot.method",
        "Diverged": "jaxnas.oneshot.run",
        "Epoch": "jaxnas.oneshot.log",
        "Method": "jaxnas.oneshot.method",
        "Outcome": "jaxnas.oneshot.log",
        "Recipe": "jaxnas.oneshot.recipe",
        "make_recipe": "jaxnas.oneshot.recipes",
        "search": "jaxnas.oneshot.run",
    },
)
