"""The network of one cell of NAS-Bench-201 as it is trained."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnas.networks.initialisers import Initialisation
from jaxnas.networks.nb201.initial import InitialParameters
from jaxnas.networks.nb201.network import Network, cell_parameters
from jaxnas.networks.nb201.trainable import TrainableNetwork
from jaxnas.spaces.nb201 import arch_to_ops, live_ops, ops_to_index
from jaxnas.spaces.space import Sizes
from jaxnas.types import Array, Params


def trained(
    arch: str,
    sizes: Sizes,
    *,
    num_classes: int,
    image_size: int,
    init: Initialisation = "pytorch",
    stream: int | None = None,
) -> "TrainedCell":
    """The network of a cell, without the edges that no path needs.

    Args:
        arch: the cell.
        sizes: channels of the first stage, and cells in each of the three.
        num_classes: width of the output.
        image_size: height and width of the images in pixels, a multiple of 4.
        init: scheme of the initial parameters, "pytorch", "he" or "xavier".
        stream: which of a seed's draws the initial parameters are; by default the cell's official
            index, so that they are those with which it is scored.
    """
    written = arch_to_ops(arch)
    ops = tuple(live_ops(written).tolist())
    network = TrainableNetwork(num_classes, init, jnp.float32, *sizes, ops=ops)
    number = ops_to_index(written) if stream is None else stream
    return TrainedCell(network, image_size, number)


@dataclass(frozen=True)
class TrainedCell:
    """A `jaxnas.networks.protocol.TrainedNetwork`."""

    network: TrainableNetwork
    image_size: int
    stream: int

    def initial(self, seed: int) -> Params:
        """Parameters of a seed, those with which the cell is scored."""
        net = self.network
        whole = Network(net.num_classes, net.init_scheme, net.dtype, net.channels, net.depth)
        draw = InitialParameters(whole, self.image_size, jax.devices("cpu")[0])
        drawn = draw(seed, self.stream, np.asarray(net.ops))
        return cell_parameters(drawn, net.ops)["params"]

    def train(
        self, params: Params, batch_stats: Params, x: Array, key: Array, done: Array
    ) -> tuple[Array, None, Params]:
        """Logits [B, num_classes], no auxiliary ones, and moved statistics; nothing is drawn."""
        del key, done
        variables = {"params": params, "batch_stats": batch_stats}
        applied: Any = self.network.apply(variables, x, True, mutable=["batch_stats"])
        logits, changed = applied
        return logits, None, changed["batch_stats"]

    def logits(self, params: Params, batch_stats: Params, x: Array) -> Array:
        """Logits [B, num_classes] by running statistics."""
        variables = {"params": params, "batch_stats": batch_stats}
        applied: Any = self.network.apply(variables, x, False)
        return applied
