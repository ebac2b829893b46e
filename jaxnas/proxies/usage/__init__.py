"""How a network uses its parameters: which are tensors, in what order, and where outputs lie.

A parameter tree tells none of it: it sorts its keys, and a kernel [n, n] looks the same whichever
axis is the outputs'. All is read off the trace of `apply(params, x)`. A parameter is followed
through whatever keeps it a tensor (casts, masks, transposes, reshapes, slices, stacks, calls,
branches and loops) to the first operation in which it meets something that depends on x.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxnas.proxies.subject import path_names
from jaxnas.proxies.usage import given
from jaxnas.proxies.usage.given import OutputAxis, fitted, shown
from jaxnas.proxies.usage.reading import Found, read
from jaxnas.proxies.usage.trace import uses_of
from jaxnas.types import Apply, Array, Params, Path, Tensor

__all__ = ["OutputAxis", "tensors"]


def tensors(
    apply: Apply,
    params: Params,
    x: Array,
    order: Sequence[Path | str | Tensor] | None = None,
    output_axis: OutputAxis | None = None,
    *,
    need_axes: bool = True,
    need_order: bool = True,
) -> tuple[Tensor, ...]:
    """The tensors with two or more axes in forward order, each with the axis of its outputs.

    Args:
        apply: (params, x) -> logits, pure.
        params: pytree of arrays.
        x: a batch [B, ...]; only its shape and type matter.
        order: paths or `Tensor`s from input to output; by default as `apply` uses them first.
        output_axis: the axis or axes of the outputs, without a stack's, for every tensor or by
            path; by default as `apply` uses them.
        need_axes: whether it matters where outputs lie; nothing is read where it does not.
        need_order: whether the order matters.

    Raises:
        ValueError: the order or an output axis cannot be told and is not given, or is given wrong.
    """
    leaves = [
        (path_names(path), tuple(jnp.shape(leaf)))
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    ]
    shapes = dict(leaves)
    axes = given.output_axes(output_axis, shapes)
    chosen = None if order is None else given.order_of(order, shapes)
    if not need_axes and not need_order:
        return ()
    paths = [path for path, _ in leaves]
    # Whole numbers have no gradient; for the reading they are no tensors.
    real = [jnp.issubdtype(jnp.result_type(leaf), jnp.inexact) for leaf in jax.tree.leaves(params)]
    of_real = [shape if is_real else () for (_, shape), is_real in zip(leaves, real, strict=True)]
    found = read(uses_of(apply, params, x), paths, of_real)
    by_order = _in_order(found, chosen, need_order, shapes)
    return tuple(_with_axes(entry, axes, shapes, need_axes) for entry in by_order)


def _in_order(
    found: list[Found],
    chosen: list[Tensor | Path] | None,
    need_order: bool,
    shapes: given.Shapes,
) -> list[Found]:
    """The tensors as given, or as found."""
    if chosen is None:
        unclear = [
            shown(entry.tensor.path) for entry in found if entry.is_used and not entry.is_ordered
        ]
        if unclear and need_order:
            names = ", ".join(dict.fromkeys(unclear))
            example = list(dict.fromkeys("/".join(entry.tensor.path) for entry in found))
            raise ValueError(
                f"order: expected tensors that meet the input one after the other, got {names}, "
                f"whose order the network does not tell; give order={example[:3]!r} with all "
                "tensors from input to output"
            )
        return found
    result: list[Found] = []
    for entry in chosen:
        if isinstance(entry, Tensor):
            result.append(Found(entry))
            continue
        own = [other for other in found if other.tensor.path == entry]
        result.extend(own or [Found(Tensor(entry), is_decided=False, why=_VECTOR)])
    covered = {(entry.tensor.path, entry.tensor.place) for entry in result}
    missing = [
        shown(entry.tensor.path)
        for entry in found
        if entry.is_used
        and entry.is_decided
        and not {(entry.tensor.path, entry.tensor.place), (entry.tensor.path, None)} & covered
    ]
    if missing:
        raise ValueError(
            f"order: expected all tensors of two or more axes, got none at "
            f"{', '.join(dict.fromkeys(missing))}; add what is missing"
        )
    return result


_VECTOR = "it is used as vectors"


def _with_axes(
    entry: Found,
    axes: dict[Path, tuple[int, ...]],
    shapes: given.Shapes,
    need_axes: bool,
) -> Tensor:
    """The tensor with its output axis, as given or as found."""
    tensor = entry.tensor
    shape, stacks = shapes[tensor.path], [axis for axis, _ in tensor.places]
    own = [size for axis, size in enumerate(shape) if axis not in stacks]
    if tensor.path in axes:
        name = f"output_axis of {shown(tensor.path)}"
        return tensor._replace(output_axis=fitted(name, axes[tensor.path], len(own)))
    if need_axes and entry.is_used and not entry.is_decided:
        raise ValueError(
            f"output_axis of {shown(tensor.path)} {list(shape)}: expected a use that tells "
            f"which axis is the outputs', but {entry.why}; give "
            f"output_axis={{{'/'.join(tensor.path)!r}: -1}} or the axis that it is"
        )
    return tensor
