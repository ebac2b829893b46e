"""An evaluation on disk: the table as CSV, and the conditions under which it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from jaxnas.evaluation.evaluating import Evaluation
from jaxnas.results import JSON
from jaxnas.results.files import write_atomically, write_csv

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
    write_csv(evaluation.table.to_pylist(), folder / TABLE_FILE)
    text = json.dumps({**conditions, **described(evaluation)}, indent=2, allow_nan=False)
    write_atomically(folder / CONDITIONS_FILE, f"{text}\n".encode())


def described(evaluation: Evaluation) -> dict[str, JSON]:
    """What an evaluation knows of its conditions."""
    best = evaluation.best
    return {
        "cells": len(evaluation.archs),
        "functions": evaluation.functions,
        "disconnected": evaluation.disconnected,
        "best_cell": None if evaluation.cells is None else int(evaluation.cells[best]),
        "best_arch": evaluation.archs[best],
        "best_accuracy": float(evaluation.accuracy[best]),
        "bootstrap_resamples_of_functions": evaluation.replicates,
        "confidence_percent": 95,
    }
