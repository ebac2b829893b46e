"""The forward order of a network's tensors, read off its trace.

A parameter tree sorts its keys, so it cannot tell which tensor comes first.
"""

from typing import Any

import jax
from jax.extend import core

from jaxnas.proxies.subject import path_names
from jaxnas.types import Apply, Array, Params, Path


def forward_order(apply: Apply, params: Params, x: Array) -> tuple[Path, ...]:
    """Paths of the parameters with two or more axes in the order in which `apply` first uses them.

    Args:
        apply: (params, x) -> logits, pure.
        params: pytree of arrays.
        x: a batch [B, ...]; only its shape and type matter.
    """
    jaxpr = jax.make_jaxpr(apply)(params, x)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    first_uses = _first_uses(jaxpr.jaxpr, jaxpr.jaxpr.invars[: len(leaves)])
    # A parameter that is never used has no place and no gradient; it goes last.
    never = (float("inf"),)
    placed = sorted(
        (use or never, i)
        for i, ((_, leaf), use) in enumerate(zip(leaves, first_uses, strict=True))
        if leaf.ndim >= 2
    )
    return tuple(path_names(leaves[i][0]) for _, i in placed)


def _first_uses(jaxpr: Any, variables: list[Any]) -> list[tuple[float, ...]]:
    """For each variable where it is first used: equation, then equation inside that, and so on."""
    first: dict[Any, tuple[float, ...]] = {}
    for number, equation in enumerate(jaxpr.eqns):
        new = [v for v in variables if v not in first and any(v is w for w in equation.invars)]
        if not new:
            continue
        inner = _same_signature_jaxpr(equation)
        for v in new:
            place: tuple[float, ...] = (float(number),)
            if inner is not None:
                position = next(i for i, w in enumerate(equation.invars) if w is v)
                place += _first_uses(inner, [inner.invars[position]])[0]
            first[v] = place
    return [first.get(v, ()) for v in variables]


def _same_signature_jaxpr(equation: Any) -> Any:
    """The jaxpr that a call such as jit's passes its operands to unchanged, or None."""
    for value in equation.params.values():
        inner = value.jaxpr if isinstance(value, core.ClosedJaxpr) else value
        if isinstance(inner, core.Jaxpr) and len(inner.invars) == len(equation.invars):
            return inner
    return None
