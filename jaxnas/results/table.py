"""The finished table: one row per cell and seed, one column per score asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.proxies import derived
from jaxnas.results.manifest import FORMAT_VERSION, JSON, Request, canonical
from jaxnas.results.parts import write_atomically
from jaxnas.results.records import ResultsError, columns_of, first_of_each, score_names
from jaxnas.spaces import nb201

COUNTS = ("params", "flops")
_NOISE_RANGE = b"jaxnas.noise_range"

# Values [N], NaN where there is none, and whether there is one [N].
_Column: TypeAlias = tuple[NDArray[np.float64], NDArray[np.bool_]]


@dataclass(frozen=True)
class _Rows:
    """The rows of the table, sorted by cell, then seed.

    Attributes:
        cells: int64 [N], official indices.
        seeds: int64 [N].
        asked: column name → bool [N], whether this row was asked for it.
    """

    cells: NDArray[np.int64]
    seeds: NDArray[np.int64]
    asked: dict[str, NDArray[np.bool_]]


def assemble(
    scores: pa.Table,
    requests: Sequence[Request],
    columns_order: Sequence[str],
    *,
    merged: bool,
    num_classes: int,
    image_size: int,
    stem_channels: int = 16,
    cells_per_stage: int = 5,
    noise_range: tuple[float, float] | None = None,
) -> pa.Table:
    """Builds the table of everything that was asked for.

    The columns are `cell` (int32, official index), `arch` (string), `function` (int32, the
    function's representative), `seed` (int64), `status` (string), then the scores asked for:
    `params` and `flops` int64, counted on the cell as written, the others float64. Null means
    never asked for, or not scored yet; NaN means asked for and failed. Every score of a
    disconnected cell but its counts is NaN, and no record of it is needed. `status` is
    `disconnected`, or `nonfinite` where a score that the row was asked for is not finite, or `ok`.

    The rescaled noise scores (`derived.RESCALED`) depend, without a `noise_range`, on all js values
    in the table, so they change as the table grows; the range used is kept in the schema's
    metadata, see `used_noise_range`.

    Args:
        scores: a long table, from `Folder.scores` or `records.to_table`.
        requests: what was asked for; the table has the union, and the base columns of derived
            scores.
        columns_order: names of all columns there can be, in the order wanted.
        merged: True where functionally equal cells were scored once, as their representative.
        num_classes: outputs of the linear layer, for `params` and `flops`.
        image_size: height and width in pixels, for `flops`.
        stem_channels: channels of the first stage, for both.
        cells_per_stage: cells in each of the three stages, for both.
        noise_range: lowest and highest js to rescale by; None takes them from the table.

    Returns:
        The table, each column in one chunk.

    Raises:
        ResultsError: if nothing was asked for, a column asked for is not in `columns_order`, or
            the noise range is not one.
    """
    if noise_range is not None:
        derived.check_range(noise_range)
    rows = _asked_rows(requests)
    _check_order(rows.asked, columns_order)
    order = [name for name in columns_order if name in rows.asked]
    ops = nb201.cell_ops()[rows.cells]
    functions = nb201.representatives()[rows.cells]
    connected = nb201.is_connected(ops)

    columns = _stored_columns(scores, rows, functions if merged else rows.cells, connected)
    if any(name in derived.RESCALED for name in order):
        js = {base: columns[base][0] for base in derived.REQUIRES[derived.RESCALED[0]]}
        noise_range = noise_range or derived.js_range(js)
    else:
        noise_range = None
    for name in order:
        if name in derived.REQUIRES:
            columns[name] = _derived_column(name, columns, rows.asked[name], noise_range)

    counts = {
        "params": nb201.num_params(ops, num_classes, stem_channels, cells_per_stage),
        "flops": nb201.num_flops(ops, num_classes, image_size, stem_channels, cells_per_stage),
    }
    arrays = {
        "cell": pa.array(rows.cells.astype(np.int32)),
        "arch": _archs(rows.cells),
        "function": pa.array(functions.astype(np.int32)),
        "seed": pa.array(rows.seeds),
        "status": _status(connected, columns),
    }
    for name in order:
        if name in COUNTS:
            arrays[name] = pa.array(counts[name], mask=~rows.asked[name])
        else:
            values, present = columns[name]
            arrays[name] = pa.array(values, mask=~present)
    metadata = {
        "jaxnas.format": str(FORMAT_VERSION),
        _NOISE_RANGE: canonical(list(noise_range) if noise_range else None),
    }
    return pa.table(arrays, metadata=metadata)


def used_noise_range(table: pa.Table) -> tuple[float, float] | None:
    """The lowest and highest js by which a table's noise scores were rescaled, None if none were.

    Args:
        table: from `assemble`, or read from a file of `write_table`.
    """
    stored = json.loads((table.schema.metadata or {}).get(_NOISE_RANGE, b"null"))
    return (float(stored[0]), float(stored[1])) if stored else None


def write_table(table: pa.Table, path: Path, *, settings: Mapping[str, JSON]) -> None:
    """Writes a table as a Parquet file: the same table and settings, the same bytes.

    The metadata gain the settings as canonical JSON; sessions and times are left out. (Another
    release of pyarrow may write other bytes: its name is in the file.)

    Args:
        table: from `assemble`.
        path: the file, replaced whole or not at all.
        settings: what identifies the run.

    Raises:
        ResultsError: if the disk refuses.
    """
    metadata = {**(table.schema.metadata or {}), b"jaxnas.settings": canonical(settings).encode()}
    table = table.combine_chunks().replace_schema_metadata(dict(sorted(metadata.items())))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=3, row_group_size=1 << 16)
    write_atomically(Path(path), bytes(sink.getvalue()))


def _asked_rows(requests: Sequence[Request]) -> _Rows:
    if not requests:
        raise ResultsError("The table: expected at least one request for scores, got none.")
    seeds = np.unique(np.concatenate([request.seeds for request in requests]).astype(np.int64))
    keys_of_request = [
        np.add.outer(
            np.array(request.cells, np.int64) * len(seeds), np.searchsorted(seeds, request.seeds)
        ).ravel()
        for request in requests
    ]
    keys = np.unique(np.concatenate(keys_of_request))
    asked: dict[str, NDArray[np.bool_]] = {}
    for request, request_keys in zip(requests, keys_of_request, strict=True):
        rows = np.searchsorted(keys, request_keys)
        for name in derived.with_bases(request.columns):
            asked.setdefault(name, np.zeros(len(keys), np.bool_))[rows] = True
    return _Rows(keys // len(seeds), seeds[keys % len(seeds)], asked)


def _check_order(asked: Mapping[str, object], columns_order: Sequence[str]) -> None:
    unknown = sorted(asked.keys() - set(columns_order))
    if unknown:
        raise ResultsError(
            f"The table's columns: expected some of {', '.join(columns_order)}, got "
            f"{', '.join(unknown)}, which this version does not know."
        )


def _stored_columns(
    scores: pa.Table,
    rows: _Rows,
    scored_cells: NDArray[np.integer],
    connected: NDArray[np.bool_],
) -> dict[str, _Column]:
    """The columns that are neither counts nor derived; `scored_cells` [N] is where to look."""
    scores = scores.filter(scores["value"].is_valid())
    scores = first_of_each(scores.unify_dictionaries().combine_chunks())
    cells, seeds, codes, values = columns_of(scores)
    names = score_names(scores)
    distinct_seeds = np.unique(rows.seeds)
    useful = np.isin(seeds, distinct_seeds)
    keys = cells * len(distinct_seeds) + np.searchsorted(distinct_seeds, seeds)
    wanted = scored_cells.astype(np.int64) * len(distinct_seeds)
    wanted = wanted + np.searchsorted(distinct_seeds, rows.seeds)

    columns = {}
    for name, asked in rows.asked.items():
        if name in COUNTS or name in derived.REQUIRES:
            continue
        of_name = useful & (codes == (names.index(name) if name in names else -1))
        found, present = _look_up(keys[of_name], values[of_name], wanted)
        found[~connected] = np.nan
        present = asked & (present | ~connected)
        columns[name] = (np.where(present, found, np.nan), present)
    return columns


def _look_up(
    keys: NDArray[np.int64], values: NDArray[np.float64], wanted: NDArray[np.int64]
) -> _Column:
    """Values at the wanted keys [N]; `keys` rise."""
    if not keys.size:
        return np.full(len(wanted), np.nan), np.zeros(len(wanted), np.bool_)
    position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    present = keys[position] == wanted
    found = np.where(present, values[position], np.nan)
    found[np.isnan(found)] = np.nan  # one bit pattern for NaN, so that the file's bytes agree
    return found, present


def _derived_column(
    name: str,
    columns: Mapping[str, _Column],
    asked: NDArray[np.bool_],
    noise_range: tuple[float, float] | None,
) -> _Column:
    """A derived score is present where it was asked for and all that it needs is present."""
    bases = {base: columns[base] for base in derived.REQUIRES[name]}
    present = np.logical_and.reduce([asked, *(present for _, present in bases.values())])
    values = derived.derive(name, {base: value for base, (value, _) in bases.items()}, noise_range)
    return np.where(present & ~np.isnan(values), values, np.nan), present


def _status(connected: NDArray[np.bool_], columns: Mapping[str, _Column]) -> pa.Array:
    failed = np.zeros(len(connected), np.bool_)
    for values, present in columns.values():
        failed |= present & ~np.isfinite(values)
    status = np.where(failed, 1, 0)
    status[~connected] = 2
    return pa.array(["ok", "nonfinite", "disconnected"], pa.string()).take(pa.array(status))


def _archs(cells: NDArray[np.int64]) -> pa.Array:
    distinct, position = np.unique(cells, return_inverse=True)
    archs = pa.array([nb201.index_to_arch(cell) for cell in distinct.tolist()], pa.string())
    return archs.take(pa.array(position))
