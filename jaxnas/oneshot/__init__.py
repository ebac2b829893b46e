"""Search by gradient on a supernet, whose weights all architectures of a space share.

One step, compiled once, serves all methods; a method is an estimator of `jaxnas.estimators`, a
distribution over architectures and constants, the papers' by default.
"""

from jaxnas.oneshot.log import Epoch, Outcome
from jaxnas.oneshot.method import Distribution, Method
from jaxnas.oneshot.methods import METHODS, make_recipe
from jaxnas.oneshot.recipe import Recipe
from jaxnas.oneshot.run import Diverged, search
from jaxnas.oneshot.spaces import SPACES, Found, Space

__all__ = [
    "METHODS",
    "SPACES",
    "Distribution",
    "Diverged",
    "Epoch",
    "Found",
    "Method",
    "Outcome",
    "Recipe",
    "Space",
    "make_recipe",
    "search",
]
