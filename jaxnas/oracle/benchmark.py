"""What NATS-Bench records of one cell, as a row of the table that `columns` describes.

The benchmark keeps, by number of epochs, the state of an `ArchResults`, and in it by (data set,
seed) that of a `ResultsCount`: accuracies, losses and times after every epoch. Only what remains
after the last epoch is taken.

Source: Dong et al., "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size",
TPAMI 2021, https://arxiv.org/abs/2009.00437, and its package `nats_bench` 1.8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.checks import one_line, quoted, real, several_whole
from jaxnas.oracle.table import EPOCHS, OracleError
from jaxnas.spaces import SPACES

Row = dict[str, float]

SPACE = SPACES["nb201"]
"""The space of the topology archive."""

# What the benchmark calls (data set, split): what was trained on, what was evaluated on.
_NAMES = {
    ("cifar10", "valid"): ("cifar10-valid", "x-valid"),
    ("cifar10", "test"): ("cifar10", "ori-test"),
    ("cifar100", "valid"): ("cifar100", "x-valid"),
    ("cifar100", "test"): ("cifar100", "x-test"),
    ("imagenet16-120", "valid"): ("ImageNet16-120", "x-valid"),
    ("imagenet16-120", "test"): ("ImageNet16-120", "x-test"),
}

_LARGEST_SEED = 10**18 - 1  # as the names of columns have it

_MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def row(cell: int, by_epochs: Mapping[Any, Any], source: str) -> Row:
    """Every accuracy and time of one cell that an oracle can use.

    Args:
        cell: official index.
        by_epochs: states of `ArchResults` by "12" and "200"; one may be missing.
        source: where it comes from, for messages.

    Returns:
        Values by column name, `{dataset}_{split}_{epochs}_seed{seed}` in percent and
        `{dataset}_seconds_{epochs}` as of `Oracle.seconds`.

    Raises:
        OracleError: this is not the benchmark's layout, or another cell.
    """
    values: Row = {}
    for epochs in EPOCHS:
        state = by_epochs.get(str(epochs))
        if state is None:
            continue
        try:
            expected, got = SPACE.arch(cell), state["arch_str"]
            if got != expected:
                raise OracleError(
                    f"{source}: expected the cell {expected}, number {cell} of the topology "
                    f"space, got {quoted(got)}; is this the topology archive (tss)?"
                )
            values.update(_of_epochs(state, epochs))
        except OracleError:
            raise
        except _MALFORMED as error:
            raise OracleError(
                f"{source} is not laid out as a cell of NATS-Bench ({one_line(error)}); get the "
                "file again"
            ) from error
    return values


def to_table(rows: Iterable[tuple[int, Row]]) -> pa.Table:
    """Rows of cells as a table with the column `cell` and one of each name that any row has."""
    listed = list(rows)
    names = sorted({name for _, values in listed for name in values})
    columns: dict[str, Any] = {"cell": pa.array([cell for cell, _ in listed], pa.int32())}
    for name in names:
        columns[name] = pa.array([values.get(name) for _, values in listed], pa.float64())
    return pa.table(columns)


def _of_epochs(state: Mapping[str, Any], epochs: int) -> Row:
    """Values of one cell, trained for so many epochs."""
    values: Row = {}
    for (dataset, split), (trained_on, evaluated_on) in _NAMES.items():
        times = []
        for seed, run in _runs(state, trained_on):
            if run["epochs"] != epochs:
                raise ValueError(f"{quoted(run['epochs'])} epochs where {epochs} were expected")
            accuracy = run["eval_acc1es"].get(f"{evaluated_on}@{epochs - 1}")
            if accuracy is not None and accuracy == accuracy:  # noqa: PLR0124  # NaN is missing
                column = f"{dataset}_{split}_{epochs}_seed{seed}"
                values[column] = real(column, accuracy, 0, 100)
            if split == "valid":
                times.append(_seconds(run, evaluated_on, epochs))
        if any(np.isfinite(times)):
            values[f"{dataset}_seconds_{epochs}"] = float(np.nanmean(times))
    return values


def _runs(state: Mapping[str, Any], trained_on: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(seed, state of its ResultsCount) of each training run on a data set."""
    seeds = state["dataset_seed"].get(trained_on, ())
    for seed in several_whole("seeds", seeds, most=_LARGEST_SEED, empty=True):
        run = state["all_results"][trained_on, seed]
        yield seed, run if isinstance(run, Mapping) else run.state_dict()


def _seconds(run: Mapping[str, Any], evaluated_on: str, epochs: int) -> float:
    """Time of all epochs and of one validation pass, the mean over the epochs' passes."""
    training, validation = run["train_times"], run["eval_times"] or {}
    keys = [f"{evaluated_on}@{epoch}" for epoch in range(epochs)]
    if not training or any(key not in validation for key in keys):
        return float("nan")
    total = sum(training[epoch] for epoch in range(epochs))
    return float(total + sum(validation[key] for key in keys) / epochs)
