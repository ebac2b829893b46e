"""What a table of accuracies holds, as two tables: its accuracies and its training times."""

from __future__ import annotations

from functools import partial

import numpy as np

from jaxnas.oracle import Oracle
from jaxnas.oracle.table import known
from jaxnas.reports.report import Column, Report, Row


def accuracies(table: Oracle) -> Report:
    """A row for each data set, split and number of epochs, with its best cell, the first of equals.

    Args:
        table: from `jaxnas.oracle.read`.
    """
    return Report(
        rows=[_accuracy_row(table, *task) for task in table.tasks],
        columns=[
            Column("dataset", partial(_text, "dataset")),
            Column("split", partial(_text, "split")),
            Column("epochs", partial(_text, "epochs"), right=True),
            Column("seeds", lambda row: row["seeds"] or "mean only"),
            Column("cells", partial(_count, "cells"), right=True),
            Column("best %", lambda row: f"{row['best_accuracy']:.3f}", right=True),
            Column("cell", partial(_text, "best_cell"), right=True),
            Column("arch", partial(_text, "best_arch")),
        ],
        title=f"{table.source}: {len(table.cells):,} of {table.space.size:,} cells",
    )


def times(table: Oracle) -> Report:
    """A row for each data set and number of epochs of which there are training times.

    Args:
        table: from `jaxnas.oracle.read`.
    """
    return Report(
        rows=[
            {
                "dataset": dataset,
                "epochs": epochs,
                "cells": known(seconds),
                "mean_seconds": float(np.nanmean(seconds)),
                "least_seconds": float(np.nanmin(seconds)),
                "most_seconds": float(np.nanmax(seconds)),
            }
            for (dataset, epochs), seconds in sorted(table.times.items())
        ],
        columns=[
            Column("dataset", partial(_text, "dataset")),
            Column("epochs", partial(_text, "epochs"), right=True),
            Column("cells", partial(_count, "cells"), right=True),
            Column("seconds a cell, mean", partial(_seconds, "mean_seconds"), right=True),
            Column("least", partial(_seconds, "least_seconds"), right=True),
            Column("most", partial(_seconds, "most_seconds"), right=True),
        ],
    )


def _accuracy_row(table: Oracle, dataset: str, split: str, epochs: int) -> Row:
    accuracy = table.accuracy(dataset, split, epochs)
    best = int(np.nanargmax(accuracy))
    return {
        "dataset": dataset,
        "split": split,
        "epochs": epochs,
        "seeds": ", ".join(map(str, table.seeds(dataset, split, epochs))),
        "cells": known(accuracy),
        "best_accuracy": float(accuracy[best]),
        "best_cell": best,
        "best_arch": table.space.arch(best),
    }


def _text(name: str, row: Row) -> str:
    return str(row[name])


def _count(name: str, row: Row) -> str:
    return f"{row[name]:,}"


def _seconds(name: str, row: Row) -> str:
    return f"{row[name]:,.1f}"
