"""Everything that identifies a training run: equal settings train the same weights."""

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import get_args

import numpy as np

from jaxnas.data import DataError, Images
from jaxnas.networks.initialisers import Initialisation
from jaxnas.results import JSON

# Raised whenever the recipe changes, so that a folder never mixes two.
RECIPE = 1


@dataclass(frozen=True)
class Settings:
    """How candidates are trained; the defaults are NAS-Bench-201's.

    Attributes:
        epochs: passes over the training images; the benchmark has 12 and 200.
        batch_size: images of a step; the last step of an epoch takes what is left.
        learning_rate: of the first epoch, from which a cosine falls to 0.
        momentum: of SGD, Nesterov's.
        weight_decay: times a parameter, added to its gradient; of all parameters.
        channels: channels of the network's first stage.
        cells_per_stage: cells in each of the three stages.
        init: initialisation of the networks, "pytorch", "he" or "xavier".
        valid_fraction: part of each class of the training images that is held out for validation;
            the benchmark's `cifar10-valid` holds out half.

    Source: Dong & Yang, "NAS-Bench-201", ICLR 2020, table 2, and its published code.
    """

    epochs: int = 12
    batch_size: int = 256
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    channels: int = 16
    cells_per_stage: int = 5
    init: Initialisation = "pytorch"
    valid_fraction: float = 0.2

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "channels", "cells_per_stage"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, but is {value!r}")
        for name, limit in (
            ("learning_rate", math.inf),
            ("momentum", 1),
            ("weight_decay", math.inf),
            ("valid_fraction", 1),
        ):
            value = getattr(self, name)
            if not 0 <= value < limit:
                bound = "" if limit == math.inf else f" and below {limit}"
                raise ValueError(f"{name} must be a number from 0{bound}, but is {value!r}")
        for name in ("learning_rate", "valid_fraction"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name} must be above 0, but is 0")
        if self.init not in get_args(Initialisation):
            known = ", ".join(get_args(Initialisation))
            raise ValueError(f"init must be one of {known}, but is {self.init!r}")

    def identity(self, images: Images) -> dict[str, JSON]:
        """What the folder of a training run compares."""
        return {
            **asdict(self),
            "data": images.digest,
            "test_data": test_digest(images),
            "recipe": RECIPE,
        }


def test_digest(images: Images) -> str:
    """SHA-256 of the test images and their labels.

    Raises:
        DataError: there are none.
    """
    if images.x_test is None or images.y_test is None:
        raise DataError(
            f"{images.name} must have test images, on which what was trained is reported, but has "
            f"none; save x_test and y_test beside x_train and y_train"
        )
    sha = hashlib.sha256(repr(images.x_test.shape).encode())
    sha.update(np.ascontiguousarray(images.x_test).reshape(-1).data)
    sha.update(np.ascontiguousarray(images.y_test, dtype="<i4").data)
    return sha.hexdigest()
