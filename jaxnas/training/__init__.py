"""Trains architectures for real: those of a space by the recipe of its publication."""

from typing import TYPE_CHECKING

from jaxnas.lazy import attach

if TYPE_CHECKING:
    from jaxnas.training.choice import Choice
    from jaxnas.training.outcomes import Epoch, Trained, accuracies_table, curves_table
    from jaxnas.training.run import train
    from jaxnas.training.settings import PRESETS, TrainingSettings

__all__ = [
    "PRESETS",
    "Choice",
    "Epoch",
    "Trained",
    "TrainingSettings",
    "accuracies_table",
    "curves_table",
    "train",
]

_OUTCOMES = "jaxnas.training.outcomes"

__getattr__, __dir__ = attach(
    __name__,
    {
        "PRESETS": "jaxnas.training.settings",
        "Choice": "jaxnas.training.choice",
        "Epoch": _OUTCOMES,
        "Trained": _OUTCOMES,
        "TrainingSettings": "jaxnas.training.settings",
        "accuracies_table": _OUTCOMES,
        "curves_table": _OUTCOMES,
        "train": "jaxnas.training.run",
    },
)
