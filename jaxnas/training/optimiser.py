"""The optimiser: SGD with momentum, weight decay and clipping, a cosine by epochs."""

import jax.numpy as jnp
import optax  # type: ignore[import-untyped]

from jaxnas.training.settings import Recipe
from jaxnas.types import Array


def optimiser(settings: Recipe, steps_per_epoch: int) -> optax.GradientTransformation:
    """PyTorch's SGD(momentum, weight_decay, nesterov) with `learning_rate` as its schedule.

    With g the gradient, p the parameter, m the momentum, l the rate and |g| the norm over all
    parameters: g <- g min(1, clip / |g|) where a gradient is clipped; d = g + weight_decay p;
    v <- m v + d; p <- p - l v, or p - l (d + m v) by Nesterov.
    """

    def schedule(step: Array) -> Array:
        return learning_rate(settings, step // steps_per_epoch)

    clip = settings.gradient_clip
    return optax.chain(
        *([optax.clip_by_global_norm(clip)] if clip else []),
        optax.add_decayed_weights(settings.weight_decay),
        optax.sgd(schedule, settings.momentum, nesterov=settings.nesterov),
    )


def learning_rate(settings: Recipe, epoch: int | Array) -> Array:
    """The rate of an epoch, counted from 0: l (1 + cos(pi epoch / epochs)) / 2.

    It stays the same through the epoch, as in the papers' code, so the last epoch's is not 0.
    """
    fraction = jnp.asarray(epoch, float) / settings.epochs
    return 0.5 * settings.learning_rate * (1 + jnp.cos(jnp.pi * fraction))
