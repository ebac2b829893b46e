"""Initial parameters of networks of the DARTS space, drawn in the layouts of its layers."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from numpy.typing import NDArray

from jaxnas.networks.darts.network import EvaluationNetwork
from jaxnas.networks.darts.operations import from_usual, usual_shape
from jaxnas.networks.initial import draw, generator
from jaxnas.networks.initialisers import Initialisation
from jaxnas.types import Params


def initial_parameters(network: EvaluationNetwork, image_size: int, seed: int) -> Params:
    """Parameters drawn on the host, by the distributions of `EvaluationNetwork.init`.

    That one would be compiled: a program of hundreds of small draws.
    """
    image = jax.ShapeDtypeStruct((1, image_size, image_size, 3), network.dtype)
    variables: Any = jax.eval_shape(network.init, jax.eval_shape(jax.random.key, 0), image)
    shapes = {path: leaf.shape for path, leaf in flatten_dict(variables["params"]).items()}
    dtype = np.dtype(network.dtype)
    params = {}
    for i, (path, shape) in enumerate(shapes.items()):
        random = generator(seed, i)
        if path[-1] in ("scale", "shift"):
            params[path] = np.full(shape, path[-1] == "scale", dtype)
        elif path[-1] == "bias":
            fan_in = shapes[*path[:-1], "kernel"][0]
            params[path] = draw(random, network.init_scheme, "bias", shape, fan_in, dtype)
        else:
            params[path] = draw_kernel(random, network.init_scheme, path[-1], shape, dtype)
    return jax.tree.map(jnp.asarray, unflatten_dict(params))


def draw_kernel(
    random: np.random.Generator,
    scheme: Initialisation,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """A kernel in the layout of its layer, drawn in the usual one, [..., C_in, C_out]."""
    if name.startswith("kernel"):
        return draw(random, scheme, "kernel", shape, math.prod(shape[:-1]), dtype)
    usual = usual_shape(shape)
    drawn = draw(random, scheme, "kernel", usual, math.prod(usual[:-1]), dtype)
    kernel: NDArray[Any] = from_usual(drawn, shape)
    return kernel
