"""Temperatures, constant or annealed; the state of their estimators counts the estimates made."""

from collections.abc import Callable
from typing import TypeAlias

import jax.numpy as jnp

from jaxnas.checks import checked, ranges
from jaxnas.types import Array

Temperature: TypeAlias = float | Callable[[Array], Array]
"""A number above 0, or that of the n-th estimate, n = 0, 1, …: any schedule of optax."""


def as_schedule(temperature: Temperature) -> Callable[[Array], Array]:
    """The temperature of each estimate, scalar by number.

    Raises:
        ValueError: a constant is out of its range.
    """
    if callable(temperature):
        return temperature
    checked("temperature", temperature, ranges.Temperature)
    return lambda _: jnp.asarray(temperature)


def start(key: Array, logits: Array) -> Array:
    """No estimate made yet."""
    del key, logits
    return jnp.zeros((), jnp.int32)
