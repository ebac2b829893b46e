"""Where float64 comes from in a process that computes in float32.

Correlations and eigenvalues need it: 1 / (eigenvalue + 1e-5) magnifies the last digits of the
smallest. The scope is entered around traces only; the process's own setting is left as it was.
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp

P = ParamSpec("P")
R = TypeVar("R")


def with_float64(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run where JAX has 64-bit types."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return wrapped


def to_float64(x: Any) -> jax.Array:
    return jnp.asarray(x).astype(jnp.float64)
