"""One edge of the DARTS supernet: the mixture of its operations, or a sampled one."""

import functools
from typing import TypeAlias

import jax.numpy as jnp

from jaxnas.networks import supernet_edges
from jaxnas.networks.darts import layers
from jaxnas.networks.darts.operations import Kernels, before_norm
from jaxnas.spaces.darts import Op
from jaxnas.types import Array

AllKernels: TypeAlias = tuple[Kernels, ...]
"""Of all eight operations, in the order of `Op`."""


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
    """One operation by its weight; see `jaxnas.networks.supernet_edges.sampled_edge`.

    Args:
        stride: 1 or 2.
        op: int [], code of the operation.
        x: [C, H, W, B].
        kernels: of all eight operations, in the order of `Op`.
        weights: [8].
    """
    return supernet_edges.sampled_edge(_branches(stride), op, x, kernels, weights)


def _branches(stride: int) -> tuple[supernet_edges.Branch, ...]:
    def none(x: Array, kernels: AllKernels, weight: Array) -> Array:
        return jnp.zeros_like(x[:, ::stride, ::stride])

    def branch(op: Op) -> supernet_edges.Branch:
        return lambda x, kernels, weight: _operation(op, stride, x, kernels[op], weight)

    return none, *(branch(op) for op in Op if op != Op.NONE)
