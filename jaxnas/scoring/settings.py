"""Everything that identifies a scoring run: two runs with equal settings give equal scores."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import jax.numpy as jnp

from jaxnas.data import Images
from jaxnas.networks.initialisers import Initialisation
from jaxnas.networks.layers import BN_MODES, BatchNormMode
from jaxnas.proxies.catalogue import CATALOGUE, Paper
from jaxnas.results import JSON

BatchNormChoice = Literal["paper"] | BatchNormMode
Weights = Literal["independent", "shared"]
DType = Literal["float32", "float64"]

# Raised whenever a score's definition changes, so that a folder never mixes two.
DEFINITIONS = 1

_PAPER_BN: dict[Paper, BatchNormMode] = {"GT-NAS": "example", "parameters scoring": "batch"}


@dataclass(frozen=True)
class Settings:
    """How cells are scored.

    Attributes:
        batch_size: examples in the batch.
        bn: mode of batch normalisation; "paper": `example` for the scores of GT-NAS and `batch`
            for those of parameter scoring.
        init: initialisation of the networks, "pytorch", "he" or "xavier".
        dtype: of networks and gradients; correlations and eigenvalues are float64 in any case.
        merge: functionally equal cells are scored once, as the one with the lowest index.
        weights: "independent": each scored network draws its own; "shared": a seed draws the same
            for all.
        stem_channels: channels of the network's first stage.
        cells_per_stage: cells in each of the three stages.
    """

    batch_size: int = 64
    bn: BatchNormChoice = "paper"
    init: Initialisation = "pytorch"
    dtype: DType = "float32"
    merge: bool = True
    weights: Weights = "independent"
    stem_channels: int = 16
    cells_per_stage: int = 5

    def __post_init__(self) -> None:
        for name, value, known in (
            ("bn", self.bn, ("paper", *BN_MODES)),
            ("init", self.init, get_args(Initialisation)),
            ("dtype", self.dtype, get_args(DType)),
            ("weights", self.weights, get_args(Weights)),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, but is {value!r}")
        for name in ("batch_size", "stem_channels", "cells_per_stage"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, but is {value!r}")
        if self.batch_size < 2:
            raise ValueError("batch_size must be at least 2: the scores compare examples")

    def bn_of(self, proxy: str) -> BatchNormMode:
        """The mode of batch normalisation with which a proxy of the catalogue is computed."""
        return _PAPER_BN[CATALOGUE[proxy].paper] if self.bn == "paper" else self.bn

    @property
    def jax_dtype(self) -> Any:
        return jnp.float32 if self.dtype == "float32" else jnp.float64

    def identity(self, images: Images) -> dict[str, JSON]:
        """What the manifest of a results folder compares."""
        return {
            **asdict(self),
            "data": images.digest,
            "image_size": int(images.x_train.shape[1]),
            "num_classes": images.num_classes,
            "definitions": DEFINITIONS,
        }
