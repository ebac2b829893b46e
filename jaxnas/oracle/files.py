"""CSV, Parquet and npz files as arrays by column name."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pa_csv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.checks import damaged, one_line, opened, quoted, shown
from jaxnas.data.images import DataError
from jaxnas.data.npz import read_arrays
from jaxnas.oracle.columns import is_wanted
from jaxnas.oracle.table import OracleError

Columns = dict[str, NDArray[Any]]

_UNREADABLE = (
    pa.ArrowException,
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    TypeError,
    ValueError,
    struct.error,
)
# Tables of a space with 15,625 rows have some 5 MB; nothing that is worth reading has more.
_MOST_BYTES = 256 * 10**6
_MOST_COLUMNS = 10_000
_LONGEST_LINE = 2**20


def read_columns(path: Path, most_rows: int) -> Columns:
    """Reads the columns of a table that an oracle can use, and the names of the others.

    Args:
        path: ends in .csv, .parquet or .npz.
        most_rows: how many architectures there are, each of which may have one row.

    Returns:
        Arrays by name; those that no oracle uses are empty.

    Raises:
        OracleError: the file is not what its name says, is damaged, has a column twice, one that
            holds no single values, or more rows.
        OSError: it cannot be opened.
    """
    kind = path.suffix.lower()
    try:
        columns = READERS[kind](path, most_rows)
    except OracleError:
        raise
    except DataError as error:
        raise OracleError(str(error)) from error
    except _UNREADABLE as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the operating system's; pyarrow's of a wrong checksum has no number
        raise OracleError(
            damaged(path, f"a {kind[1:]} table", one_line(error), "get or save the file again")
        ) from error
    for name, values in columns.items():
        if values.ndim and len(values) > most_rows:
            raise _too_many(path, f"{len(values):,} in {quoted(name)}", most_rows)
    return columns


def _read_npz(path: Path, _: int) -> Columns:
    found = read_arrays(path, is_wanted)
    return {name: np.empty(0) if array is None else array for name, array in found.items()}


def _read_csv(path: Path, _: int) -> Columns:
    options = pa_csv.ConvertOptions(strings_can_be_null=True)
    with opened(path, "a table", _MOST_BYTES, OracleError) as file:
        # Counted first: every column costs, whatever is in it.
        columns = 1 + file.readline(_LONGEST_LINE).count(b",")
        if columns > _MOST_COLUMNS:
            raise _too_wide(shown(path), columns)
        file.seek(0)
        return arrays(pa_csv.read_csv(file, convert_options=options), shown(path))


def _read_parquet(path: Path, most_rows: int) -> Columns:
    with opened(path, "a table", _MOST_BYTES, OracleError) as file:
        table = pq.ParquetFile(file, page_checksum_verification=True)
        if table.metadata.num_rows > most_rows:  # before memory is taken for them
            raise _too_many(path, f"{table.metadata.num_rows:,}", most_rows)
        names = table.schema_arrow.names
        _check_names(names, shown(path))
        # Damage may claim anything of columns that nobody asked for, so they are left unread.
        wanted = [name for name in names if is_wanted(name)]
        read = table.read(columns=wanted)
        if wanted and len(read) != table.metadata.num_rows:
            raise ValueError(f"{len(read):,} rows, not {table.metadata.num_rows:,} as it says")
    found = arrays(read, shown(path))
    return {name: found.get(name, np.empty(0)) for name in names}


def arrays(table: pa.Table, source: str) -> Columns:
    """The columns of an Arrow table as `read_columns` gives them."""
    _check_names(table.column_names, source)
    return {
        name: _array(table[name], name, source) if is_wanted(name) else np.empty(0)
        for name in table.column_names
    }


def _check_names(names: list[str], source: str) -> None:
    """Raises OracleError where there are too many columns or two of one name."""
    if len(names) > _MOST_COLUMNS:
        raise _too_wide(source, len(names))
    name, count = next(iter(Counter(names).most_common(1)), ("", 0))
    if count > 1:
        raise OracleError(
            f"{source}: expected columns of different names, got {quoted(name)}, which comes more "
            "than once; keep one of them"
        )


def _array(column: pa.ChunkedArray, name: str, source: str) -> NDArray[Any]:
    """A column as numpy has it; an empty column, of nulls, is one of NaN."""
    kind = column.type
    if pa.types.is_dictionary(kind):  # as pandas keeps categories
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif not (pa.types.is_primitive(kind) or _is_text(kind)) or pa.types.is_temporal(kind):
        raise OracleError(
            f"{source}: expected column {quoted(name)} to hold numbers or text, got "
            f"{quoted(str(kind))}; save one plain value a row"
        )
    array: NDArray[Any] = column.to_numpy()
    return array


def _is_text(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
            pa.types.is_fixed_size_binary,
        )
    )


def _too_wide(source: str, columns: int) -> OracleError:
    return OracleError(
        f"{source}: expected at most {_MOST_COLUMNS:,} columns, got {columns:,}; keep those of the "
        "accuracies"
    )


def _too_many(path: Path, rows: str, most_rows: int) -> OracleError:
    return OracleError(
        f"{shown(path)}: expected at most {most_rows:,} rows, one an architecture, got {rows}; "
        "keep one row each"
    )


READERS: dict[str, Callable[[Path, int], Columns]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".npz": _read_npz,
}
