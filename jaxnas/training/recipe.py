"""NAS-Bench-201's optimiser: SGD with Nesterov's momentum, weight decay, a cosine by epochs."""

import jax.numpy as jnp
import optax  # type: ignore[import-untyped]

from jaxnas.training.settings import Settings
from jaxnas.types import Array


def optimiser(settings: Settings, steps_per_epoch: int) -> optax.GradientTransformation:
    """PyTorch's SGD(momentum, weight_decay, nesterov=True) with `learning_rate` as its schedule.

    With g the gradient, p the parameter, m the momentum and l the rate:
    d = g + weight_decay p; v <- m v + d; p <- p - l (d + m v).
    """

    def schedule(step: Array) -> Array:
        return learning_rate(settings, step // steps_per_epoch)

    return optax.chain(
        optax.add_decayed_weights(settings.weight_decay),
        optax.sgd(schedule, settings.momentum, nesterov=True),
    )


def learning_rate(settings: Settings, epoch: int | Array) -> Array:
    """The rate of an epoch, counted from 0: l (1 + cos(pi epoch / epochs)) / 2.

    It stays the same through the epoch, as in the benchmark's code, so the last epoch's is not 0.
    """
    fraction = jnp.asarray(epoch, float) / settings.epochs
    return 0.5 * settings.learning_rate * (1 + jnp.cos(jnp.pi * fraction))
