"""The spaces that a search on a supernet knows, by name."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxnas.networks import darts, nb201
from jaxnas.networks.supernet import Found
from jaxnas.networks.supernet import Supernet as Space
from jaxnas.spaces.space import Sizes

__all__ = ["SPACES", "Found", "Space", "darts_space", "nb201_space"]


def nb201_space(
    num_classes: int, channels: int = 16, cells: int = 5, dtype: Any = jnp.float32
) -> Space:
    """NAS-Bench-201: 6 edges, 5 operations; see `jaxnas.networks.nb201.supernet`."""
    return nb201.supernet(Sizes(channels, cells), num_classes=num_classes, dtype=dtype)


def darts_space(
    num_classes: int, channels: int = 16, cells: int = 8, dtype: Any = jnp.float32
) -> Space:
    """The DARTS space: 28 edges, 8 operations; see `jaxnas.networks.darts.supernet`."""
    return darts.supernet(Sizes(channels, cells), num_classes=num_classes, dtype=dtype)


SPACES: dict[str, Callable[..., Space]] = {"nb201": nb201_space, "darts": darts_space}
"""Makers of spaces by name: of the number of classes, channels, cells and dtype."""
