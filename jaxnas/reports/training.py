"""What came of a training run, as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxnas.reports.report import Column, Report, Row

if TYPE_CHECKING:
    from jaxnas.training import Trained


def trained_report(trained: Sequence[Trained]) -> Report:
    """The accuracies of trained candidates, the best by validation first.

    The rows have the columns of `accuracies.parquet`. Its notes name the step at which each
    training that diverged did.

    Args:
        trained: what came of each candidate.
    """
    ordered = sorted(trained, key=lambda one: (math.isnan(one.valid), -one.valid))
    rows = [
        {
            "cell": one.cell,
            "name": one.name,
            "arch": one.arch,
            "seed": one.seed,
            "status": one.status,
            "params": one.params,
            "valid": one.valid,
            "test": one.test,
            "seconds": one.seconds,
            "diverged_step": one.diverged_step,
        }
        for one in ordered
    ]
    # The archs of a space without indices are too long for a screen; the file has them.
    indexed = all(one.cell is not None for one in ordered)
    return Report(
        rows=rows,
        columns=[
            *(
                [
                    Column("cell", lambda row: str(row["cell"]), right=True),
                    Column("arch", lambda row: str(row["arch"])),
                ]
                if indexed
                else [Column("architecture", lambda row: str(row["name"]))]
            ),
            Column("seed", lambda row: str(row["seed"]), right=True),
            Column("status", lambda row: str(row["status"])),
            Column("params", lambda row: f"{row['params']:,}", right=True),
            Column("valid %", lambda row: _percent(row, "valid"), right=True),
            Column("test %", lambda row: _percent(row, "test"), right=True),
            Column("seconds", lambda row: f"{row['seconds']:.1f}", right=True),
        ],
        notes=divergences(trained),
    )


def divergences(trained: Sequence[Trained]) -> list[str]:
    """A sentence for each training that diverged, which names the step."""
    return [
        f"{one.label}, seed {one.seed} diverged: not finite after step {one.diverged_step:,}, "
        f"after {len(one.curve)} whole epochs; its last good checkpoint is kept"
        for one in trained
        if one.status == "diverged"
    ]


def _percent(row: Row, name: str) -> str:
    return "-" if math.isnan(row[name]) else f"{row[name]:.2f}"
