"""What `jaxnas.networks` has for every space: networks to be scored, trained and searched.

The package of a space, such as `jaxnas.networks.nb201`, has three functions, `scored`, `trained`
and `supernet`; `Space.networks` is that package.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax
from numpy.typing import NDArray

from jaxnas.types import Array, Params, Tensor

Draw = Callable[[int, int, NDArray[Any]], Params]
"""(seed, stream, code) → initial parameters on a device."""


class ScoredNetwork(Protocol):
    """One network for all architectures of a space, at initialisation: which one is an argument.

    Equal networks are hashed alike, so that their programs are compiled once.

    Attributes:
        tensors: tensors with two or more axes from the input to the output.
    """

    @property
    def tensors(self) -> Sequence[Tensor]: ...

    def __hash__(self) -> int: ...

    def code(self, arch: str) -> NDArray[Any]:
        """How an architecture is handed to `apply`: int32 [...], of one shape for all of them."""

    def apply(self, params: Params, x: Array, code: Array) -> Array:
        """Logits [B, classes] of inputs x [B, ...]."""

    def live(self, params: Params, code: Array) -> Params:
        """Which parameters an architecture uses: a tree like them, of bools.

        Each is a scalar, or bool [E] where a parameter is stacked over E places.
        """

    def initial(self, device: jax.Device) -> Draw:
        """Draws initial parameters on a device; those that an architecture does not use are 0."""


class TrainedNetwork(Protocol):
    """The network of one architecture as it is trained, with running statistics."""

    def initial(self, seed: int) -> Params:
        """Parameters of a seed, drawn on the host."""

    def train(
        self, params: Params, batch_stats: Params, x: Array, key: Array, done: Array
    ) -> tuple[Array, Array | None, Params]:
        """Logits [B, classes], those of an auxiliary head if there is one, and moved statistics.

        Args:
            params: parameters.
            batch_stats: running statistics.
            x: inputs [B, ...].
            key: for what is drawn in the network.
            done: [], the part of the epochs that is over.
        """

    def logits(self, params: Params, batch_stats: Params, x: Array) -> Array:
        """Logits [B, classes] by running statistics."""
