"""What a search on a supernet has found, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxnas import spaces
from jaxnas.reports.report import Column, Report

if TYPE_CHECKING:
    from jaxnas.oneshot import Outcome
    from jaxnas.oracle import Oracle


def report_epochs(oracle: Oracle) -> int:
    """After how many epochs a benchmark's accuracies are shown: its longest training.

    Raises:
        ValueError: the table has no accuracies.
    """
    if not oracle.tasks:
        raise ValueError(
            f"{oracle.source}: expected accuracies of trained architectures, got none; give "
            "another table"
        )
    return max(epochs for _, _, epochs in oracle.tasks)


def check_oracle(oracle: Oracle, space: str) -> None:
    """Refuses, before a search, a table that lacks what `found_report` shows.

    Args:
        oracle: the benchmark's accuracies.
        space: name of the space.

    Raises:
        ValueError: the space has no official indices, or an architecture's accuracy is missing.
    """
    searched = spaces.find(space)
    if not searched.indexed:
        raise ValueError(
            f"oracle: expected a space with official indices, got {searched.name}, of which there "
            "is no benchmark; leave it out"
        )
    longest = report_epochs(oracle)
    for task in oracle.tasks:
        if task[2] == longest:
            oracle.require(range(searched.size), *task)


def found_report(outcome: Outcome, oracle: Oracle | None = None) -> Report:
    """The architecture found and, where a benchmark is given, its accuracies there.

    A row is a data set and a split of the benchmark: the accuracy of the architecture found in
    percent, its rank among all architectures of the space, 1 the best, and the best one's accuracy.

    Args:
        outcome: of `jaxnas.oneshot.search`.
        oracle: the benchmark's accuracies, which `check_oracle` has passed.
    """
    worth = (
        f"{outcome.valid_accuracy:.2f} % of the images held out, with shared weights; "
        f"{outcome.epochs[-1].evaluations:,} networks evaluated"
    )
    if oracle is None:
        return Report([], [], title=outcome.architecture, notes=[worth])
    space = spaces.find(outcome.space)
    indices = space.indices([outcome.architecture])
    assert indices is not None
    cell, longest = int(indices[0]), report_epochs(oracle)
    rows = []
    for dataset, split, epochs in oracle.tasks:
        if epochs == longest:
            accuracy = oracle.accuracy(dataset, split, epochs)
            rows.append(
                {
                    "dataset": dataset,
                    "split": split,
                    "cell": cell,
                    "accuracy": float(accuracy[cell]),
                    "rank": int((accuracy > accuracy[cell]).sum()) + 1,
                    "best": float(accuracy.max()),
                }
            )
    columns = [
        Column("dataset", lambda row: str(row["dataset"])),
        Column("split", lambda row: str(row["split"])),
        Column("accuracy %", lambda row: f"{row['accuracy']:.2f}", right=True),
        Column(f"rank of {space.size:,}", lambda row: f"{row['rank']:,}", right=True),
        Column("best cell's %", lambda row: f"{row['best']:.2f}", right=True),
    ]
    trained = f"cell {cell}: the benchmark's accuracies after {longest} epochs"
    return Report(rows, columns, title=outcome.architecture, notes=[worth, trained])
