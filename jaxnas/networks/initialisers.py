"""Initialisers of kernels and of the linear layer's bias, by name."""

import math
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxnas.types import Array

Initialisation = Literal["pytorch", "he", "xavier"]
Initialiser = Callable[[Array, tuple[int, ...], Any], Array]

KERNELS: dict[Initialisation, Initialiser] = {
    # PyTorch's default for convolutions and linear layers: uniform in +-1 / sqrt(fan_in).
    "pytorch": nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
    "he": nn.initializers.variance_scaling(2, "fan_in", "normal"),
    "xavier": nn.initializers.variance_scaling(1, "fan_avg", "uniform"),
}


def linear_bias(name: Initialisation, fan_in: int) -> Initialiser:
    """The linear layer's bias: uniform in +-1 / sqrt(fan_in) as PyTorch's, otherwise zero."""
    if name != "pytorch":
        return nn.initializers.zeros
    bound = 1 / math.sqrt(fan_in)

    def uniform(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return uniform
