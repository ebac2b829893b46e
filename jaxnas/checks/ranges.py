"""The ranges of the library's numbers, as annotations: each is said here and nowhere else.

The upper ends are far beyond what anybody computes, and below what would never end or would fill
the memory of any machine.
"""

from __future__ import annotations

from typing import Annotated

from jaxnas.checks.kinds import Real, Whole

MOST = 10_000_000
"""No more architectures than these are drawn, listed, scored or trained."""

Count = Annotated[int, Whole(1, MOST)]
"""How many of something, at least one."""

CountOrNone = Annotated[int, Whole(0, MOST)]
"""How many of something, 0 for none."""

Seed = Annotated[int, Whole(0)]
"""A random seed."""

SeedOfWords = Annotated[int, Whole(0, 2**32 - 1)]
"""A random seed of 32 bits: of a larger one JAX takes the lowest, as those of another seed."""

SeedOfOrder = Annotated[int, Whole(0, 2**96 - 1)]
"""A random seed of an order of images: three words of 32 bits."""

Channels = Annotated[int, Whole(1, 4096)]
"""Channels of the first stage or cell."""

Depth = Annotated[int, Whole(1, 1000)]
"""Cells, counted as the space does."""

MOST_CLASSES = 1_000_000
"""A network has an output for each class."""

Classes = Annotated[int, Whole(1, MOST_CLASSES)]
"""Classes of images."""

Side = Annotated[int, Whole(1, 16_384)]
"""Height and width of an image in pixels."""

Epochs = Annotated[int, Whole(1, 1_000_000)]
"""Passes over the training images."""

BatchSize = Annotated[int, Whole(1, MOST)]
"""Images of a step."""

NormalisedBatchSize = Annotated[int, Whole(2, MOST, "as batches are normalised")]
"""Images of a step that are normalised together."""

ComparedBatchSize = Annotated[int, Whole(2, MOST, "as the scores compare examples")]
"""Images of a batch that scores."""

Pixels = Annotated[int, Whole(0, 16_384)]
"""A length in an image, 0 for none."""

Units = Annotated[int, Whole(1, 65_536)]
"""Units of a small network's layer."""

Layers = Annotated[int, Whole(1, 100)]
"""Layers of a small network."""

Queries = Annotated[int, Whole(1, 100_000_000)]
"""Evaluations of a loss that a search may spend."""

Runs = Annotated[int, Whole(1, 1_000_000)]
"""Repetitions of a search."""

Resamples = Annotated[int, Whole(1, 100_000)]
"""Resamples of a bootstrap, all of which are held at once."""

Budget = Annotated[float, Real(0, 1e9, above=True)]
"""Simulated seconds of training; at most 30 years."""

Finite = Annotated[float, Real()]
"""Any number but NaN and the infinite ones."""

Positive = Annotated[float, Real(0, above=True)]
"""A number above 0."""

NotNegative = Annotated[float, Real(0)]
"""A number from 0."""

Fraction = Annotated[float, Real(0, 1, below=True)]
"""A number from 0, below 1."""

Part = Annotated[float, Real(0, 1, above=True, below=True)]
"""A number between 0 and 1."""

BelowZero = Annotated[float, Real(high=0, below=True)]
"""A number below 0, such as where a stretched sigmoid begins."""

AboveOne = Annotated[float, Real(1, above=True)]
"""A number above 1, such as where it ends."""

Temperature = Annotated[float, Real(1e-6, 1e6)]
"""A temperature; beyond these a softmax in float32 is one of 0 and 1, or uniform."""
