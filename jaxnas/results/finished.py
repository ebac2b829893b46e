"""Reading a finished run: its table, and what its scores cost."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from jaxnas.checks.files import damaged, read_bytes, shown
from jaxnas.results.checksum import without_checksum
from jaxnas.results.files import ResultsError, disk_errors
from jaxnas.results.folder import Folder
from jaxnas.results.identity import differences, phrases
from jaxnas.results.manifest import MANIFEST_FILE, Request, current_settings
from jaxnas.results.parquet import MOST_BYTES, table_in
from jaxnas.results.records import long_table
from jaxnas.results.scores import check_scores
from jaxnas.results.table import score_columns, settings_of, space_of
from jaxnas.spaces import Space

SCORES_FILE = "scores.parquet"
_EXPECTED = "a table of jaxnas score"
_REMEDY = (
    "the same jaxnas score or merge command writes it again; a table that you change yourself has "
    "to come from jaxnas.read_table"
)


def read_finished(folder: Path) -> pa.Table:
    """The table of a folder whose run has finished, or of a Parquet file.

    The folder's `scores.parquet` is enough; where its manifest is there too, all that was ever
    asked of the folder must be in the table.

    Raises:
        ResultsError: there is no table, it is none, or the run has not finished.
    """
    if folder.suffix == ".parquet" and not folder.is_dir() and os.path.lexists(folder):
        return read_scores(folder)
    path = folder / SCORES_FILE
    manifest = os.path.lexists(folder / MANIFEST_FILE)
    if not os.path.lexists(path):
        raise ResultsError(_unfinished(folder) if manifest else _not_there(folder))
    table = read_scores(path)
    if manifest:
        with Folder.load(folder) as run:
            different = differences(settings_of(table), current_settings(run.settings))
            if different:
                there = phrases((name, text) for name, text, _ in different)
                wanted = phrases((name, text) for name, _, text in different)
                raise ResultsError(
                    f"{shown(path)} is of another run: expected {wanted}, as {MANIFEST_FILE} says, "
                    f"got {there}; {_REMEDY}"
                )
            if not all(_holds(table, request) for request in run.requests):
                raise ResultsError(_unfinished(folder))
    return table


def read_scores(path: Path) -> pa.Table:
    """A finished table from its Parquet file, checked.

    Raises:
        ResultsError: the file is none, has no settings, or is not what was written.
    """
    with disk_errors(path, "read"):
        data = read_bytes(path, _EXPECTED, MOST_BYTES, ResultsError)
    try:
        table = without_checksum(table_in(data))
    except ValueError as error:
        raise ResultsError(damaged(path, _EXPECTED, str(error), _REMEDY)) from error
    try:
        check_scores(table)
    except ValueError as error:
        raise ResultsError(f"{shown(path)}: {error}") from error
    return table


def to_long(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """What a run would have recorded for a finished table, as a long table without times.

    Args:
        table: a finished table.
        names: scores that are recorded, so neither counts nor derived ones.
    """
    space, merged = space_of(table), bool(settings_of(table).get("merge", True))
    rows = table.filter(pc.not_equal(table["status"], "disconnected"))
    archs = scored_archs(rows, space) if merged else rows["arch"].to_pylist()
    seeds = rows["seed"].to_pylist()
    parts = []
    for name in names:
        if name in rows.column_names:
            valid = rows[name].is_valid().to_pylist()
            part = [
                (arch, seed, name, value, None)
                for arch, seed, value, known in zip(
                    archs, seeds, rows[name].to_pylist(), valid, strict=True
                )
                if known
            ]
            parts += list(dict.fromkeys(part))
    return long_table(*(zip(*parts, strict=True) if parts else ((),) * 5))


def scored_archs(table: pa.Table, space: Space) -> list[str]:
    """For each row of a table the arch that represents its function."""
    functions = table["function"].to_pylist()
    return [space.arch(one) if isinstance(one, int) else one for one in functions]


def requests_of(table: pa.Table) -> tuple[Request, ...]:
    """What was asked for, by a finished table: rows that have the same columns are one request."""
    columns = np.array([table[name].is_valid().to_numpy() for name in score_columns(table)])
    archs, seeds = table["arch"].to_pylist(), table["seed"].to_pylist()
    asked: dict[tuple[int, bytes], list[str]] = {}
    for row, (arch, seed) in enumerate(zip(archs, seeds, strict=True)):
        asked.setdefault((seed, columns[:, row].tobytes()), []).append(arch)
    names = np.array(score_columns(table))
    return tuple(
        Request(tuple(some), (seed,), tuple(names[np.frombuffer(mask, np.bool_)].tolist()))
        for (seed, mask), some in asked.items()
        if any(mask)
    )


def median_seconds(folder: Path, requires: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Seconds of one network by score: the median over the networks scored, on one device.

    Scores that share a backward pass are timed together, each with the time of all. A derived
    score costs what those do that it needs.

    Args:
        folder: of a run.
        requires: name of each derived score → columns that it needs.

    Returns:
        Empty where the folder holds a table alone; scores whose time is not known are left out.
    """
    if not os.path.lexists(folder / MANIFEST_FILE):
        return {}
    with Folder.load(folder) as run:
        scores = run.scores()
    scores = scores.filter(scores["seconds"].is_valid())
    names = np.array(scores["score"].to_pylist(), str)
    seconds = scores["seconds"].to_numpy()
    known = {str(name): float(np.median(seconds[names == name])) for name in np.unique(names)}
    for name, bases in requires.items():
        if all(base in known for base in bases):
            known[name] = sum(known[base] for base in bases)
    return known


def _not_there(folder: Path) -> str:
    return (
        f"{shown(folder)} has no {SCORES_FILE}: expected the folder of a finished run, the --out "
        "of jaxnas score or merge"
    )


def _unfinished(folder: Path) -> str:
    return (
        f"{shown(folder)} holds a run that has not finished: not all that was asked for is in "
        f"{SCORES_FILE}; the same jaxnas score command goes on with it"
    )


def _holds(table: pa.Table, request: Request) -> bool:
    """Whether the table has a value, NaN included, for all that was asked."""
    asked = pc.is_in(table["arch"], pa.array(request.archs, pa.string()))
    asked = pc.and_(asked, pc.is_in(table["seed"], pa.array(request.seeds)))
    rows = table.filter(asked)
    if rows.num_rows < len(request.archs) * len(request.seeds):
        return False
    columns = [rows[name] for name in request.columns if name in rows.column_names]
    return len(columns) == len(request.columns) and not any(c.null_count for c in columns)
