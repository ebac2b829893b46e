"""Trains candidates for real, by the recipe of NAS-Bench-201."""

from jaxnas.training.choosing import Choice
from jaxnas.training.outcomes import Epoch, Trained, accuracies_table, curves_table
from jaxnas.training.run import train
from jaxnas.training.settings import Settings

__all__ = [
    "Choice",
    "Epoch",
    "Settings",
    "Trained",
    "accuracies_table",
    "curves_table",
    "train",
]
