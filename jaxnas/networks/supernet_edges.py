"""The edges of a cell, one after another in a loop, and one operation of an edge.

Unrolled, the edges of a network are so many copies of its operations and of their gradients:
minutes of compilation, and gigabytes that XLA keeps because it computes them side by side.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnas.types import Array

Edge = Callable[..., Array]
"""(operation, image, what else an edge takes) → image."""

Ends = tuple[Array, Array]
"""Source and target of each edge, int [E] each; they may be traced."""


def ends_of(edges: Sequence[tuple[int, int]]) -> Ends:
    """The ends of edges that are known, (source, target) each."""
    sources, targets = np.asarray(edges, np.int32).T
    return jnp.asarray(sources), jnp.asarray(targets)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def add_edges(
    edge: Edge, ends: Ends, ops: Array | None, inputs: Array | None, nodes: Array, *own: Any
) -> Array:
    """Adds edge after edge to its target; a loop, so that there is one program for all of them.

    For gradients every edge is computed anew: what the operations of a whole network save for the
    backward pass takes tens of GB, and nodes are what is left of them.

    Args:
        edge: (operation, image, what is its own) → image.
        ends: of each edge; among nodes it comes after the edges that lead to its source.
        ops: int [E], or None for edges that need none.
        inputs: images that edges lead from [I, ...], or None where they lead from nodes.
        nodes: images that edges lead to [N, ...].
        own: what each edge takes beside its image, kernels of all operations for one: pytrees
            stacked over the edges.

    Returns:
        The nodes.
    """
    return _walk(edge, ends, ops, inputs, nodes, *own)


def _walk(
    edge: Edge, ends: Ends, ops: Array | None, inputs: Array | None, nodes: Array, *own: Any
) -> Array:
    def add(nodes: Array, along: tuple[Any, ...]) -> tuple[Array, None]:
        (source, target), op, *own = along
        x = _at(nodes if inputs is None else inputs, source)
        # Layers with a derivative of their own have no forward mode, in which DARTS' second order
        # takes this function's gradient; asked for a pull-back, what they compute has one.
        y, _ = jax.vjp(partial(edge, op), x, *own)
        return _put(nodes, target, _at(nodes, target) + y), None

    return lax.scan(add, nodes, (ends, ops, *own))[0]


_Saved = tuple[Ends, Array | None, Array | None, Array, tuple[Any, ...]]


def _add_edges_forward(
    edge: Edge, ends: Ends, ops: Array | None, inputs: Array | None, nodes: Array, *own: Any
) -> tuple[Array, _Saved]:
    nodes = _walk(edge, ends, ops, inputs, nodes, *own)
    return nodes, (ends, ops, inputs, nodes, own)


def _add_edges_backward(edge: Edge, saved: _Saved, dnodes: Array) -> tuple[Any, ...]:
    """The edges in reverse; where they lead from nodes to nodes, so do the cotangents."""
    ends, ops, inputs, nodes, own = saved
    sources = nodes if inputs is None else inputs

    def pull(dsources: Array, along: tuple[Any, ...]) -> tuple[Array, Any]:
        (source, target), op, *own = along
        dy = _at(dsources if inputs is None else dnodes, target)
        dx, *down = jax.vjp(partial(edge, op), _at(sources, source), *own)[1](dy)
        return _put(dsources, source, _at(dsources, source) + dx), down

    start = dnodes if inputs is None else jnp.zeros_like(inputs)
    dsources, down = lax.scan(pull, start, (ends, ops, *own), reverse=True)
    return None, None, *((None, dsources) if inputs is None else (dsources, dnodes)), *down


add_edges.defvjp(_add_edges_forward, _add_edges_backward)


def _at(images: Array, i: Array) -> Array:
    return lax.dynamic_index_in_dim(images, i, keepdims=False)


def _put(images: Array, i: Array, image: Array) -> Array:
    return lax.dynamic_update_index_in_dim(images, image, i, 0)


Branch = Callable[[Array, Any, Array], Array]
"""(image, kernels of all operations, weight) → one operation of the image, by its weight."""


def sampled_edge(
    branches: tuple[Branch, ...], op: Array, x: Array, kernels: Any, weights: Array
) -> Array:
    """One operation by its weight, the other weights added bare; see `other_weights`.

    The other operations are not computed, nor is anything saved for them.

    Args:
        branches: of the K operations.
        op: int [], code of the operation.
        x: the image.
        kernels: of all operations.
        weights: [K].
    """
    return switched(branches, op, x, kernels, weights[op]) + other_weights(weights, op)


def other_weights(weights: Array, op: Array) -> Array:
    """The sum of an edge's weights [K] but for that of `op`, which GDAS's code adds to its output.

    It is zero where they are, and differentiates them as if their operations' outputs were 1 (Dong
    & Yang, "GDAS", CVPR 2019, by the released code; `jaxnas.estimators.add_bare`).
    """
    return jnp.where(jnp.arange(len(weights)) == op, 0, weights).sum()


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def switched(branches: tuple[Edge, ...], op: Array, x: Array, *own: Any) -> Array:
    """One of several branches, the others not computed, nor anything saved for them.

    Args:
        branches: (image, what is the edge's own) → image, K of them.
        op: int [], which one.
        x: the image.
        own: what every branch is given beside the image, used or not.
    """
    y: Array = lax.switch(op, branches, x, *own)
    return y


def _switched_forward(
    branches: tuple[Edge, ...], op: Array, x: Array, *own: Any
) -> tuple[Array, tuple[Any, ...]]:
    return lax.switch(op, branches, x, *own), (op, x, *own)


def _switched_backward(
    branches: tuple[Edge, ...], saved: tuple[Any, ...], dy: Array
) -> tuple[Any, ...]:
    """Switches again and computes the operation anew: a switch saves what any branch would."""
    op, *primals = saved

    def gradient_of(branch: Edge) -> Any:
        return lambda dy, *primals: jax.vjp(branch, *primals)[1](dy)

    return None, *lax.switch(op, [gradient_of(branch) for branch in branches], dy, *primals)


switched.defvjp(_switched_forward, _switched_backward)
