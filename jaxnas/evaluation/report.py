"""An evaluation on disk: the table as CSV, and the conditions under which it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]

from jaxnas.evaluation.evaluating import Evaluation
from jaxnas.results import JSON
from jaxnas.results.files import write_atomically

TABLE_FILE = "evaluation.csv"
CONDITIONS_FILE = "evaluation.json"


def write_report(evaluation: Evaluation, folder: Path, conditions: Mapping[str, JSON]) -> None:
    """Writes `evaluation.csv`, a row for each score, empty where undefined, and `evaluation.json`.

    Args:
        evaluation: from `evaluate`.
        folder: which exists.
        conditions: oracle, data set and the like; what the evaluation knows itself is added.

    Raises:
        ResultsError: the disk refuses.
    """
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(_blank(evaluation.table), sink)
    write_atomically(folder / TABLE_FILE, bytes(sink.getvalue()))
    text = json.dumps({**conditions, **described(evaluation)}, indent=2, allow_nan=False)
    write_atomically(folder / CONDITIONS_FILE, f"{text}\n".encode())


def described(evaluation: Evaluation) -> dict[str, JSON]:
    """What an evaluation knows of its conditions."""
    best = int(evaluation.accuracy.argmax())
    return {
        "cells": len(evaluation.cells),
        "functions": evaluation.functions,
        "disconnected": evaluation.disconnected,
        "best_cell": int(evaluation.cells[best]),
        "best_accuracy": float(evaluation.accuracy[best]),
        "bootstrap_resamples_of_functions": evaluation.replicates,
        "confidence_percent": 95,
    }


def _blank(table: pa.Table) -> pa.Table:
    """The table with null for NaN, which CSV shows as nothing."""
    columns = {
        name: pa.array(table[name].to_numpy(), from_pandas=True)
        if pa.types.is_floating(table.schema.field(name).type)
        else table[name]
        for name in table.column_names
    }
    return pa.table(columns)
