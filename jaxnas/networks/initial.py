"""Initial weights, drawn on the host: one tensor at a time, each from a stream of its own.

Flax's `init` would do, but compiles a program of hundreds of small draws; here nothing is compiled.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnas.networks.initialisers import Initialisation


def generator(*numbers: int) -> np.random.Generator:
    """The random numbers of one tensor, which no other draw changes: PCG64 of a few integers."""
    return np.random.Generator(np.random.PCG64(numbers))


def draw(
    random: np.random.Generator,
    scheme: Initialisation,
    name: str,
    shape: tuple[int, ...],
    fan_in: int,
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """One tensor: a kernel [..., C_in, C_out] or a bias, as `jaxnas.networks.initialisers` has it.

    Float32 and float64 draw the same numbers, to round-off.

    Args:
        random: where the numbers come from.
        scheme: "pytorch", "he" or "xavier".
        name: "kernel" or "bias".
        shape: of the tensor.
        fan_in: inputs of one output.
        dtype: float32 or float64.
    """
    if name == "bias" and scheme != "pytorch":
        return np.zeros(shape, dtype)
    if scheme == "he":
        return (random.standard_normal(shape) * math.sqrt(2 / fan_in)).astype(dtype)
    if scheme == "xavier":
        fan_out = math.prod(shape[:-2]) * shape[-1]
        bound = math.sqrt(6 / (fan_in + fan_out))
    else:
        bound = 1 / math.sqrt(fan_in)
    return ((random.random(shape) * 2 - 1) * bound).astype(dtype)
