"""The optimisers of a search: SGD for the weights, Adam for α, both with coupled decay."""

from __future__ import annotations

from typing import NamedTuple

import optax  # type: ignore[import-untyped]

from jaxnas.oneshot.recipe import Recipe
from jaxnas.training.optimiser import cosine, sgd
from jaxnas.types import Array


class Optimisers(NamedTuple):
    """What takes gradients to updates.

    Attributes:
        weights: of the supernet's weights.
        unrolled: the same without clipping, for the step that DARTS' second order looks ahead by;
            its state is that of `weights`.
        alpha: of α.
    """

    weights: optax.GradientTransformation
    unrolled: optax.GradientTransformation
    alpha: optax.GradientTransformation


def optimisers(recipe: Recipe, steps_per_epoch: int) -> Optimisers:
    """PyTorch's SGD(momentum, weight_decay) and Adam(betas, weight_decay), after clipping."""

    def rate(step: Array) -> Array:
        return weight_rate(recipe, step // steps_per_epoch)

    def weights(clip: float | None) -> optax.GradientTransformation:
        return sgd(
            rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            clip=_clip(clip),
        )

    alpha = optax.chain(
        _clip(recipe.alpha_clip),
        optax.add_decayed_weights(recipe.alpha_decay),
        optax.adam(recipe.alpha_rate, recipe.alpha_beta1, recipe.alpha_beta2, recipe.alpha_epsilon),
    )
    if recipe.alpha_estimates > 1:
        alpha = optax.MultiSteps(alpha, recipe.alpha_estimates).gradient_transformation()
    return Optimisers(weights(recipe.weight_clip), weights(None), alpha)


def weight_rate(recipe: Recipe, epoch: int | Array) -> Array:
    """The weights' rate in an epoch, counted from 0: a cosine from the first rate to the final."""
    return cosine(recipe.weight_rate, recipe.final_weight_rate, recipe.epochs, epoch)


def _clip(norm: float | None) -> optax.GradientTransformation:
    # Both have the same, empty, state.
    return optax.identity() if norm is None else optax.clip_by_global_norm(norm)
