"""Opens an oracle, whatever the path is."""

from __future__ import annotations

from pathlib import Path

from jaxnas.oracle.columns import from_columns
from jaxnas.oracle.files import READERS, read_columns
from jaxnas.oracle.table import Oracle, OracleError


def read(path: str | Path) -> Oracle:
    """Opens a table of accuracies."""
    chosen = Path(path)
    if chosen.suffix.lower() in READERS:
        return from_columns(read_columns(chosen), str(chosen))
    raise OracleError(f"{chosen}: expected a .csv, .parquet or .npz table")
