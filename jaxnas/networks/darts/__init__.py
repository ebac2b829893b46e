"""The networks of the DARTS space: scored, trained, and the supernet."""

from jaxnas.networks.darts.network import EvaluationNetwork
from jaxnas.networks.darts.scored_network import scored
from jaxnas.networks.darts.searched_network import supernet
from jaxnas.networks.darts.supernet_module import PerKind, SupernetModule
from jaxnas.networks.darts.trained_network import trained

__all__ = ["EvaluationNetwork", "PerKind", "SupernetModule", "scored", "supernet", "trained"]
