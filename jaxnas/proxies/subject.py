"""What a proxy scores: one network at initialisation and a batch."""

from dataclasses import dataclass
from typing import Any

import jax

from jaxnas.types import Apply, Array, Params, Path, Tensor


@dataclass(frozen=True)
class Subject:
    """One network at initialisation and the batch on which it is scored.

    Attributes:
        apply: (params, x [B, ...]) -> logits [B, K]. With batch normalisation the mode is the
            function's own affair.
        params: pytree of arrays.
        x: images [B, ...].
        y: labels int [B].
        order: the tensors with two or more axes, from the input to the output. A parameter may be a
            stack of them, each in its own place.
        live: for each parameter whether the network uses it, a tree like params of bools: a scalar,
            or [E] where the parameter is stacked over E places. None: a parameter whose gradient is
            zero on the whole batch is not used; for stacks of vectors it must be given, since
            nothing else tells them from matrices.
    """

    apply: Apply
    params: Params
    x: Array
    y: Array
    order: tuple[Tensor, ...] = ()
    live: Params | None = None


def path_names(path: tuple[Any, ...]) -> Path:
    """A leaf's path as names: keys of dictionaries, indices of lists."""
    return tuple(
        str(getattr(entry, "key", getattr(entry, "idx", getattr(entry, "name", entry))))
        for entry in path
    )


def by_path(tree: Params) -> dict[Path, Any]:
    """The leaves of a tree by their paths."""
    return {path_names(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
