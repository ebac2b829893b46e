"""The optimiser: SGD with momentum, weight decay and clipping, its rate a cosine by epochs."""

from collections.abc import Callable

import jax.numpy as jnp
import optax  # type: ignore[import-untyped]

from jaxnas.training.settings import TrainingSettings
from jaxnas.types import Array


def optimiser(settings: TrainingSettings, steps_per_epoch: int) -> optax.GradientTransformation:
    """The optimiser of a training, `sgd` with `learning_rate` as its schedule."""

    def schedule(step: Array) -> Array:
        return learning_rate(settings, step // steps_per_epoch)

    clip = settings.gradient_clip
    return sgd(
        schedule,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
        clip=optax.clip_by_global_norm(clip) if clip else None,
    )


def sgd(
    schedule: Callable[[Array], Array],
    *,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    clip: optax.GradientTransformation | None,
) -> optax.GradientTransformation:
    """PyTorch's SGD(momentum, weight_decay, nesterov) of gradients that may be clipped before.

    With g the gradient, p the parameter, m the momentum, l the rate and |g| the norm over all
    parameters: g <- g min(1, clip / |g|) where a gradient is clipped; d = g + weight_decay p;
    v <- m v + d; p <- p - l v, or p - l (d + m v) by Nesterov.

    Args:
        schedule: step, counted from 0 → l.
        momentum: m.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: of all parameters.
        clip: what is done to the gradient first, None for nothing.
    """
    return optax.chain(
        *([] if clip is None else [clip]),
        optax.add_decayed_weights(weight_decay),
        optax.sgd(schedule, momentum, nesterov=nesterov),
    )


def cosine(first: float, last: float, epochs: int, epoch: int | Array) -> Array:
    """The rate of an epoch, counted from 0: last + (first - last) (1 + cos(pi epoch / epochs)) / 2.

    It stays the same through an epoch, as in the papers' code; `last` would be that of the epoch
    after the final one.
    """
    fraction = jnp.asarray(epoch, float) / epochs
    return last + 0.5 * (first - last) * (1 + jnp.cos(jnp.pi * fraction))


def learning_rate(settings: TrainingSettings, epoch: int | Array) -> Array:
    """The rate of an epoch of a training, counted from 0: a cosine that ends at 0."""
    return cosine(settings.learning_rate, 0, settings.epochs, epoch)
