"""The finished table: one row per architecture and seed, one column per score asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.checks import quoted, real, shortened
from jaxnas.checks.documents import parse_json
from jaxnas.results.checksum import with_checksum
from jaxnas.results.files import ResultsError, write_parquet
from jaxnas.results.identity import JSON, canonical
from jaxnas.results.manifest import (
    FORMAT_VERSION,
    Request,
    checked_settings,
    current_settings,
    space_in,
)
from jaxnas.results.records import columns_of, first_of_each
from jaxnas.spaces import Space

IDENTITY = ("cell", "arch", "function", "seed", "status")
"""The columns that are no scores."""

SETTINGS = b"jaxnas.settings"
"""Where the metadata of tables and parts have the settings of their run, as canonical JSON."""

Constants: TypeAlias = Mapping[str, tuple[float, float] | None]
"""Numbers by name that derived scores are made with; None where none are used."""

# Values [N], NaN where there is none, and whether there is one [N].
Column: TypeAlias = tuple[NDArray[np.float64], NDArray[np.bool_]]


class DerivedScores(Protocol):
    """Scores that are computed from finished columns.

    Attributes:
        requires: name of each → columns that it is computed from.
    """

    @property
    def requires(self) -> Mapping[str, Sequence[str]]: ...

    def constants(
        self,
        names: Sequence[str],
        columns: Mapping[str, NDArray[np.float64]],
        given: Constants | None,
    ) -> Constants:
        """The constants by name that the scores `names` of a table are made with."""

    def compute(
        self, name: str, columns: Mapping[str, NDArray[np.float64]], constants: Constants
    ) -> NDArray[np.float64]:
        """A derived score [N], NaN where it is undefined."""


@dataclass(frozen=True)
class Asked:
    """The rows of a table, by architecture, then seed.

    Attributes:
        archs: the architectures, in the table's order.
        arch: int64 [N], position of each row's architecture in `archs`.
        seeds: int64 [N].
        columns: column name → bool [N], whether this row was asked for it.
    """

    archs: tuple[str, ...]
    arch: NDArray[np.int64]
    seeds: NDArray[np.int64]
    columns: dict[str, NDArray[np.bool_]]


def asked_rows(
    requests: Sequence[Request], space: Space, derived: DerivedScores | None = None
) -> Asked:
    """The rows and columns that requests ask for, with the base columns of derived scores.

    Rows are sorted by index, or by arch where the space has none.

    Raises:
        ResultsError: nothing was asked for.
    """
    if not requests:
        raise ResultsError("The table: expected at least one request for scores, got none.")
    requires = derived.requires if derived else {}
    archs = np.array(sorted({arch for request in requests for arch in request.archs}), object)
    indices = space.indices(archs.tolist())
    if indices is not None:
        archs = archs[np.argsort(indices, kind="stable")]
    place = {arch: i for i, arch in enumerate(archs.tolist())}
    seeds = np.unique(np.concatenate([request.seeds for request in requests]).astype(np.int64))
    keys_of_request = [
        np.add.outer(
            np.array([place[arch] for arch in request.archs], np.int64) * len(seeds),
            np.searchsorted(seeds, request.seeds),
        ).ravel()
        for request in requests
    ]
    keys = np.unique(np.concatenate(keys_of_request))
    columns: dict[str, NDArray[np.bool_]] = {}
    for request, request_keys in zip(requests, keys_of_request, strict=True):
        rows = np.searchsorted(keys, request_keys)
        bases = (base for name in request.columns for base in requires.get(name, ()))
        for name in dict.fromkeys((*request.columns, *bases)):
            columns.setdefault(name, np.zeros(len(keys), np.bool_))[rows] = True
    return Asked(tuple(archs.tolist()), keys // len(seeds), seeds[keys % len(seeds)], columns)


def assemble(
    scores: pa.Table,
    asked: Asked,
    space: Space,
    columns_order: Sequence[str],
    *,
    merged: bool,
    counts: Mapping[str, NDArray[np.int64]],
    derived: DerivedScores | None = None,
    given: Constants | None = None,
    settings: Mapping[str, JSON] | None = None,
) -> pa.Table:
    """Builds the table of everything that was asked for.

    The columns are `cell` (int64, official index; null where the space has none), `arch` (string),
    `function` (index of the function's representative, or its arch where the space has no indices),
    `seed` (int64), `status` (string), then the scores asked for: counts int64, the others float64.
    Null means never asked for, or not scored yet; NaN means asked for and failed. Every score of a
    disconnected architecture but its counts is NaN, and no record of it is needed. `status` is
    `disconnected`, or `nonfinite` where a score that the row was asked for is not finite, or `ok`.

    Args:
        scores: a long table, from `Folder.scores` or `records.to_table`.
        asked: rows and columns, from `asked_rows`.
        space: whose architectures they are.
        columns_order: names of all columns there can be, in the order wanted.
        merged: True where functionally equal architectures were scored once, as their
            representative.
        counts: by name, of each of `asked.archs`.
        derived: scores computed from other columns.
        given: constants of derived scores that are not to be the table's own.
        settings: what identifies the run, kept in the schema's metadata.

    Returns:
        The table, each column in one chunk.

    Raises:
        ResultsError: a column asked for is not in `columns_order`.
    """
    requires = derived.requires if derived else {}
    _check_order(asked.columns, columns_order)
    order = [name for name in columns_order if name in asked.columns]
    functions = space.functions(asked.archs)
    connected = space.connected(asked.archs)[asked.arch]
    stored = [name for name in order if name not in counts and name not in requires]
    scored = functions if merged else asked.archs
    columns = _stored_columns(scores, asked, stored, scored, connected)
    constants: Constants = {}
    if derived is not None:
        wanted = [name for name in order if name in requires]
        known = {name: values for name, (values, _) in columns.items()}
        constants = derived.constants(wanted, known, given)
        for name in wanted:
            bases = {base: columns[base] for base in requires[name]}
            present = np.logical_and.reduce(
                [asked.columns[name], *(present for _, present in bases.values())]
            )
            found = derived.compute(name, {base: bases[base][0] for base in bases}, constants)
            columns[name] = np.where(present & ~np.isnan(found), found, np.nan), present

    arrays = {
        "cell": _cells(space, asked.archs).take(pa.array(asked.arch)),
        "arch": pa.array(asked.archs, pa.string()).take(pa.array(asked.arch)),
        "function": _functions(space, functions).take(pa.array(asked.arch)),
        "seed": pa.array(asked.seeds),
        "status": _status(connected, columns),
    }
    for name in order:
        if name in counts:
            arrays[name] = pa.array(counts[name][asked.arch], mask=~asked.columns[name])
        else:
            values, present = columns[name]
            arrays[name] = pa.array(values, mask=~present)
    metadata = {"jaxnas.format": str(FORMAT_VERSION)}
    for name, constant in constants.items():
        metadata[f"jaxnas.{name}"] = canonical(list(constant) if constant else None)
    if settings is not None:
        metadata[SETTINGS.decode()] = canonical(settings)
    return pa.table(arrays, metadata=dict(sorted(metadata.items())))


def score_columns(table: pa.Table) -> tuple[str, ...]:
    """Names of a table's scores, counts included."""
    return tuple(name for name in table.column_names if name not in IDENTITY)


def settings_of(table: pa.Table) -> dict[str, Any]:
    """Settings of the run that a table is of, by today's names.

    Raises:
        ResultsError: the table has none, or they are damaged.
    """
    if not isinstance(table, pa.Table):
        raise ResultsError(
            f"table: expected one of jaxnas.score, got {quoted(table)}; use what jaxnas.score or "
            "jaxnas.read_table returned"
        )
    stored = (table.schema.metadata or {}).get(SETTINGS)
    if stored is None:
        raise ResultsError(
            "The table has no settings: expected a table of jaxnas.score, whose metadata say how "
            "it was scored, got one without; use what jaxnas.score or jaxnas.read_table returned, "
            "or the scores.parquet of a run"
        )
    try:
        settings = parse_json(stored)
        if not isinstance(settings, dict):
            raise ValueError(quoted(settings))
        return checked_settings(current_settings(settings))
    except ValueError as error:
        raise ResultsError(
            f"The table's settings: expected those of a run of jaxnas.score, got {error}; use what "
            "jaxnas.score or jaxnas.read_table returned, or the scores.parquet of a run"
        ) from error


def space_of(table: pa.Table) -> Space:
    """The space whose architectures a table is of.

    Raises:
        ResultsError: as `settings_of`, or this jaxnas does not know the space.
    """
    return space_in(settings_of(table))


def used_constant(table: pa.Table, name: str) -> tuple[float, float] | None:
    """A constant that a table's derived scores were made with, None if none was.

    Args:
        table: from `assemble`, or read from a file of `write_table`.
        name: of the constant, such as "noise_range".

    Raises:
        ResultsError: it is damaged.
    """
    stored = (table.schema.metadata or {}).get(f"jaxnas.{name}".encode(), b"null")
    try:
        limits = parse_json(stored)
        if limits is None:
            return None
        if not isinstance(limits, list) or len(limits) != 2:
            raise ValueError("no range")
        return real("low", limits[0]), real("high", limits[1])
    except ValueError as error:
        raise ResultsError(
            f"The table's {name}: expected two finite numbers, got {quoted(stored)}; score or "
            "merge again"
        ) from error


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a table as a Parquet file: the same table, the same bytes.

    The metadata have the settings as canonical JSON and a checksum of the table; sessions and times
    are left out. (Another
    release of pyarrow may write other bytes: its name is in the file.)

    Args:
        table: from `assemble`.
        path: the file, replaced whole or not at all.

    Raises:
        ResultsError: the disk refuses.
    """
    write_parquet(with_checksum(table.combine_chunks()), Path(path))


def _check_order(asked: Mapping[str, object], columns_order: Sequence[str]) -> None:
    unknown = sorted(asked.keys() - set(columns_order))
    if unknown:
        raise ResultsError(
            f"The table's columns: expected some of {', '.join(columns_order)}, got "
            f"{shortened(', '.join(unknown))}, which this version does not know; update jaxnas."
        )


def _stored_columns(
    scores: pa.Table,
    asked: Asked,
    names: Sequence[str],
    scored: Sequence[str],
    connected: NDArray[np.bool_],
) -> dict[str, Column]:
    """The named columns; `scored` has for each of `asked.archs` the arch that was scored."""
    scores = scores.filter(scores["value"].is_valid())
    long = columns_of(first_of_each(scores.unify_dictionaries().combine_chunks()))
    # Positions of what was scored, among the distinct archs of the long table; -1 if not there.
    place = {arch: i for i, arch in enumerate(long.arch_names)}
    wanted_arch = np.array([place.get(arch, -1) for arch in scored], np.int64)[asked.arch]
    distinct_seeds = np.unique(asked.seeds)
    useful = np.isin(long.seeds, distinct_seeds)
    keys = long.archs * len(distinct_seeds) + np.searchsorted(distinct_seeds, long.seeds)
    wanted = wanted_arch * len(distinct_seeds) + np.searchsorted(distinct_seeds, asked.seeds)
    wanted[wanted_arch < 0] = -1
    columns = {}
    for name in names:
        code = long.score_names.index(name) if name in long.score_names else -1
        of_name = useful & (long.scores == code)
        found, present = _look_up(keys[of_name], long.values[of_name], wanted)
        found[~connected] = np.nan
        present = asked.columns[name] & (present | ~connected)
        columns[name] = (np.where(present, found, np.nan), present)
    return columns


def _look_up(
    keys: NDArray[np.int64], values: NDArray[np.float64], wanted: NDArray[np.int64]
) -> Column:
    """Values at the wanted keys [N]; `keys` are different and in any order."""
    if not keys.size:
        return np.full(len(wanted), np.nan), np.zeros(len(wanted), np.bool_)
    order = np.argsort(keys)
    keys, values = keys[order], values[order]
    position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    present = keys[position] == wanted
    found = np.where(present, values[position], np.nan)
    found[np.isnan(found)] = np.nan  # one bit pattern for NaN, so that the file's bytes agree
    return found, present


def _cells(space: Space, archs: Sequence[str]) -> pa.Array:
    indices = space.indices(archs)
    return pa.nulls(len(archs), pa.int64()) if indices is None else pa.array(indices)


def _functions(space: Space, functions: Sequence[str]) -> pa.Array:
    indices = space.indices(functions)
    return pa.array(functions, pa.string()) if indices is None else pa.array(indices)


def _status(connected: NDArray[np.bool_], columns: Mapping[str, Column]) -> pa.Array:
    failed = np.zeros(len(connected), np.bool_)
    for values, present in columns.values():
        failed |= present & ~np.isfinite(values)
    status = np.where(failed, 1, 0)
    status[~connected] = 2
    return pa.array(["ok", "nonfinite", "disconnected"], pa.string()).take(pa.array(status))
