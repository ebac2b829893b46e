"""A NAS-Bench-201 cell whose architecture is data: one program for all 15,625.

Differentiating through `lax.switch` would keep what every branch saved; here the cell's backward
pass is written out, each edge switches again, and adds to its node inside the branch, so that an
edge costs what its own operation costs.
"""

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

    normalised: Array
    inverse: Array


def _add(total: Array | None, term: Array) -> Array:
    return term if total is None else total + term


def _edge(mode: BatchNormMode, op: Array, total: Array | None, x: Array, params: EdgeParams):
    """Adds the edge's output to `total`."""

    def nothing_saved() -> EdgeSaved:
        inverse = jax.eval_shape(partial(layers.normalise, mode=mode), x)[1]
        return EdgeSaved(jnp.zeros_like(x), jnp.zeros(inverse.shape, inverse.dtype))

    def without_saving(term):
        def branch(x: Array, params: EdgeParams, total: Array | None):
            return term(x, total), nothing_saved()

        return branch

    def relu_conv_bn(kernel: str):
        def branch(x: Array, params: EdgeParams, total: Array | None):
            y = layers.conv(jax.nn.relu(x), getattr(params, kernel))
            normalised, inverse = layers.normalise(y, mode)
            y = normalised * params.scale + params.shift
            return _add(total, y), EdgeSaved(normalised, inverse)

        return branch

    branches = (
        without_saving(lambda x, total: jnp.zeros_like(x) if total is None else total),
        without_saving(lambda x, total: _add(total, x)),
        relu_conv_bn("conv1x1"),
        relu_conv_bn("conv3x3"),
        without_saving(lambda x, total: _add(total, layers.avg_pool(x))),
    )
    return lax.switch(op, branches, x, params, total)


def _edge_gradient(
    mode: BatchNormMode,
    op: Array,
    total: Array | None,
    dy: Array,
    x: Array,
    params: EdgeParams,
    saved: EdgeSaved,
):
    """Adds the cotangent of the edge's input to `total`; also that of its parameters."""

    def no_params(dx):
        def branch(dy, x, params, saved, total):
            return dx(dy, total), jax.tree.map(jnp.zeros_like, params)

        return branch

    def relu_conv_bn(kernel: str):
        def branch(dy, x, params, saved, total):
            gradient = jax.tree.map(jnp.zeros_like, params)
            dconv = layers.normalise_gradient(
                dy * params.scale, saved.normalised, saved.inverse, mode
            )
            w = getattr(params, kernel)
            dx = layers.conv_input_gradient(dconv, w, x.shape)
            dx = jnp.where(x > 0, dx, jnp.zeros((), x.dtype))
            gradient = gradient._replace(
                **{kernel: layers.conv_kernel_gradient(jax.nn.relu(x), dconv, w.shape)},
                scale=jnp.sum(dy * saved.normalised, (0, 1, 2)),
                shift=jnp.sum(dy, (0, 1, 2)),
            )
            return _add(total, dx), gradient

        return branch

    branches = (
        no_params(lambda dy, total: jnp.zeros_like(dy) if total is None else total),
        no_params(lambda dy, total: _add(total, dy)),
        relu_conv_bn("conv1x1"),
        relu_conv_bn("conv3x3"),
        no_params(lambda dy, total: _add(total, layers.avg_pool_gradient(dy))),
    )
    return lax.switch(op, branches, dy, x, params, saved, total)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def switch_cell(mode: BatchNormMode, ops: Array, x: Array, params: tuple[EdgeParams, ...]) -> Array:
    return _forward(mode, ops, x, params)[0]


def _forward(mode, ops, x, params):
    nodes: list[Array | None] = [x, None, None, None]
    saved = []
    for e, (source, target) in enumerate(EDGES):
        nodes[target], kept = _edge(mode, ops[e], nodes[target], nodes[source], params[e])
        saved.append(kept)
    return nodes[3], (ops, tuple(nodes[:3]), params, tuple(saved))


def _backward(mode, residuals, dy):
    ops, nodes, params, saved = residuals
    cotangents: list[Array | None] = [None, None, None, dy]
    gradients = [None] * 6
    for e in reversed(range(6)):
        source, target = EDGES[e]
        cotangents[source], gradients[e] = _edge_gradient(
            mode, ops[e], cotangents[source], cotangents[target], nodes[source], params[e], saved[e]
        )
    return None, cotangents[0], tuple(gradients)


switch_cell.defvjp(_forward, _backward)
