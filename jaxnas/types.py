"""Types shared by every part of the library."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax

Array: TypeAlias = jax.Array
Params: TypeAlias = Any  # a pytree of arrays
Apply: TypeAlias = Callable[[Params, Array], Array]  # (params, x [B, ...]) -> logits [B, K]
Path: TypeAlias = tuple[str, ...]  # of a parameter in its tree


class Tensor(NamedTuple):
    """A tensor with two or more axes among a network's parameters.

    Attributes:
        path: the parameter's path in its tree.
        place: position of the tensor along the parameter's first axis, where the parameter is a
            stack of tensors; pairs (axis, position) where it is one along other axes; None where it
            is the tensor itself.
        output_axis: the tensor's axis, without the stack's, along which the outputs lie; several
            where the outputs are spread over them, as over attention heads.
    """

    path: Path
    place: int | tuple[tuple[int, int], ...] | None = None
    output_axis: int | tuple[int, ...] = -1

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """(axis, position) for each axis along which the parameter is a stack."""
        if self.place is None:
            return ()
        return self.place if isinstance(self.place, tuple) else ((0, self.place),)
