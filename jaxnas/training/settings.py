"""Everything that identifies a training run: equal settings train the same weights."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxnas.checks import check_fields, checked, ranges
from jaxnas.data import DataError, Images
from jaxnas.modes import Initialisation
from jaxnas.results import JSON
from jaxnas.spaces import DEFAULT, Sizes

# Raised whenever the recipe changes, so that a folder never mixes two.
RECIPE = 2

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "nb201": {
            "epochs": 12,
            "batch_size": 256,
            "learning_rate": 0.1,
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 5e-4,
            "gradient_clip": 0,
            "cutout": 0,
            "channels": 16,
            "depth": 5,
            "drop_path": 0,
            "auxiliary_weight": 0,
            "init": "pytorch",
            "valid_fraction": 0.2,
        },
        "darts": {
            "epochs": 600,
            "batch_size": 96,
            "learning_rate": 0.025,
            "momentum": 0.9,
            "nesterov": False,
            "weight_decay": 3e-4,
            "gradient_clip": 5,
            "cutout": 16,
            "channels": 36,
            "depth": 20,
            "drop_path": 0.2,
            "auxiliary_weight": 0.4,
            "init": "pytorch",
            "valid_fraction": 0,
        },
    }
)
"""The recipe and the network sizes with which a space's publication trains, by the space's name.

NAS-Bench-201's are those of Dong & Yang, "NAS-Bench-201", ICLR 2020, table 2, and of its published
code; it trains for 12 epochs and for 200, and its `cifar10-valid` holds out half. DARTS' are those
by which Liu, Simonyan & Yang, "DARTS", ICLR 2019, section 3.2, and the released code evaluate a
genotype: on all training images, none held out.
"""

# The default of a field that the space's preset fills in.
_PRESET: Any = None


@dataclass(frozen=True)
class TrainingSettings:
    """How architectures are trained; what is not given is the space's preset, see `PRESETS`.

    Attributes:
        space: name of their space.
        epochs: passes over the training images.
        batch_size: images of a step; the last step of an epoch takes what is left.
        learning_rate: rate of the first epoch, from which a cosine falls to 0.
        momentum: momentum of SGD.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: times a parameter, added to its gradient; it applies to all parameters.
        gradient_clip: largest norm of the gradient of all parameters together, before the decay; a
            longer one is shortened to it. 0 for none.
        cutout: side in pixels of the square that is blanked in every training image. 0 for none.
        channels: channels of the first stage or cell.
        depth: cells, counted as the space does.
        drop_path: probability with which an image goes without an operation's output at the end of
            training; it rises linearly by epochs from 0. 0 for none.
        auxiliary_weight: weight of the auxiliary head's cross-entropy in the loss of training; 0
            for no such head.
        init: initialisation of the networks, "pytorch", "he" or "xavier".
        valid_fraction: part of each class of the training images that is held out for validation;
            0 for none.

    Raises:
        ValueError: a setting is not what it should be, or is missing where the space has no preset.
    """

    space: str = DEFAULT.name
    epochs: ranges.Epochs = _PRESET
    batch_size: ranges.BatchSize = _PRESET
    learning_rate: ranges.Positive = _PRESET
    momentum: ranges.Fraction = _PRESET
    nesterov: bool = _PRESET
    weight_decay: ranges.NotNegative = _PRESET
    gradient_clip: ranges.NotNegative = _PRESET
    cutout: ranges.Pixels = _PRESET
    channels: ranges.Channels = _PRESET
    depth: ranges.Depth = _PRESET
    drop_path: ranges.Fraction = _PRESET
    auxiliary_weight: ranges.NotNegative = _PRESET
    init: Initialisation = _PRESET
    valid_fraction: ranges.Fraction = _PRESET

    def __post_init__(self) -> None:
        checked("space", self.space, str)
        self._fill_in()
        check_fields(self)

    def _fill_in(self) -> None:
        preset = PRESETS.get(self.space, {})
        missing = [field.name for field in fields(self) if getattr(self, field.name) is None]
        unknown = [name for name in missing if name not in preset]
        if unknown:
            raise ValueError(
                f"space {self.space!r}: expected a recipe of its own, as {' and '.join(PRESETS)} "
                f"have, got none; give {', '.join(unknown)}"
            )
        for name in missing:
            object.__setattr__(self, name, preset[name])

    @property
    def sizes(self) -> Sizes:
        """How large the networks are."""
        return Sizes(self.channels, self.depth)

    def identity(self, images: Images) -> dict[str, JSON]:
        """What the folder of a training run compares."""
        return {
            **asdict(self),
            "data": images.digest,
            "test_data": test_digest(images),
            "recipe": RECIPE,
        }


def upgraded(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a folder holds, under the names that they have now."""
    settings = {"drop_path": 0, "auxiliary_weight": 0, **stored}
    for name in ("cells_per_stage", "layers"):
        if name in settings:
            settings["depth"] = settings.pop(name)
    return settings


def test_digest(images: Images) -> str:
    """SHA-256 of the test images and their labels.

    Raises:
        DataError: there are none.
    """
    if images.x_test is None or images.y_test is None:
        raise DataError(
            f"{images.name}: expected test images, on which what was trained is reported, got "
            f"none; save x_test and y_test beside x_train and y_train"
        )
    sha = hashlib.sha256(repr(images.x_test.shape).encode())
    sha.update(np.ascontiguousarray(images.x_test).reshape(-1).data)
    sha.update(np.ascontiguousarray(images.y_test, dtype="<i4").data)
    return sha.hexdigest()
