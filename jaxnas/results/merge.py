"""Joining folders that were scored on several machines."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.results import parts
from jaxnas.results.folder import Folder
from jaxnas.results.manifest import differences, phrases
from jaxnas.results.records import ResultsError, columns_of, concat, first_of_each


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        parts: number of parts copied.
        conflicts: number of (cell, seed, score) with different values in different folders.
        largest_difference: of those, the largest |a - b| / max(|a|, |b|); infinite where one of
            two values is not finite.
    """

    parts: int
    conflicts: int
    largest_difference: float


def merge(folders: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> Merged:
    """Joins the scores, requests and sessions of folders with equal settings.

    Float32 results of different machines differ in their last digits: where folders hold
    different values of one score, the first folder given wins and a warning says how many differ
    and by how much.

    Args:
        folders: results folders, at least one, which stay as they are.
        out: the folder to make; absent or empty. Its table is the caller's to write.

    Raises:
        ResultsError: if a folder is none, their settings differ, `out` is in use, or the disk
            refuses.
    """
    sources = [Folder.load(folder) for folder in folders]
    target = Path(out)
    _check_sources(sources)
    with parts.disk_errors(target, "read"):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ResultsError(
                f"{target} is not empty: expected an absent or empty folder to merge into."
            )
    tables = []
    copied = 0
    with Folder.open(target, sources[0].settings) as joined:
        for source in sources:
            good = []
            for data, table in source.good_parts():
                joined.append_part(data)
                good.append(table)
            copied += len(good)
            tables.append(first_of_each(concat(good)))
        # Last, so that a merge that was cut short does not look finished.
        for source in sources:
            joined.adopt(source.manifest)
    conflicts, largest = _compare(tables)
    if conflicts:
        warnings.warn(
            f"{conflicts} scores have different values in different folders (largest relative "
            f"difference {largest:.2g}): those of the folder given first were kept.",
            stacklevel=2,
        )
    return Merged(copied, conflicts, largest)


def _check_sources(sources: Sequence[Folder]) -> None:
    if not sources:
        raise ResultsError("Folders to merge: expected at least one, got none.")
    first = sources[0]
    for source in sources[1:]:
        different = differences(first.settings, source.settings)
        if different:
            ours = phrases((name, text) for name, text, _ in different)
            theirs = phrases((name, text) for name, _, text in different)
            raise ResultsError(
                f"{first.path} holds scores with {ours}, {source.path} with {theirs}: only folders "
                "with equal settings can be merged."
            )


def _compare(tables: Sequence[pa.Table]) -> tuple[int, float]:
    """Number and largest relative difference of values that differ from the first table's.

    Args:
        tables: long tables, each without repetitions.
    """
    table = concat(tables)
    table = table.filter(table["value"].is_valid()).combine_chunks()
    cells, seeds, codes, values = columns_of(table)
    order = np.lexsort((codes, seeds, cells))  # stable: the first table's entry comes first
    cells, seeds, codes, values = cells[order], seeds[order], codes[order], values[order]
    new = np.ones(len(values), np.bool_)
    new[1:] = (np.diff([cells, seeds, codes]) != 0).any(axis=0)
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
