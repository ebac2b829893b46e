"""The edges of the DARTS supernet, one after another in a loop.

Unrolled, the 112 edges of eight cells are so many copies of eight operations and their gradients:
minutes of compilation, and gigabytes that XLA keeps because it computes them side by side.
"""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnas.networks.darts import layers
from jaxnas.networks.darts.operations import Kernels, before_norm
from jaxnas.networks.nb201_supernet import other_weights
from jaxnas.spaces.darts import Op
from jaxnas.types import Array

AllKernels: TypeAlias = tuple[Kernels, ...]
"""Of all eight operations, in the order of `Op`."""

_Edge = Callable[[Any, Array, AllKernels, Array], Array]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def add_edges(
    edge: _Edge,
    ends: tuple[tuple[int, int], ...],
    ops: Array | None,
    inputs: Array | None,
    nodes: Array,
    kernels: AllKernels,
    weights: Array,
) -> Array:
    """Adds edge after edge to its target; a loop, so that there is one program for all of them.

    For gradients every edge is computed anew: what the operations of a whole network save for the
    backward pass takes tens of GB, and nodes are what is left of them.

    Args:
        edge: (operation, image, kernels, weights) → image.
        ends: (source, target) of each edge.
        ops: int [E], or None for edges that need none.
        inputs: images that edges lead from [I, C, H, W, B], or None where they lead from nodes.
        nodes: images that edges lead to [N, C, H, W, B].
        kernels: of all operations, stacked over the edges.
        weights: [E, 8].

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
    kernels: AllKernels,
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


_Saved = tuple[Array | None, Array | None, Array, AllKernels, Array]


def _add_edges_forward(
    edge: _Edge,
    ends: tuple[tuple[int, int], ...],
    ops: Array | None,
    inputs: Array | None,
    nodes: Array,
    kernels: AllKernels,
    weights: Array,
) -> tuple[Array, _Saved]:
    nodes = _walk(edge, ends, ops, inputs, nodes, kernels, weights)
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


# --- one edge -------------------------------------------------------------------------------------


def mixed_edge(stride: int, op: None, x: Array, kernels: AllKernels, weights: Array) -> Array:
    """The sum of all operations by weight.

    Args:
        stride: 1 or 2.
        op: None.
        x: [C, H, W, B].
        kernels: of all eight operations, in the order of `Op`.
        weights: [8].

    Returns:
        [C, H / stride, W / stride, B].
    """
    del op
    terms = [_operation(op, stride, x, kernels[op], weights[op]) for op in Op if op != Op.NONE]
    return functools.reduce(jnp.add, terms)


def _operation(op: Op, stride: int, x: Array, kernels: Kernels, weight: Array) -> Array:
    """An operation other than `none`, with its batch normalisation, by its weight."""
    if op == Op.SKIP_CONNECT and stride == 1:
        return x * weight
    y = before_norm(op, x, kernels, stride)
    scale = jnp.broadcast_to(weight, y.shape[:1])
    return layers.batch_norm(y, scale, jnp.zeros_like(scale))


def sampled_edge(stride: int, op: Array, x: Array, kernels: AllKernels, weights: Array) -> Array:
    """One operation by its weight, the other weights added bare; see `other_weights`.

    The other operations are not computed, nor is anything saved for them.

    Args:
        stride: 1 or 2.
        op: int [], code of the operation.
        x: [C, H, W, B].
        kernels: of all eight operations, in the order of `Op`.
        weights: [8].
    """
    return _switched(stride, op, x, kernels, weights[op]) + other_weights(weights, op)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _switched(stride: int, op: Array, x: Array, kernels: AllKernels, weight: Array) -> Array:
    return _switch(stride, op, x, kernels, weight)


def _switch(stride: int, op: Array, x: Array, kernels: AllKernels, weight: Array) -> Array:
    y: Array = lax.switch(op, _branches(stride), x, kernels, weight)
    return y


def _branches(stride: int) -> list[Any]:
    def none(x: Array, kernels: AllKernels, weight: Array) -> Array:
        return jnp.zeros_like(x[:, ::stride, ::stride])

    def branch(op: Op) -> Any:
        return lambda x, kernels, weight: _operation(op, stride, x, kernels[op], weight)

    return [none, *(branch(op) for op in Op if op != Op.NONE)]


_Switched = tuple[Array, Array, AllKernels, Array]


def _switched_forward(
    stride: int, op: Array, x: Array, kernels: AllKernels, weight: Array
) -> tuple[Array, _Switched]:
    return _switch(stride, op, x, kernels, weight), (op, x, kernels, weight)


def _switched_backward(stride: int, saved: _Switched, dy: Array) -> tuple[Any, ...]:
    """Switches again and computes the operation anew: a switch saves what any branch would."""
    op, *primals = saved

    def gradient_of(branch: Any) -> Any:
        return lambda dy, *primals: jax.vjp(branch, *primals)[1](dy)

    branches = [gradient_of(branch) for branch in _branches(stride)]
    return None, *lax.switch(op, branches, dy, *primals)


_switched.defvjp(_switched_forward, _switched_backward)
