"""How far a search on a supernet is: a bar in a terminal, lines at the start and end elsewhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxnas.cli.terminal.progress import StepProgress

if TYPE_CHECKING:
    from jaxnas.oneshot import Epoch


class SearchProgress(StepProgress):
    """Follows a search; shows the loss of this epoch, and accuracy and entropy after the last."""

    done = "searched"

    def begin(self, steps: int) -> None:
        """So many steps are left."""
        line = f"searching: {steps:,} steps left of {self._epochs} epochs on {self._where}"
        self._begin(steps, line if steps else "nothing is left to search")

    def __call__(self, epoch: int, steps: int, loss: float, last: Epoch | None, /) -> None:
        text = f"epoch {epoch}/{self._epochs}: loss {loss:.3f}"
        if last:
            text += f", validation {last.valid_accuracy:.1f} %"
            if not math.isnan(last.entropy):
                text += f", entropy {last.entropy:.3f}"
        self._advance(steps, text)
