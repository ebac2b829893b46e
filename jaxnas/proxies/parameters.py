"""What is a parameter in the tree that a user brings, and what is held constant beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnas.checks import quoted
from jaxnas.proxies.checking import values
from jaxnas.proxies.subject import path_names
from jaxnas.types import Params

_NUMBERS = (jax.Array, np.ndarray, np.generic)


def parameters(tree: Params) -> tuple[Params, Callable[[Params], Params]]:
    """The parameters of a tree, and the function that puts them back among what is constant.

    Parameters are floats. Of a tree with an entry `params`, such as what flax's `model.init` gives
    or a `TrainState`, they are those below it; of flax.nnx's variables, those of `nnx.Param`. The
    rest (running statistics, counts, flags, keys of random numbers, names, functions) is state.

    Args:
        tree: pytree of arrays.

    Returns:
        The tree with None in the place of what is constant, so that paths stay what they are, and
        the function from such a tree to a whole one.

    Raises:
        ValueError: there are no parameters, or they are no finite real numbers.
    """
    _, structure = jax.tree.flatten(tree)
    leaves, own = [], []
    for name, leaf, is_parameter in _leaves(tree):
        is_own = is_parameter and _is_float(name, leaf)
        # Outside the scope of float64, so that numpy's arrays have the types the network has.
        with np.errstate(over="ignore"):
            held = jnp.asarray(leaf) if is_own or _is_table(leaf) else leaf
        _check_finite(name, held, is_own)
        leaves.append(held)
        own.append(is_own)
    if not any(own):
        raise ValueError(
            f"params: expected a tree with at least one array of floats, got {_told(tree)}; "
            "give what model.init returned, or the state of nnx.split"
        )

    def whole(trained: Params) -> Params:
        values = iter(jax.tree.leaves(trained))
        mixed = [next(values) if is_own else leaf for leaf, is_own in zip(leaves, own, strict=True)]
        return jax.tree.unflatten(structure, mixed)

    alone = [leaf if is_own else None for leaf, is_own in zip(leaves, own, strict=True)]
    return jax.tree.unflatten(structure, alone), whole


def _leaves(tree: Params) -> Iterator[tuple[str, Any, bool]]:
    """Each leaf's name, the leaf, and whether it is where parameters are."""
    # Where nothing has imported flax.nnx, nothing is of it.
    nnx: Any = sys.modules.get("flax.nnx")
    is_variable = lambda node: nnx is not None and isinstance(node, nnx.Variable)  # noqa: E731
    nodes = jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_variable)
    paths = [path_names(path) for path, _ in nodes]
    at_top, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda node: node is not tree)
    collections = any(path_names(path) == ("params",) for path, _ in at_top)
    for path, (_, node) in zip(paths, nodes, strict=True):
        inside = path[:1] == ("params",) or not collections
        if is_variable(node):
            inside = inside and isinstance(node, nnx.Param)
        for leaf in jax.tree.leaves(node):
            yield "/".join(path), leaf, inside


def _is_table(leaf: Any) -> bool:
    """Whether a leaf is numpy's, of numbers."""
    return isinstance(leaf, np.ndarray | np.generic) and leaf.dtype.kind in "biuf"


def _is_float(name: str, leaf: Any) -> bool:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        raise ValueError(
            f"params: expected arrays, got the shape of one at {_place(name)}; give what "
            "model.init returned, not jax.eval_shape of it"
        )
    if isinstance(leaf, complex) or (
        isinstance(leaf, _NUMBERS) and jnp.issubdtype(leaf.dtype, jnp.complexfloating)
    ):
        raise ValueError(
            f"params: expected real numbers, got complex ones at {_place(name)}; hold real and "
            "imaginary parts as parameters and join them in apply"
        )
    if isinstance(leaf, _NUMBERS):
        return bool(jnp.issubdtype(leaf.dtype, jnp.floating))
    return isinstance(leaf, float)


def _check_finite(name: str, leaf: Any, is_own: bool) -> None:
    """Raises ValueError for a parameter that is not finite, and for state that is NaN.

    State may be infinite, as masks of attention are.
    """
    if (
        not isinstance(leaf, jax.Array)
        or isinstance(leaf, jax.core.Tracer)
        or not jnp.issubdtype(leaf.dtype, jnp.floating)
    ):
        return
    found = values(f"params at {_place(name)}", leaf)
    bad = ~np.isfinite(found) if is_own else np.isnan(found)
    if bad.any():
        raise ValueError(
            f"params: expected finite numbers, got NaN or infinite ones in {int(bad.sum())} of "
            f"{bad.size} entries of {_place(name)}; initialise it anew"
        )


def _place(name: str) -> str:
    return quoted(name) if name else "params itself"


def _told(tree: Params) -> str:
    """What a tree without parameters is, in a few words."""
    kinds = sorted({type(leaf).__name__ for leaf in jax.tree.leaves(tree)})
    return f"{type(tree).__name__} of {', '.join(kinds[:3]) or 'nothing'}"
