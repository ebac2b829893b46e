"""What came of a training: its curve, its accuracies, and both as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.checks import quoted, real, whole
from jaxnas.checks.documents import filled
from jaxnas.results import JSON

Status = Literal["ok", "diverged"]


@dataclass(frozen=True)
class Epoch:
    """One pass over the training images.

    Attributes:
        epoch: counted from 1.
        learning_rate: its rate.
        train_loss: mean cross-entropy over its images, augmented, each before its step; an
            auxiliary head's is not in it.
        train_accuracy: percent of them, likewise.
        valid_accuracy: percent of the validation images, after it; None where none are held out.
        seconds: time of training and validation, compilation left out.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    valid_accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class Trained:
    """What came of training a candidate.

    Attributes:
        arch: the architecture, as its space spells it.
        cell: its official index; None where its space has none.
        name: the candidate's name in folders and rows: the index, or a word for the architecture.
        params: number of trainable parameters.
        seed: it fixes initial parameters, order of the images and augmentation.
        status: "ok", or "diverged" where the loss or a parameter was not finite.
        curve: the epochs that were finished.
        test: percent of the test images at the end; NaN where it diverged.
        diverged_step: the step, counted from 1 over all epochs, after which it was not finite.
    """

    arch: str
    cell: int | None
    name: str
    params: int
    seed: int
    status: Status
    curve: tuple[Epoch, ...]
    test: float
    diverged_step: int | None = None

    @property
    def label(self) -> str:
        """The name as a sentence has it: "cell 855" or "darts-v1"."""
        return self.name if self.cell is None else f"cell {self.name}"

    @property
    def valid(self) -> float:
        """Percent of the validation images at the end; NaN if it diverged or there are none."""
        last = self.curve[-1].valid_accuracy if self.status == "ok" else None
        return math.nan if last is None else last

    @property
    def seconds(self) -> float:
        """Time of training and validation, compilation left out."""
        return math.fsum(epoch.seconds for epoch in self.curve)

    def content(self) -> dict[str, JSON]:
        """As names with values, for `from_content`."""
        return {**asdict(self), "test": None if math.isnan(self.test) else self.test}


def from_content(content: Mapping[str, Any]) -> Trained:
    """Reads `Trained.content`.

    Raises:
        ValueError: it is something else.
    """
    read = dict(content)
    name = read.get("name")
    if "cell" not in read and isinstance(name, str):  # once an index was known by the name alone
        read["cell"] = int(name) if name.isdecimal() else None
    curve = read.get("curve")
    if "test" in read:
        read["test"] = math.nan if read["test"] is None else real("test", read["test"], 0, 100)
    if not isinstance(curve, list):
        raise ValueError(f"curve: expected a list of epochs, got {quoted(curve)}")
    epochs = tuple(filled(Epoch, epoch) for epoch in curve)
    trained = filled(Trained, {**read, "curve": epochs})
    if [epoch.epoch for epoch in epochs] != [n + 1 for n in range(len(epochs))]:
        raise ValueError("curve: expected epochs 1, 2 and so on, got others")
    if trained.status == "ok" and (not epochs or math.isnan(trained.test)):
        raise ValueError("curve, test: expected both of a training that ended, got none")
    for what in ("params", "seed", "cell", "diverged_step"):
        if (value := getattr(trained, what)) is not None:
            whole(what, value)
    return trained


def accuracies_table(trained: Iterable[Trained]) -> pa.Table:
    """One row a candidate, in their order.

    The columns are name, cell (the official index, null where there is none), arch, seed, status,
    params, valid and test (percent; NaN where there is none), seconds, diverged_step.
    """
    rows = list(trained)
    return pa.table(
        {
            "name": pa.array([row.name for row in rows], pa.string()),
            "cell": pa.array([row.cell for row in rows], pa.int32()),
            "arch": pa.array([row.arch for row in rows], pa.string()),
            "seed": pa.array([row.seed for row in rows], pa.int64()),
            "status": pa.array([row.status for row in rows], pa.string()),
            "params": pa.array([row.params for row in rows], pa.int64()),
            "valid": pa.array([row.valid for row in rows], pa.float64()),
            "test": pa.array([row.test for row in rows], pa.float64()),
            "seconds": pa.array([row.seconds for row in rows], pa.float64()),
            "diverged_step": pa.array([row.diverged_step for row in rows], pa.int64()),
        }
    )


def curves_table(trained: Iterable[Trained]) -> pa.Table:
    """One row a candidate and epoch: name, cell, seed, then the fields of `Epoch`."""
    rows = [
        {
            "name": one.name,
            "cell": one.cell,
            "seed": one.seed,
            **asdict(epoch),
        }
        for one in trained
        for epoch in one.curve
    ]
    numbers = ("learning_rate", "train_loss", "train_accuracy", "valid_accuracy", "seconds")
    schema = pa.schema(
        [("name", pa.string()), ("cell", pa.int32()), ("seed", pa.int64()), ("epoch", pa.int32())]
        + [(name, pa.float64()) for name in numbers]
    )
    return pa.Table.from_pylist(rows, schema)
