"""The networks of the DARTS space: the supernet, and the evaluation network of a genotype."""

from jaxnas.networks.darts.network import EvaluationNetwork
from jaxnas.networks.darts.supernet import PerKind, Supernet

__all__ = ["EvaluationNetwork", "PerKind", "Supernet"]
