"""Initial parameters of cells of NAS-Bench-201.

A cell costs only its own tensors: what it does not use is not drawn, and nothing is compiled.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnas.networks.initial import draw, generator
from jaxnas.networks.initialisers import Initialisation
from jaxnas.networks.nb201.network import Network, used_parameters
from jaxnas.types import Params


class InitialParameters:
    """Draws parameters of `Network` for cells, on one device."""

    def __init__(self, network: Network, image_size: int, device: jax.Device) -> None:
        """Draws nothing yet; keeps on the device what is the same for all cells."""
        image = jax.ShapeDtypeStruct((1, image_size, image_size, 3), network.dtype)
        ops = jax.ShapeDtypeStruct((6,), jnp.int32)
        shapes = jax.eval_shape(network.init, jax.eval_shape(jax.random.key, 0), image, ops)
        leaves, self._tree = jax.tree_util.tree_flatten_with_path(shapes)
        self._names = [path[-1].key for path, _ in leaves]
        self._shapes = [leaf.shape for _, leaf in leaves]
        self._dtype = np.dtype(network.dtype)
        self._scheme: Initialisation = network.init_scheme
        self._params = shapes
        self._device = device
        # Of a parameter that is not drawn: scales are one, shifts and unused kernels zero.
        fills = {
            (name, shape): jax.device_put(
                np.full(shape, 1 if name == "scale" else 0, self._dtype), device
            )
            for name, shape in set(zip(self._names, self._shapes, strict=True))
        }
        self._constants = [fills[at] for at in zip(self._names, self._shapes, strict=True)]

    def __call__(self, seed: int, stream: int, ops: NDArray[np.integer[Any]]) -> Params:
        """Parameters of a cell's network: a tree like that of `Network.init`.

        Args:
            seed: of the run.
            stream: which of the seed's draws; each tensor draws from a stream of its own.
            ops: the cell, int [6]; the kernels of other operations are zero.
        """
        used = jax.tree.leaves(used_parameters(self._params, ops))
        leaves = list(self._constants)
        for i, (name, shape) in enumerate(zip(self._names, self._shapes, strict=True)):
            if name in ("kernel", "bias") and used[i]:
                random = generator(seed, stream, i)
                fan_in = self._fan_in(name, shape)
                drawn = draw(random, self._scheme, name, shape, fan_in, self._dtype)
                leaves[i] = jax.device_put(drawn, self._device)
        return jax.tree.unflatten(self._tree, leaves)

    def _fan_in(self, name: str, shape: tuple[int, ...]) -> int:
        if name == "kernel":
            return math.prod(shape[:-1])
        # The one bias is the linear layer's, whose kernel is the one with two axes.
        return next(other[0] for other in self._shapes if len(other) == 2)
