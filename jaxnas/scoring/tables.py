"""The table of a run: what was recorded, with counts and derived scores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.checks import check_path, folder_to_write
from jaxnas.proxies import catalogue
from jaxnas.proxies.derived import DERIVED, NOISE_RANGE
from jaxnas.results import JSON, SCORES_FILE, Folder, Request
from jaxnas.results.finished import read_scores
from jaxnas.results.manifest import MANIFEST_FILE, checked_settings, require_settings, space_in
from jaxnas.results.merge import Source, join, read_run
from jaxnas.results.table import Asked, asked_rows, assemble, write_table
from jaxnas.results.target import check_target, write_joined
from jaxnas.spaces import Sizes, Space

NoiseRange = tuple[float, float] | None
"""Lowest and highest js by which the noise scores are rescaled; None for those of the table."""


def recorded_names() -> tuple[str, ...]:
    """Names of the scores that a run records, in the order of a table's columns."""
    return catalogue.names("proxy")


def build_table(
    scores: pa.Table,
    requests: Sequence[Request],
    identity: Mapping[str, JSON],
    noise_range: NoiseRange = None,
) -> pa.Table:
    """The table of what requests ask for.

    Args:
        scores: a long table of what was recorded.
        requests: what was asked for.
        identity: settings of the run.
        noise_range: see `NoiseRange`.

    Raises:
        ResultsError: nothing was asked for, a score is not known, the range is none, or a setting
            is missing.
    """
    require_settings(identity, ("merge", *Sizes._fields, "num_classes", "image_size"))
    space, given = space_in(identity), {NOISE_RANGE.name: noise_range}
    DERIVED.check(given)
    asked = asked_rows(requests, space, DERIVED)
    return assemble(
        scores,
        asked,
        space,
        catalogue.names(),
        merged=bool(identity["merge"]),
        counts=_counts(asked, space, identity),
        derived=DERIVED,
        given=given,
        settings=identity,
    )


def read_table(folder: str | os.PathLike[str], noise_range: NoiseRange = None) -> pa.Table:
    """The table of a folder, of an unfinished run too, or of a finished table's Parquet file.

    Args:
        folder: of `jaxnas.score`, or its `scores.parquet`.
        noise_range: see `NoiseRange`.

    Raises:
        ResultsError: there is none, or it is damaged.
    """
    path = check_path("folder", folder)
    alone = path / SCORES_FILE if path.is_dir() else path
    manifest = os.path.lexists(path / MANIFEST_FILE)
    if noise_range is None and os.path.lexists(alone) and not manifest:
        return read_scores(alone)
    run = read_run(path, recorded_names())
    return build_table(run.scores, run.manifest.requests, run.manifest.settings, noise_range)


def merge(
    sources: Sequence[Source],
    out: str | os.PathLike[str] | None = None,
    *,
    noise_range: NoiseRange = None,
) -> pa.Table:
    """Joins runs that were scored on several machines with equal settings.

    The sources stay as they are. Where two hold different values of one score, the one given first
    wins, and a warning says how many differ and by how much.

    Args:
        sources: folders of `jaxnas.score`, their Parquet files, or tables.
        out: folder to make, absent or empty; it can be scored on. It is there whole or not at
            all, and where it holds this merge already it stays as it is. None makes none.
        noise_range: see `NoiseRange`.

    Returns:
        The table of all of them.

    Raises:
        ResultsError: a source is none, settings differ, or `out` is in use.
    """
    if out is not None:
        check_target(folder_to_write("out", out), sources)
    joined = join([read_run(source, recorded_names()) for source in sources])
    manifest = joined.manifest
    table = build_table(joined.scores, manifest.requests, manifest.settings, noise_range)
    if out is not None:
        write_joined(joined, table, Path(out))
    return table


def finish(folder: Folder, noise_range: NoiseRange = None) -> pa.Table:
    """Writes the table of all that a folder was ever asked for, and returns it."""
    table = build_table(folder.scores(), folder.requests, folder.settings, noise_range)
    write_table(table, folder.path / SCORES_FILE)
    return table


def _counts(
    asked: Asked, space: Space, identity: Mapping[str, JSON]
) -> dict[str, NDArray[np.int64]]:
    numbers = checked_settings(identity)
    sizes = Sizes(*(numbers[name] for name in Sizes._fields))
    num_classes, image_size = numbers["num_classes"], numbers["image_size"]
    counts = space.counts(asked.archs, sizes, num_classes, image_size)
    return {name: getattr(counts, name) for name in catalogue.names("count")}
