"""Options of a training's recipe, which `jaxnas train` and `jaxnas search gt-nas` have."""

from __future__ import annotations

from jaxnas.cli import options
from jaxnas.training.settings import PRESETS, TrainingSettings

TEXTS = {
    "epochs": "Passes over the training images.",
    "batch_size": "Images of a step.",
    "learning_rate": "Learning rate of the first epoch; a cosine falls from it to 0.",
    "momentum": "Momentum of SGD.",
    "weight_decay": "Weight decay of all parameters.",
    "gradient_clip": "Largest norm of the gradient; 0 for any.",
    "cutout": "Side in pixels of the square blanked in training images; 0 for none.",
    "channels": "Channels of the first stage or cell.",
    "depth": "Cells, counted as `jaxnas spaces` says.",
    "drop_path": "Probability of dropping a path at the end, to which it rises from 0.",
    "auxiliary_weight": "Weight of the auxiliary head's loss; 0 for no such head.",
    "valid_fraction": "Part of each class of the training images that is held out for validation.",
}


def _presets(field: str) -> str:
    """A field's value in each space's preset, once where they agree."""
    values = {space: f"{preset[field]:g}" for space, preset in PRESETS.items()}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    return ", ".join(f"{value} for {space}" for space, value in values.items())


recipe = options.of_fields(TrainingSettings, TEXTS, {field: _presets(field) for field in TEXTS})
"""The options; those that the user does not give are None, for the space's preset to fill in."""
