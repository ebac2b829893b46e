"""Everything that identifies a training run: equal settings train the same weights."""

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import ClassVar, get_args

import numpy as np

from jaxnas.data import DataError, Images, check_side
from jaxnas.networks.initialisers import Initialisation
from jaxnas.results import JSON

# Raised whenever the recipe changes, so that a folder never mixes two.
RECIPE = 2


@dataclass(frozen=True)
class Recipe:
    """How candidates are trained, of whatever space; its subclasses are the papers' presets.

    Attributes:
        epochs: passes over the training images.
        batch_size: images of a step; the last step of an epoch takes what is left.
        learning_rate: of the first epoch, from which a cosine falls to 0.
        momentum: of SGD.
        nesterov: whether it is Nesterov's.
        weight_decay: times a parameter, added to its gradient; of all parameters.
        gradient_clip: largest norm of the gradient of all parameters together, before the decay; a
            longer one is shortened to it. 0 for none.
        cutout: side in pixels of the square that is blanked in every training image. 0 for none.
        channels: of the network's first cells.
        init: initialisation of the networks, "pytorch", "he" or "xavier".
        valid_fraction: part of each class of the training images that is held out for validation;
            0 for none.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    gradient_clip: float
    cutout: int
    channels: int
    init: Initialisation
    valid_fraction: float

    space: ClassVar[str]
    # Fields that are whole numbers, and the least they may be.
    whole: ClassVar[dict[str, int]] = {"epochs": 1, "batch_size": 1, "channels": 1, "cutout": 0}
    # Fields that are numbers from 0, and what they stay below.
    limits: ClassVar[dict[str, float]] = {
        "learning_rate": math.inf,
        "momentum": 1,
        "weight_decay": math.inf,
        "gradient_clip": math.inf,
        "valid_fraction": 1,
    }

    def __post_init__(self) -> None:
        for name, least in self.whole.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f"{name} must be a whole number of at least {least}, but is {value!r}"
                )
        for name, limit in self.limits.items():
            value = getattr(self, name)
            if not 0 <= value < limit:
                bound = "" if limit == math.inf else f" and below {limit}"
                raise ValueError(f"{name} must be a number from 0{bound}, but is {value!r}")
        if self.learning_rate == 0:
            raise ValueError("learning_rate must be above 0, but is 0")
        if self.init not in get_args(Initialisation):
            known = ", ".join(get_args(Initialisation))
            raise ValueError(f"init must be one of {known}, but is {self.init!r}")

    def identity(self, images: Images) -> dict[str, JSON]:
        """What the folder of a training run compares."""
        return {
            "space": self.space,
            **asdict(self),
            "data": images.digest,
            "test_data": test_digest(images),
            "recipe": RECIPE,
        }

    def check_images(self, images: Images) -> None:
        """Raises DataError if the networks cannot take the images."""
        check_side(images)


@dataclass(frozen=True)
class Settings(Recipe):
    """The recipe and the networks of NAS-Bench-201, whose values are the defaults.

    Attributes:
        epochs: the benchmark has 12 and 200.
        valid_fraction: the benchmark's `cifar10-valid` holds out half.
        cells_per_stage: cells in each of the three stages. The others are `Recipe`'s.

    Source: Dong & Yang, "NAS-Bench-201", ICLR 2020, table 2, and its published code.
    """

    epochs: int = 12
    batch_size: int = 256
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    gradient_clip: float = 0
    cutout: int = 0
    channels: int = 16
    init: Initialisation = "pytorch"
    valid_fraction: float = 0.2
    cells_per_stage: int = 5

    space: ClassVar[str] = "nb201"
    whole: ClassVar[dict[str, int]] = Recipe.whole | {"cells_per_stage": 1}


@dataclass(frozen=True)
class DartsSettings(Recipe):
    """The recipe and the networks by which DARTS evaluates a genotype; its values are the defaults.

    Attributes:
        valid_fraction: none by default: the paper trains on all training images.
        layers: cells of the network; those at 1/3 and 2/3 are reductions.
        drop_path: probability with which an image goes without an operation's output at the end of
            training; it rises linearly by epochs from 0. 0 for none.
        auxiliary_weight: of the auxiliary head's cross-entropy in the loss of training; 0 for no
            such head, which fits images of 32 to 40 pixels. The others are `Recipe`'s.

    Source: Liu, Simonyan & Yang, "DARTS", ICLR 2019, section 3.2, and the released code.
    """

    epochs: int = 600
    batch_size: int = 96
    learning_rate: float = 0.025
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    gradient_clip: float = 5
    cutout: int = 16
    channels: int = 36
    init: Initialisation = "pytorch"
    valid_fraction: float = 0
    layers: int = 20
    drop_path: float = 0.2
    auxiliary_weight: float = 0.4

    space: ClassVar[str] = "darts"
    whole: ClassVar[dict[str, int]] = Recipe.whole | {"layers": 3}
    limits: ClassVar[dict[str, float]] = Recipe.limits | {
        "drop_path": 1,
        "auxiliary_weight": math.inf,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % 2:
            raise ValueError(
                f"channels must be even, as reductions halve them, but is {self.channels}"
            )

    def check_images(self, images: Images) -> None:
        """Raises DataError if the networks cannot take the images."""
        super().check_images(images)
        side = images.x_train.shape[1]
        if self.auxiliary_weight and not 32 <= side <= 40:
            raise DataError(
                f"{images.name}: the auxiliary head fits images of 32 to 40 pixels a side, but "
                f"these have {side}; ask for an auxiliary weight of 0, which leaves it out"
            )


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
