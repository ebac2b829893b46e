"""What the proxies are functions of: gradients of a network's loss at initialisation.

A quantity is computed once per network however many proxies ask for it. Each is a frozen dataclass,
so that equal quantities are equal keys, and names the pass that gives it; `compute` gives those of
one pass, in plain JAX. One file a kind of pass.
"""

from jaxnas.proxies.quantities.example_gradients import (
    ExampleGradients,
    GradientSums,
    SquaredMeanGradient,
    mean_gram,
)
from jaxnas.proxies.quantities.loss_gradients import InputGradient, ParameterGradient, Tensors
from jaxnas.proxies.quantities.quantity import Pass, Quantity, compute

__all__ = [
    "ExampleGradients",
    "GradientSums",
    "InputGradient",
    "ParameterGradient",
    "Pass",
    "Quantity",
    "SquaredMeanGradient",
    "Tensors",
    "compute",
    "mean_gram",
]
