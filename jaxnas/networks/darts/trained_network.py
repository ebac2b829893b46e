"""The network of a genotype as it is trained."""

from dataclasses import dataclass
from typing import Any

from jaxnas.networks.darts.initial import initial_parameters
from jaxnas.networks.darts.network import EvaluationNetwork
from jaxnas.networks.initialisers import Initialisation
from jaxnas.spaces.darts.counts import check_network
from jaxnas.spaces.darts.space import genotype_of
from jaxnas.spaces.space import Sizes
from jaxnas.types import Array, Params


def trained(
    arch: str,
    sizes: Sizes,
    *,
    num_classes: int,
    image_size: int,
    init: Initialisation = "pytorch",
    drop_path: float = 0.0,
    auxiliary: bool = False,
) -> "TrainedGenotype":
    """The evaluation network of a genotype.

    Args:
        arch: the genotype; it may also have all 14 edges, or concatenate some nodes only.
        sizes: channels of the first cell, an even number, and cells in all.
        num_classes: width of the output.
        image_size: height and width of the images in pixels, a multiple of 4.
        init: scheme of the initial parameters, "pytorch", "he" or "xavier".
        drop_path: probability of drop path at the end of training, to which it rises from 0.
        auxiliary: has an auxiliary head in training; for images of 32 to 40 pixels.

    Raises:
        ValueError: there is no such network.
    """
    check_network(num_classes, *sizes, image_size, auxiliary=auxiliary)
    network = EvaluationNetwork(
        genotype_of(arch, searched=False),
        num_classes,
        *sizes,
        auxiliary=auxiliary,
        init_scheme=init,
    )
    return TrainedGenotype(network, image_size, drop_path)


@dataclass(frozen=True)
class TrainedGenotype:
    """A `jaxnas.networks.protocol.TrainedNetwork`."""

    network: EvaluationNetwork
    image_size: int
    drop_path: float

    def initial(self, seed: int) -> Params:
        """Parameters of a seed, the same streams for all genotypes."""
        return initial_parameters(self.network, self.image_size, seed)

    def train(
        self, params: Params, batch_stats: Params, x: Array, key: Array, done: Array
    ) -> tuple[Array, Array | None, Params]:
        """Logits [B, num_classes], those of the auxiliary head, and moved statistics.

        Args:
            params: parameters.
            batch_stats: running statistics.
            x: images [B, H, W, 3].
            key: key of drop path.
            done: [], the part of the epochs that is over.
        """
        applied: Any = self.network.apply(
            {"params": params, "batch_stats": batch_stats},
            x,
            train=True,
            # The number 0 leaves drop path out of the program.
            drop_path=self.drop_path * done if self.drop_path else 0.0,
            mutable=["batch_stats"],
            rngs={"drop_path": key},
        )
        (logits, auxiliary), changed = applied
        return logits, auxiliary, changed["batch_stats"]

    def logits(self, params: Params, batch_stats: Params, x: Array) -> Array:
        """Logits [B, num_classes] by running statistics."""
        applied: Any = self.network.apply({"params": params, "batch_stats": batch_stats}, x)
        return applied[0]
