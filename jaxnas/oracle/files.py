"""CSV, Parquet and npz files as arrays by column name."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pa_csv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.oracle.columns import is_wanted
from jaxnas.oracle.table import OracleError

Columns = dict[str, NDArray[Any]]

_UNREADABLE = (pa.ArrowException, ValueError, EOFError, KeyError, zipfile.BadZipFile)


def read_columns(path: Path) -> Columns:
    """Reads the columns of a table that an oracle can use, and the names of the others.

    Args:
        path: ends in .csv, .parquet or .npz.

    Returns:
        Arrays by name; those that no oracle uses are empty.

    Raises:
        OracleError: the file is not what its name says.
        OSError: it cannot be opened.
    """
    try:
        return READERS[path.suffix.lower()](path)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OracleError(
            f"{path} cannot be read as {path.suffix.lower()[1:]} ({reason}); get the file again"
        ) from error


def _read_npz(path: Path) -> Columns:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] if is_wanted(name) else np.empty(0) for name in archive.files}


def _read_csv(path: Path) -> Columns:
    options = pa_csv.ConvertOptions(strings_can_be_null=True)
    return arrays(pa_csv.read_csv(path, convert_options=options))


def _read_parquet(path: Path) -> Columns:
    return arrays(pq.ParquetFile(path, page_checksum_verification=True).read())


def arrays(table: pa.Table) -> Columns:
    """The columns of an Arrow table as `read_columns` gives them."""
    names = table.column_names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise OracleError(f"column {repeated[0]} comes more than once")
    return {name: _array(table[name]) if is_wanted(name) else np.empty(0) for name in names}


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as numpy has it; an empty column, of nulls, is one of NaN."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    array: NDArray[Any] = column.to_numpy()
    return array


READERS: dict[str, Callable[[Path], Columns]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".npz": _read_npz,
}
