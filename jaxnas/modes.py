"""Choices that identify how a network is made; no JAX."""

from typing import Literal

BatchNormMode = Literal["batch", "example", "frozen"]
BN_MODES: tuple[BatchNormMode, ...] = ("batch", "example", "frozen")

Initialisation = Literal["pytorch", "he", "xavier"]

DType = Literal["float32", "float64"]
