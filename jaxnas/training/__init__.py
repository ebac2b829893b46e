"""Trains candidates for real: cells by NAS-Bench-201's recipe, genotypes by DARTS'."""

from jaxnas.training.choice import Choice
from jaxnas.training.outcomes import Epoch, Trained, accuracies_table, curves_table
from jaxnas.training.run import train, train_genotypes
from jaxnas.training.settings import DartsSettings, Settings

__all__ = [
    "Choice",
    "DartsSettings",
    "Epoch",
    "Settings",
    "Trained",
    "accuracies_table",
    "curves_table",
    "train",
    "train_genotypes",
]
