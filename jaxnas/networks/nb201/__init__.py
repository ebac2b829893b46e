"""The networks of NAS-Bench-201 as pure Flax modules: scored, trained, and the supernet."""

from jaxnas.networks.nb201.scored_network import scored
from jaxnas.networks.nb201.searched_network import supernet
from jaxnas.networks.nb201.trained_network import trained

__all__ = ["scored", "supernet", "trained"]
