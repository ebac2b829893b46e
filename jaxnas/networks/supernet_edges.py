"""The edges of a supernet's cell, one after another in a loop, and one operation of an edge.

Unrolled, the edges of a network are so many copies of its operations and of their gradients:
minutes of compilation, and gigabytes that XLA keeps because it computes them side by side.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnas.types import Array

_Edge = Callable[[Any, Array, Any, Array], Array]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def add_edges(
    edge: _Edge,
    ends: tuple[tuple[int, int], ...],
    ops: Array | None,
    inputs: Array | None,
    nodes: Array,
    kernels: Any,
    weights: Array,
) -> Array:
    """Adds edge after edge to its target; a loop, so that there is one program for all of them.

    For gradients every edge is computed anew: what the operations of a whole network save for the
    backward pass takes tens of GB, and nodes are what is left of them.

    Args:
        edge: (operation, image, kernels, weights) → image.
        ends: (source, target) of each edge; among nodes after the edges that lead to its source.
        ops: int [E], or None for edges that need none.
        inputs: images that edges lead from [I, ...], or None where they lead from nodes.
        nodes: images that edges lead to [N, ...].
        kernels: of all operations, a pytree stacked over the edges.
        weights: [E, K].

    Returns:
        The nodes.
    """
    return _walk(edge, ends, ops, inputs, nodes, kernels, weights)


def _walk(
    edge: _Edge,
    ends: tuple[tuple[int, int], ...],
    ops: Array | None,
    inputs: Array | None,
    nodes: Array,
    kernels: Any,
    weights: Array,
) -> Array:
    def add(nodes: Array, along: tuple[Any, ...]) -> tuple[Array, None]:
        (source, target), op, *own = along
        x = _at(nodes if inputs is None else inputs, source)
        # Layers with a derivative of their own have no forward mode, in which DARTS' second order
        # takes this function's gradient; asked for a pull-back, what they compute has one.
        y, _ = jax.vjp(partial(edge, op), x, *own)
        return _put(nodes, target, _at(nodes, target) + y), None

    along = (_ends(ends), ops, kernels, weights)
    return lax.scan(add, nodes, along)[0]


_Saved = tuple[Array | None, Array | None, Array, Any, Array]


def _add_edges_forward(
    edge: _Edge, ends: tuple[tuple[int, int], ...], *args: Any
) -> tuple[Array, _Saved]:
    nodes = _walk(edge, ends, *args)
    ops, inputs, _, kernels, weights = args
    return nodes, (ops, inputs, nodes, kernels, weights)


def _add_edges_backward(
    edge: _Edge, ends: tuple[tuple[int, int], ...], saved: _Saved, dnodes: Array
) -> tuple[Any, ...]:
    """The edges in reverse; where they lead from nodes to nodes, so do the cotangents."""
    ops, inputs, nodes, kernels, weights = saved
    sources = nodes if inputs is None else inputs

    def pull(dsources: Array, along: tuple[Any, ...]) -> tuple[Array, Any]:
        (source, target), op, *own = along
        dy = _at(dsources if inputs is None else dnodes, target)
        dx, *down = jax.vjp(partial(edge, op), _at(sources, source), *own)[1](dy)
        return _put(dsources, source, _at(dsources, source) + dx), down

    along = (_ends(ends), ops, kernels, weights)
    start = dnodes if inputs is None else jnp.zeros_like(inputs)
    dsources, down = lax.scan(pull, start, along, reverse=True)
    return None, *((None, dsources) if inputs is None else (dsources, dnodes)), *down


add_edges.defvjp(_add_edges_forward, _add_edges_backward)


def _ends(ends: tuple[tuple[int, int], ...]) -> tuple[Array, Array]:
    sources, targets = np.asarray(ends, np.int32).T
    return jnp.asarray(sources), jnp.asarray(targets)


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
    return _switched(branches, op, x, kernels, weights[op]) + other_weights(weights, op)


def other_weights(weights: Array, op: Array) -> Array:
    """The sum of an edge's weights [K] but for that of `op`, which GDAS's code adds to its output.

    It is zero where they are, and differentiates them as if their operations' outputs were 1 (Dong
    & Yang, "GDAS", CVPR 2019, by the released code; `jaxnas.estimators.add_bare`).
    """
    return jnp.where(jnp.arange(len(weights)) == op, 0, weights).sum()


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _switched(
    branches: tuple[Branch, ...], op: Array, x: Array, kernels: Any, weight: Array
) -> Array:
    y: Array = lax.switch(op, branches, x, kernels, weight)
    return y


_Switched = tuple[Array, Array, Any, Array]


def _switched_forward(
    branches: tuple[Branch, ...], op: Array, x: Array, kernels: Any, weight: Array
) -> tuple[Array, _Switched]:
    return lax.switch(op, branches, x, kernels, weight), (op, x, kernels, weight)


def _switched_backward(
    branches: tuple[Branch, ...], saved: _Switched, dy: Array
) -> tuple[Any, ...]:
    """Switches again and computes the operation anew: a switch saves what any branch would."""
    op, *primals = saved

    def gradient_of(branch: Branch) -> Any:
        return lambda dy, *primals: jax.vjp(branch, *primals)[1](dy)

    return None, *lax.switch(op, [gradient_of(branch) for branch in branches], dy, *primals)


_switched.defvjp(_switched_forward, _switched_backward)
