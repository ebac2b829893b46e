"""What a finished table must be like, wherever it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.checks import quoted
from jaxnas.results.files import ResultsError
from jaxnas.results.table import IDENTITY, space_of, used_constant
from jaxnas.spaces import Space

_LONGEST_NAME = 200

STATUSES = ("ok", "nonfinite", "disconnected")

# Columns that every table has, and whether a type will do.
_KEYS: Mapping[str, Callable[[Any], bool]] = {
    "arch": pa.types.is_string,
    "function": lambda kind: pa.types.is_signed_integer(kind) or pa.types.is_string(kind),
    "seed": pa.types.is_signed_integer,
    "status": pa.types.is_string,
}


def check_scores(table: pa.Table) -> None:
    """Refuses what is no finished table, or says of an architecture what is not so.

    Raises:
        ResultsError: a column is missing, of another type or lacks values, an architecture is none
            of the space, has another index or function than the table says, or comes twice.
    """
    lacking = [name for name in _KEYS if name not in table.column_names]
    if lacking:
        raise ResultsError(
            f"it is no table of scores: expected the columns {', '.join(IDENTITY)}, got no "
            f"{', '.join(lacking)}; give the folder of a run of jaxnas score"
        )
    for name, fits in _KEYS.items():
        if not fits(table.schema.field(name).type) or table[name].null_count:
            found = f"{table.schema.field(name).type}, {table[name].null_count} without a value"
            raise ResultsError(_column(name, "one value of its type in each row", quoted(found)))
    for field in table.schema:
        if not field.name.isprintable() or len(field.name) > _LONGEST_NAME:
            raise ResultsError(_column(field.name, "a name that can be shown", "another"))
        number = pa.types.is_signed_integer(field.type) or pa.types.is_floating(field.type)
        if field.name not in _KEYS and not number:
            raise ResultsError(_column(field.name, "numbers", quoted(str(field.type))))
    used_constant(table, "noise_range")
    _check_rows(table, space_of(table))


def _column(name: str, expected: str, found: str) -> str:
    return (
        f"column {quoted(name)}: expected {expected}, got {found}; the same jaxnas score command "
        "writes the table again"
    )


def _check_rows(table: pa.Table, space: Space) -> None:
    archs, code = np.unique(np.array(table["arch"].to_pylist(), str), return_inverse=True)
    for arch in archs.tolist():
        try:
            space.encode(arch)
        except ValueError as error:
            raise ResultsError(f"{error}; the table is not of {space.title}") from error
    pairs, counts = np.unique(
        np.stack([code, table["seed"].to_numpy()]), axis=1, return_counts=True
    )
    if counts.max(initial=0) > 1:
        arch, seed = pairs[:, np.argmax(counts)]
        raise ResultsError(
            f"expected one row for each architecture and seed, got {archs[arch]} with seed "
            f"{seed} {counts.max()} times; remove the duplicates"
        )
    for name, values in _known_of(archs.tolist(), space).items():
        if name in table.column_names:
            _check_known(table, name, values[code])
    statuses = np.array(table["status"].to_pylist(), str)
    strange = np.setdiff1d(statuses, STATUSES)
    if len(strange):
        expected = f"one of {', '.join(STATUSES)}"
        raise ResultsError(_column("status", expected, quoted(str(strange[0]))))
    wrong = np.flatnonzero((statuses == STATUSES[-1]) == space.connected(archs.tolist())[code])
    if len(wrong):
        arch, status = table["arch"][int(wrong[0])].as_py(), str(statuses[wrong[0]])
        raise ResultsError(_column("status", f"another for {arch}", quoted(status)))


def _known_of(archs: list[str], space: Space) -> dict[str, NDArray[Any]]:
    """What a space says of each architecture, by the column that repeats it."""
    functions, indices = space.functions(archs), space.indices(archs)
    if indices is None:
        return {"function": np.array(functions, str)}
    return {"function": np.asarray(space.indices(functions)), "cell": np.asarray(indices)}


def _check_known(table: pa.Table, name: str, expected: NDArray[Any]) -> None:
    """Raises ResultsError unless a column has these values."""
    column = table[name]
    found = np.array(column.to_pylist(), str if expected.dtype.kind == "U" else object)
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        row = int(wrong[0])
        arch = table["arch"][row].as_py()
        raise ResultsError(
            _column(name, f"{expected[row]} for {arch}", quoted(column[row].as_py()))
        )
