"""Everything that identifies a scoring run: two runs with equal settings give equal scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from jaxnas.checks import check_fields, checked, ranges
from jaxnas.data import Images
from jaxnas.modes import BatchNormMode, DType, Initialisation
from jaxnas.proxies import catalogue
from jaxnas.results import JSON
from jaxnas.spaces import DEFAULT, Sizes, Space, find

if TYPE_CHECKING:
    from jaxnas.networks.protocol import ScoredNetwork

BatchNormChoice = Literal["paper", "batch", "example", "frozen"]
Weights = Literal["independent", "shared"]

# Raised whenever a score's definition changes, so that a folder never mixes two.
DEFINITIONS = 1


@dataclass(frozen=True)
class Settings:
    """How architectures are scored.

    Attributes:
        space: name of their space.
        batch_size: examples in the batch.
        bn: mode of batch normalisation; "paper": as each score's publication has it.
        init: initialisation of the networks, "pytorch", "he" or "xavier".
        dtype: type of networks and gradients; correlations and eigenvalues are float64 in any case.
        merge: whether functionally equal architectures are scored once, as their representative.
        weights: "independent": each scored network draws its own; "shared": a seed draws the same
            for all.
        channels: channels of the first stage or cell; None for the space's default.
        depth: cells, counted as the space does; None for the space's default.

    Raises:
        ValueError: a setting is not what it should be.
    """

    space: str = DEFAULT.name
    batch_size: ranges.ComparedBatchSize = 64
    bn: BatchNormChoice = "paper"
    init: Initialisation = "pytorch"
    dtype: DType = "float32"
    merge: bool = True
    weights: Weights = "independent"
    channels: ranges.Channels | None = None
    depth: ranges.Depth | None = None

    def __post_init__(self) -> None:
        checked("space", self.space, str)
        defaults = find(self.space).sizes
        for name in Sizes._fields:
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(defaults, name))
        check_fields(self)

    @property
    def sizes(self) -> Sizes:
        """Size of the networks."""
        assert self.channels is not None
        assert self.depth is not None
        return Sizes(self.channels, self.depth)

    def find_space(self) -> Space:
        """The space itself."""
        return find(self.space)

    def bn_of(self, score: str) -> BatchNormMode:
        """The mode of batch normalisation with which a proxy of the catalogue is computed."""
        if self.bn != "paper":
            return self.bn
        mode = catalogue.entry(score).bn
        assert mode is not None
        return mode

    @property
    def jax_dtype(self) -> Any:
        """The type of the networks as JAX names it."""
        import jax.numpy as jnp

        return jnp.float32 if self.dtype == "float32" else jnp.float64

    def network(self, num_classes: int, image_size: int, bn: BatchNormMode) -> ScoredNetwork:
        """The network of every architecture, for images of so many classes and pixels a side."""
        scored: ScoredNetwork = self.find_space().networks.scored(
            self.sizes,
            num_classes=num_classes,
            image_size=image_size,
            bn=bn,
            init=self.init,
            dtype=self.jax_dtype,
        )
        return scored

    def identity(self, images: Images) -> dict[str, JSON]:
        """What the manifest of a results folder compares."""
        return {
            **asdict(self),
            "data": images.digest,
            "image_size": int(images.x_train.shape[1]),
            "num_classes": images.num_classes,
            "definitions": DEFINITIONS,
        }
