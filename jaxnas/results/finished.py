"""Reading a finished run: its table, the settings that made it, and what its scores cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from jaxnas.proxies import derived
from jaxnas.results.folder import Folder
from jaxnas.results.manifest import MANIFEST_FILE, Request
from jaxnas.results.parts import disk_errors
from jaxnas.results.records import ResultsError
from jaxnas.spaces import nb201

SCORES_FILE = "scores.parquet"
_SETTINGS = b"jaxnas.settings"
_KEYS = ("cell", "function", "seed")


def read_finished(folder: Path) -> pa.Table:
    """The table of a folder whose run has finished.

    The folder's `scores.parquet` is enough; where its manifest is there too, all that was ever
    asked of the folder must be in the table.

    Raises:
        ResultsError: there is no table, it is none, or the run has not finished.
    """
    path = folder / SCORES_FILE
    manifest = (folder / MANIFEST_FILE).is_file()
    if not path.is_file():
        raise ResultsError(_unfinished(folder) if manifest else _not_there(folder))
    with disk_errors(path, "read"):
        data = path.read_bytes()
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read()
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(
            f"{path} is damaged: expected a Parquet file, got {error}; the same jaxnas score "
            "command writes it again"
        ) from error
    _check_rows(table, path)
    if manifest:
        with Folder.load(folder) as run:
            if not all(_holds(table, request) for request in run.requests):
                raise ResultsError(_unfinished(folder))
    return table


def settings_of(table: pa.Table) -> dict[str, Any]:
    """Settings of the run that a table is of, from its metadata; empty where it has none."""
    settings: dict[str, Any] = json.loads((table.schema.metadata or {}).get(_SETTINGS, b"{}"))
    return settings


def median_seconds(folder: Path) -> dict[str, float]:
    """Seconds of one cell by score: the median over the networks scored, on one device.

    Scores that share a backward pass are timed together, each with the time of all. A derived
    score costs what those do that it needs.

    Returns:
        Empty where the folder holds a table alone; scores whose time is not known are left out.
    """
    if not (folder / MANIFEST_FILE).is_file():
        return {}
    with Folder.load(folder) as run:
        scores = run.scores()
    scores = scores.filter(scores["seconds"].is_valid())
    names = np.array(scores["score"].to_pylist(), str)
    seconds = scores["seconds"].to_numpy()
    known = {str(name): float(np.median(seconds[names == name])) for name in np.unique(names)}
    for name, bases in derived.REQUIRES.items():
        if all(base in known for base in bases):
            known[name] = sum(known[base] for base in bases)
    return known


def _not_there(folder: Path) -> str:
    return (
        f"{folder} has no {SCORES_FILE}: expected the folder of a finished run, the --out of "
        "jaxnas score or merge"
    )


def _unfinished(folder: Path) -> str:
    return (
        f"{folder} holds a run that has not finished: not all that was asked for is in "
        f"{SCORES_FILE}; the same jaxnas score command goes on with it"
    )


def _check_rows(table: pa.Table, path: Path) -> None:
    lacking = [name for name in _KEYS if name not in table.column_names]
    if lacking:
        raise ResultsError(
            f"{path} is no table of scores: expected the columns {', '.join(_KEYS)}, got no "
            f"{', '.join(lacking)}; give the folder of a run of jaxnas score"
        )
    cells, seeds = table["cell"].to_numpy(), table["seed"].to_numpy()
    outside = (cells < 0) | (cells >= nb201.NUM_CELLS)
    if outside.any():
        raise ResultsError(
            f"{path}: expected cells 0 to {nb201.NUM_CELLS - 1}, got {cells[outside][0]}"
        )
    pairs, counts = np.unique(np.stack([cells, seeds]), axis=1, return_counts=True)
    if counts.max(initial=0) > 1:
        cell, seed = pairs[:, np.argmax(counts)]
        raise ResultsError(
            f"{path}: expected one row for each cell and seed, got cell {cell} with seed {seed} "
            f"{counts.max()} times; remove the duplicates"
        )


def _holds(table: pa.Table, request: Request) -> bool:
    """Whether the table has a value, NaN included, for all that was asked."""
    asked = np.isin(table["cell"].to_numpy(), request.cells)
    asked &= np.isin(table["seed"].to_numpy(), request.seeds)
    if asked.sum() < len(request.cells) * len(request.seeds):
        return False
    rows = table.filter(pa.array(asked))
    columns = [rows[name] for name in request.columns if name in rows.column_names]
    return len(columns) == len(request.columns) and not any(c.null_count for c in columns)
