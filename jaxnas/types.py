"""Types shared by every part of the library."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax

Array: TypeAlias = jax.Array
Params: TypeAlias = Any  # a pytree of arrays
Apply: TypeAlias = Callable[[Params, Array], Array]  # (params, x [B, ...]) -> logits [B, K]
Path: TypeAlias = tuple[str, ...]  # of a parameter in its tree
