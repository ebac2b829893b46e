"""What comes of training some candidates and keeping the best by validation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from jaxnas.training.outcomes import Trained


@dataclass(frozen=True)
class Choice:
    """Candidates, all of them trained, and the one to keep.

    Attributes:
        method: how the candidates were come by, in words.
        candidates: what came of each, at least one.
    """

    method: str
    candidates: tuple[Trained, ...]

    @property
    def chosen(self) -> Trained | None:
        """The highest validation accuracy, of equals the first; None where all diverged."""
        ended = [one for one in self.candidates if not math.isnan(one.valid)]
        return max(ended, key=lambda one: one.valid, default=None)

    @property
    def diverged(self) -> int:
        """How many diverged; they are never chosen."""
        return sum(one.status == "diverged" for one in self.candidates)

    @property
    def test(self) -> tuple[float, float]:
        """Mean and deviation in percent over the candidates that did not diverge, NaN if none."""
        tests = [one.test for one in self.candidates if not math.isnan(one.test)]
        return (float(np.mean(tests)), float(np.std(tests))) if tests else (math.nan, math.nan)

    @property
    def seconds(self) -> float:
        """Time of all trainings, compilation left out."""
        return math.fsum(one.seconds for one in self.candidates)
