"""Joining runs that were scored on several machines."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.checks.files import shown
from jaxnas.results.files import ResultsError
from jaxnas.results.finished import SCORES_FILE, read_scores, requests_of, to_long
from jaxnas.results.folder import Folder
from jaxnas.results.identity import canonical, differences, phrases, plain_json
from jaxnas.results.manifest import MANIFEST_FILE, Manifest
from jaxnas.results.records import columns_of, concat, first_of_each
from jaxnas.results.table import settings_of

Source: TypeAlias = str | os.PathLike[str] | pa.Table
"""A folder of `jaxnas.score`, its Parquet file, or its table."""


@dataclass(frozen=True)
class Run:
    """What one source holds.

    Attributes:
        name: of the source, for messages.
        manifest: settings, sessions and requests.
        scores: a long table, without repetitions.
    """

    name: str
    manifest: Manifest
    scores: pa.Table


@dataclass(frozen=True)
class Joined:
    """Several runs as one.

    Attributes:
        manifest: settings, all sessions and requests.
        scores: a long table; where runs have different values the first run's.
        conflicts: number of (arch, seed, score) with different values in different runs.
        largest_difference: of those, the largest |a - b| / max(|a|, |b|); infinite where one of
            two values is not finite.
    """

    manifest: Manifest
    scores: pa.Table
    conflicts: int
    largest_difference: float


def read_run(source: Source, names: Sequence[str]) -> Run:
    """Reads a source.

    Args:
        source: a folder, a Parquet file or a table.
        names: scores that are recorded, so neither counts nor derived ones.

    Raises:
        ResultsError: it is none of these, or is damaged.
    """
    if isinstance(source, pa.Table):
        return _of_table("a table", source, names)
    path = Path(source)
    alone = not path.is_dir() and os.path.lexists(path)
    alone = alone or os.path.lexists(path / SCORES_FILE)
    if os.path.lexists(path / MANIFEST_FILE) or not alone:
        with Folder.load(path) as folder:
            return Run(str(path), folder.manifest, folder.scores())
    if path.is_dir():
        path = path / SCORES_FILE
    return _of_table(str(path), read_scores(path), names)


def _of_table(name: str, table: pa.Table, names: Sequence[str]) -> Run:
    manifest = Manifest(plain_json(settings_of(table)), (), requests_of(table))
    return Run(name, manifest, to_long(table, names))


def join(runs: Sequence[Run]) -> Joined:
    """Joins the scores, requests and sessions of runs with equal settings.

    Float32 results of different machines differ in their last digits: where runs hold different
    values of one score, the first run given wins and a warning says how many differ and by how
    much.

    Raises:
        ResultsError: their settings differ, or there is none.
    """
    _check_settings(runs)
    manifest = runs[0].manifest
    for run in runs[1:]:
        for session in run.manifest.sessions:
            manifest = manifest.with_session(session)
        for request in run.manifest.requests:
            manifest = manifest.with_request(request)
    tables = [run.scores for run in runs]
    conflicts, largest = _compare(tables)
    if conflicts:
        warnings.warn(
            f"{conflicts} scores have different values in different folders (largest relative "
            f"difference {largest:.2g}): those of the folder given first were kept.",
            stacklevel=2,
        )
    return Joined(manifest, first_of_each(concat(tables)), conflicts, largest)


def _check_settings(runs: Sequence[Run]) -> None:
    if not runs:
        raise ResultsError("Folders to merge: expected at least one, got none.")
    first = runs[0]
    for run in runs[1:]:
        if canonical(first.manifest.settings) == canonical(run.manifest.settings):
            continue
        different = differences(first.manifest.settings, run.manifest.settings)
        ours = phrases((name, text) for name, text, _ in different)
        theirs = phrases((name, text) for name, _, text in different)
        raise ResultsError(
            f"{shown(first.name)} holds scores with {ours}, {shown(run.name)} with {theirs}: only "
            "runs with equal settings can be merged."
        )


def _compare(tables: Sequence[pa.Table]) -> tuple[int, float]:
    """Number and largest relative difference of values that differ from the first table's.

    Args:
        tables: long tables, each without repetitions.
    """
    table = concat(tables)
    columns = columns_of(table.filter(table["value"].is_valid()).combine_chunks())
    keys = np.stack([columns.archs, columns.seeds, columns.scores])
    order = np.lexsort(keys[::-1])  # stable: the first table's entry comes first
    keys, values = keys[:, order], columns.values[order]
    new = np.ones(len(values), np.bool_)
    new[1:] = (np.diff(keys) != 0).any(axis=0)
    group = np.cumsum(new) - 1
    first = values[new][group]
    differ = (values != first) & ~(np.isnan(values) & np.isnan(first))
    if not differ.any():
        return 0, 0.0
    a, b = values[differ], first[differ]
    with np.errstate(invalid="ignore"):
        relative = np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))
    relative[~np.isfinite(relative)] = np.inf
    return len(np.unique(group[differ])), float(relative.max())
