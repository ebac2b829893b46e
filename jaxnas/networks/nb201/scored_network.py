"""The network by which cells of NAS-Bench-201 are scored: one for all 15,625 of them."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from numpy.typing import NDArray

from jaxnas.networks.initialisers import Initialisation
from jaxnas.networks.layers import BatchNormMode
from jaxnas.networks.nb201.initial import InitialParameters
from jaxnas.networks.nb201.network import Network, used_parameters
from jaxnas.networks.protocol import Draw
from jaxnas.spaces.nb201 import arch_to_ops, live_ops
from jaxnas.spaces.space import Sizes
from jaxnas.types import Array, Params, Tensor


def scored(
    sizes: Sizes,
    *,
    num_classes: int,
    image_size: int,
    bn: BatchNormMode = "batch",
    init: Initialisation = "pytorch",
    dtype: DTypeLike = jnp.float32,
) -> "ScoredCell":
    """The network of all cells; an arch's code is its live operations, int32 [6].

    Args:
        sizes: channels of the first stage, and cells in each of the three.
        num_classes: width of the output.
        image_size: height and width of the images in pixels, a multiple of 4.
        bn: mode of batch normalisation, "batch", "example" or "frozen".
        init: scheme of the initial parameters, "pytorch", "he" or "xavier".
        dtype: type of parameters and computation.
    """
    network = Network(num_classes, init, dtype, *sizes, bn=bn)
    return ScoredCell(network, image_size)


@dataclass(frozen=True)
class ScoredCell:
    """A `jaxnas.networks.protocol.ScoredNetwork`."""

    network: Network
    image_size: int

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Tensors with two or more axes from the input to the output."""
        return tuple(Tensor(("params", *path)) for path in self.network.forward_order())

    def code(self, arch: str) -> NDArray[np.int32]:
        """The cell's operations, int32 [6]; `none` on the edges that no path needs."""
        return live_ops(arch_to_ops(arch)).astype(np.int32)

    def apply(self, params: Params, x: Array, code: Array) -> Array:
        """Logits [B, num_classes] of images [B, H, W, 3]."""
        applied: Any = self.network.apply(params, x, code)
        return applied

    def live(self, params: Params, code: Array) -> Params:
        """Whether the cell uses each parameter: a tree like them, of bools."""
        return used_parameters(params, code)

    def initial(self, device: jax.Device) -> Draw:
        """Draws the parameters that a cell uses; its other kernels are zero."""
        return InitialParameters(self.network, self.image_size, device)
