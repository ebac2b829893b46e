"""A NAS-Bench-201 cell whose architecture is data: one program for all 15,625.

Differentiating through `lax.switch` would keep what every branch saved; here the cell's backward
pass is written out, each edge switches again, and adds to its node inside the branch, so that an
edge costs what its own operation costs.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxnas.networks import layers
from jaxnas.networks.layers import BatchNormMode
from jaxnas.spaces.nb201 import EDGES
from jaxnas.types import Array


class EdgeParams(NamedTuple):
    """The parameters an edge needs, whichever operation it has; unused ones are left alone."""

    conv1x1: Array  # [1, 1, C, C]
    conv3x3: Array  # [3, 3, C, C]
    scale: Array  # [C]
    shift: Array  # [C]


class EdgeSaved(NamedTuple):
    """What an edge's backward pass needs beside its input."""

    conv: Array  # [B, H, W, C], before batch normalisation
    moments: layers.Moments


def _add(total: Array | None, term: Array) -> Array:
    return term if total is None else total + term


Forward = Callable[[Array, EdgeParams, Array | None], tuple[Array, EdgeSaved]]
Backward = Callable[[Array, Array, EdgeParams, EdgeSaved, Array | None], tuple[Array, EdgeParams]]


def _edge(
    mode: BatchNormMode, op: Array, total: Array | None, x: Array, params: EdgeParams
) -> tuple[Array, EdgeSaved]:
    """Adds the edge's output to `total`."""

    def without_saving(add: Callable[[Array, Array | None], Array]) -> Forward:
        def branch(x: Array, params: EdgeParams, total: Array | None) -> tuple[Array, EdgeSaved]:
            like = jax.eval_shape(partial(layers.moments, mode=mode), x)
            nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), like)
            return add(x, total), EdgeSaved(jnp.zeros_like(x), nothing)

        return branch

    def relu_conv_bn(kernel: str) -> Forward:
        def branch(x: Array, params: EdgeParams, total: Array | None) -> tuple[Array, EdgeSaved]:
            y = layers.conv(jax.nn.relu(x), getattr(params, kernel))
            by = layers.moments(y, mode)
            normalised = layers.standardise(y, by, params.scale, params.shift)
            return _add(total, normalised), EdgeSaved(y, by)

        return branch

    branches = (
        without_saving(lambda x, total: jnp.zeros_like(x) if total is None else total),
        without_saving(lambda x, total: _add(total, x)),
        relu_conv_bn("conv1x1"),
        relu_conv_bn("conv3x3"),
        without_saving(lambda x, total: _add(total, layers.avg_pool(x))),
    )
    result: tuple[Array, EdgeSaved] = lax.switch(op, branches, x, params, total)
    return result


def _edge_gradient(
    mode: BatchNormMode,
    op: Array,
    total: Array | None,
    dy: Array,
    x: Array,
    params: EdgeParams,
    saved: EdgeSaved,
) -> tuple[Array, EdgeParams]:
    """Adds the cotangent of the edge's input to `total`; also gives that of its parameters."""

    def without_params(add: Callable[[Array, Array | None], Array]) -> Backward:
        def branch(
            dy: Array, x: Array, params: EdgeParams, saved: EdgeSaved, total: Array | None
        ) -> tuple[Array, EdgeParams]:
            return add(dy, total), jax.tree.map(jnp.zeros_like, params)

        return branch

    def relu_conv_bn(kernel: str) -> Backward:
        def branch(
            dy: Array, x: Array, params: EdgeParams, saved: EdgeSaved, total: Array | None
        ) -> tuple[Array, EdgeParams]:
            dconv, scale, shift = layers.batch_norm_gradient(
                dy, saved.conv, saved.moments, params.scale, mode
            )
            w = getattr(params, kernel)
            dx = layers.conv_input_gradient(dconv, w, x.shape)
            dx = jnp.where(x > 0, dx, jnp.zeros((), x.dtype))
            gradient = jax.tree.map(jnp.zeros_like, params)._replace(
                **{kernel: layers.conv_kernel_gradient(jax.nn.relu(x), dconv, w.shape)},
                scale=scale,
                shift=shift,
            )
            return _add(total, dx), gradient

        return branch

    branches = (
        without_params(lambda dy, total: jnp.zeros_like(dy) if total is None else total),
        without_params(lambda dy, total: _add(total, dy)),
        relu_conv_bn("conv1x1"),
        relu_conv_bn("conv3x3"),
        without_params(lambda dy, total: _add(total, layers.avg_pool_gradient(dy))),
    )
    result: tuple[Array, EdgeParams] = lax.switch(op, branches, dy, x, params, saved, total)
    return result


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def switch_cell(mode: BatchNormMode, ops: Array, x: Array, params: tuple[EdgeParams, ...]) -> Array:
    """The cell's output [B, H, W, C].

    Args:
        mode: of batch normalisation.
        ops: operations of the six edges, int [6].
        x: input [B, H, W, C].
        params: one for each edge.
    """
    return _forward(mode, ops, x, params)[0]


Residuals = tuple[Array, tuple[Array, ...], tuple[EdgeParams, ...], tuple[EdgeSaved, ...]]


def _forward(
    mode: BatchNormMode, ops: Array, x: Array, params: tuple[EdgeParams, ...]
) -> tuple[Array, Residuals]:
    nodes: dict[int, Array] = {0: x}
    saved = []
    for e, (source, target) in enumerate(EDGES):
        nodes[target], kept = _edge(mode, ops[e], nodes.get(target), nodes[source], params[e])
        saved.append(kept)
    return nodes[3], (ops, (nodes[0], nodes[1], nodes[2]), params, tuple(saved))


def _backward(
    mode: BatchNormMode, residuals: Residuals, dy: Array
) -> tuple[None, Array, tuple[EdgeParams, ...]]:
    ops, nodes, params, saved = residuals
    cotangents: dict[int, Array] = {3: dy}
    gradients: dict[int, EdgeParams] = {}
    for e in reversed(range(len(EDGES))):
        source, target = EDGES[e]
        cotangents[source], gradients[e] = _edge_gradient(
            mode,
            ops[e],
            cotangents.get(source),
            cotangents[target],
            nodes[source],
            params[e],
            saved[e],
        )
    return None, cotangents[0], tuple(gradients[e] for e in range(len(EDGES)))


switch_cell.defvjp(_forward, _backward)
