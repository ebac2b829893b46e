"""What a method of searching a supernet is: an estimator, and a distribution over architectures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxnas.estimators import Estimator, entropy
from jaxnas.estimators.categorical import draw
from jaxnas.networks.supernet import Found, Supernet
from jaxnas.oneshot import enas
from jaxnas.oneshot.enas import Controller
from jaxnas.oneshot.recipe import Alternation, Recipe
from jaxnas.types import Array

# Of a policy whose entropy has no closed form.
_ENTROPY_DRAWS = 64

Alpha: TypeAlias = Any  # a pytree of arrays


@dataclass(frozen=True)
class Distribution:
    """Over architectures, of parameters α, any pytree.

    Attributes:
        init: key → α at the start, before the estimator's own state.
        sample: key, α → operations int32 [E].
        entropy: α → nats, the mean over edges; NaN where it is not known.
        found: key, α (in host memory) → the architecture to report now; of a distribution without
            a most probable architecture one that the key draws.
    """

    init: Callable[[Array], Alpha]
    sample: Callable[[Array, Alpha], Array]
    entropy: Callable[[Alpha], Array]
    found: Callable[[Array, Alpha], Found]


@dataclass(frozen=True)
class Method:
    """An assembly for the one search step.

    Attributes:
        distribution: over architectures.
        estimator: of the gradient by α; None if α is not learned, and may then be empty. Of mixing
            "ops" the weights are trained by an architecture that `distribution.sample` draws, of
            the others by the estimator's own.
        alternation: of α's step and that of the weights.
        second_order: α's loss is the validation loss after a step of the weights (DARTS, eq. 7);
            for estimators of mixing "weights", in a bilevel search.
        candidates: architectures sampled and scored at the end; 0 for `distribution.found`.
        temperature: by step, for the log.
    """

    distribution: Distribution
    estimator: Estimator | None
    alternation: Alternation = "alpha-first"
    second_order: bool = False
    candidates: int = 0
    temperature: Callable[[Array], Array] | None = None

    def __post_init__(self) -> None:
        if self.second_order and (
            self.estimator is None
            or self.estimator.mixing != "weights"
            or self.alternation == "together"
        ):
            raise ValueError(
                "the second order: expected a bilevel search with all operations mixed, as DARTS' "
                "is; leave it out"
            )

    def evaluations(self, supernet: Supernet) -> int:
        """Networks evaluated on a batch in a step, whether one or all operations of an edge."""
        if self.estimator is None:
            return 1
        own = self.estimator.evaluations(supernet.edges, supernet.ops)
        if self.alternation == "together":
            return own
        return own + 1 + self.second_order


def categorical(supernet: Supernet, recipe: Recipe) -> Distribution:
    """Independent edges, logits α [E, K]; what is found is α discretised by the recipe's rule."""

    def init(key: Array) -> Array:
        noise = jax.random.normal(key, (supernet.edges, supernet.ops))
        return recipe.alpha_mean + recipe.alpha_deviation * noise

    def found(key: Array, alpha: Array) -> Found:
        del key
        return supernet.discretised(_softmax(np.asarray(alpha)), recipe.rule)

    return Distribution(init, draw, lambda alpha: entropy(alpha) / supernet.edges, found)


def uniform(supernet: Supernet) -> Distribution:
    """The space's own uniform distribution; α is empty, and the entropy that of free edges."""

    def found(key: Array, alpha: tuple[()]) -> Found:
        del alpha
        return supernet.named(tuple(jax.device_get(supernet.draw(key)).tolist()))

    return Distribution(
        init=lambda key: (),
        sample=lambda key, alpha: supernet.draw(key),
        entropy=lambda alpha: jnp.full((), jnp.nan),
        found=found,
    )


def recurrent(supernet: Supernet, controller: Controller) -> Distribution:
    """The cells that an ENAS controller draws, of parameters α; what is found is one of them."""

    def sample(key: Array, alpha: Alpha) -> Array:
        return enas.sample(controller, alpha, key, supernet.edges).ops

    def entropy_of_draws(alpha: Alpha) -> Array:
        keys = jax.random.split(jax.random.key(0), _ENTROPY_DRAWS)
        drawn = jax.vmap(lambda key: enas.sample(controller, alpha, key, supernet.edges))(keys)
        return drawn.entropy.mean() / supernet.edges

    def found(key: Array, alpha: Alpha) -> Found:
        return supernet.named(tuple(jax.device_get(sample(key, alpha)).tolist()))

    return Distribution(partial(enas.initial, controller), sample, entropy_of_draws, found)


def _softmax(logits: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Probabilities [E, K], by which rules compare edges."""
    exp = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return exp / exp.sum(1, keepdims=True)
