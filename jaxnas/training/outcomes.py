"""What came of a training: its curve, its accuracies, and both as tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.spaces import nb201

Status = Literal["ok", "diverged"]


@dataclass(frozen=True)
class Epoch:
    """One pass over the training images.

    Attributes:
        epoch: counted from 1.
        learning_rate: its rate.
        train_loss: mean cross-entropy over its images, augmented, each before its step.
        train_accuracy: percent of them, likewise.
        valid_accuracy: percent of the validation images, after it.
        seconds: of training and validation, compilation left out.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    valid_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Trained:
    """What came of training a candidate.

    Attributes:
        cell: official index.
        seed: fixes initial parameters, order of the images and augmentation.
        status: "ok", or "diverged" where the loss or a parameter was not finite.
        curve: the epochs that were finished.
        test: percent of the test images at the end; NaN where it diverged.
        diverged_step: the step, counted from 1 over all epochs, after which it was not finite.
    """

    cell: int
    seed: int
    status: Status
    curve: tuple[Epoch, ...]
    test: float
    diverged_step: int | None = None

    @property
    def valid(self) -> float:
        """Percent of the validation images at the end; NaN where it diverged."""
        return self.curve[-1].valid_accuracy if self.status == "ok" else math.nan

    @property
    def seconds(self) -> float:
        """Of training and validation, compilation left out."""
        return math.fsum(epoch.seconds for epoch in self.curve)

    def to_json(self) -> str:
        """As text, for `from_json`."""
        test = None if math.isnan(self.test) else self.test
        return json.dumps({**asdict(self), "test": test}, allow_nan=False, indent=1) + "\n"


def from_json(text: str) -> Trained:
    """Reads `Trained.to_json`.

    Raises:
        ValueError, KeyError, TypeError: the text is something else.
    """
    content = json.loads(text)
    test = content.pop("test")
    curve = tuple(Epoch(**epoch) for epoch in content.pop("curve"))
    return Trained(curve=curve, test=math.nan if test is None else test, **content)


def accuracies_table(trained: Iterable[Trained], settings: Any, num_classes: int) -> pa.Table:
    """One row a candidate: cell, arch, seed, status, params, valid, test, seconds, diverged_step.

    Args:
        trained: the candidates, in the table's order.
        settings: `training.Settings`, for `params`.
        num_classes: likewise.
    """
    rows = list(trained)
    ops = nb201.cell_ops()[[row.cell for row in rows]]
    params = nb201.num_params(ops, num_classes, settings.channels, settings.cells_per_stage)
    return pa.table(
        {
            "cell": pa.array([row.cell for row in rows], pa.int32()),
            "arch": pa.array([nb201.index_to_arch(row.cell) for row in rows], pa.string()),
            "seed": pa.array([row.seed for row in rows], pa.int64()),
            "status": pa.array([row.status for row in rows], pa.string()),
            "params": pa.array(params, pa.int64()),
            "valid": pa.array([row.valid for row in rows], pa.float64()),
            "test": pa.array([row.test for row in rows], pa.float64()),
            "seconds": pa.array([row.seconds for row in rows], pa.float64()),
            "diverged_step": pa.array([row.diverged_step for row in rows], pa.int64()),
        }
    )


def curves_table(trained: Iterable[Trained]) -> pa.Table:
    """One row a candidate and epoch: cell, seed, then the fields of `Epoch`."""
    rows = [
        {"cell": one.cell, "seed": one.seed, **asdict(epoch)}
        for one in trained
        for epoch in one.curve
    ]
    numbers = ("learning_rate", "train_loss", "train_accuracy", "valid_accuracy", "seconds")
    schema = pa.schema(
        [("cell", pa.int32()), ("seed", pa.int64()), ("epoch", pa.int32())]
        + [(name, pa.float64()) for name in numbers]
    )
    return pa.Table.from_pylist(rows, schema)
