"""Tables by column: which column means what, and which row is which cell.

A table has one row a cell. Its columns:

- the key: `cell` (or `index`), the official index, or `arch`, the architecture in its space's
  notation; where both are there they must agree;
- `{dataset}_{valid|test}_{12|200}`: accuracy in percent, mean over seeds;
- the same with `_seed{N}`: accuracy of one seed; means are computed from these where the table
  has no mean of its own;
- `{dataset}_seconds_{12|200}`: see `Oracle.seconds`.

A data set is written as in `DATASETS`. Missing values are NaN, null or empty; cells may be
missing; columns of other names are left aside.

The names of the project's `nb201.npz` are known too: `cifar10valid_val_200`, `imagenet16_test_12`,
and with `_per_seed` an array [N, S]. Their seeds are counted 0, 1, ... because the file does not
say which seed a column is of. `train_sec_per_epoch_{dataset}` stands in for seconds that are not
there, times the epochs; see `Oracle.seconds` for what it leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import quoted, shortened
from jaxnas.oracle.table import EPOCHS, Floats, Oracle, OracleError, Task, indices, known
from jaxnas.spaces import DEFAULT, Space

KEYS = ("cell", "index", "arch")

_ACCURACY = re.compile(
    r"(cifar10valid(?=_val)|cifar100?|imagenet16(?:-120)?)_(valid|val|test)_(12|200)"
    r"(?:_seed(\d{1,18})|(_per_seed))?"
)
_SECONDS = re.compile(r"(cifar100?|imagenet16-120)_seconds_(12|200)")
_PER_EPOCH = re.compile(r"train_sec_per_epoch_(cifar10valid|cifar100|imagenet16)")
_NUMBER = re.compile(r"[-+]?(\d{1,300}\.?\d{0,300}|\.\d{1,300})([eE][-+]?\d{1,3})?|nan")
_ALIASES = {"cifar10valid": "cifar10", "imagenet16": "imagenet16-120", "val": "valid"}


def is_wanted(column: str) -> bool:
    """Whether a column of this name is a key, an accuracy or a time."""
    patterns = (_ACCURACY, _SECONDS, _PER_EPOCH)
    return column in KEYS or any(pattern.fullmatch(column) for pattern in patterns)


def from_columns(
    columns: Mapping[str, NDArray[Any]], source: str, space: Space = DEFAULT
) -> Oracle:
    """Reads a table given as arrays by column name; see this file's head for the names.

    Args:
        columns: arrays [N], or [N, S] where the name ends in `_per_seed`.
        source: what messages call the table.
        space: whose architectures the rows are.

    Returns:
        The oracle; a column without any value counts as not there.

    Raises:
        OracleError: there is no key or no accuracy, a cell comes twice or does not exist, a
            column has the wrong type or length, or a value is out of range.
    """
    cells = _cells(columns, source, space)
    size = space.size
    accuracies: dict[Task, dict[int | None, Floats]] = {}
    times: dict[tuple[str, int], Floats] = {}
    per_epoch: dict[str, Floats] = {}
    for column, values in columns.items():
        if match := _ACCURACY.fullmatch(column):
            dataset, split, epochs, seed, per_seed = match.groups()
            by_seed = accuracies.setdefault((_plain(dataset), _plain(split), int(epochs)), {})
            parts = _split(values, column, source) if per_seed else {_int(seed): values}
            for one, part in parts.items():
                if one in by_seed:
                    raise OracleError(
                        f"{source} has two columns of the same accuracies, one of them {column}: "
                        "keep one of them"
                    )
                by_seed[one] = _by_cell(part, cells, size, column, source)
        elif match := _SECONDS.fullmatch(column):
            times[match[1], int(match[2])] = _by_cell(values, cells, size, column, source)
        elif match := _PER_EPOCH.fullmatch(column):
            per_epoch[_plain(match[1])] = _by_cell(values, cells, size, column, source)
    for dataset, seconds in per_epoch.items():
        for epochs in EPOCHS:
            times.setdefault((dataset, epochs), epochs * seconds)
    held = {
        task: {seed: values for seed, values in by_seed.items() if known(values)}
        for task, by_seed in accuracies.items()
    }
    held = {task: by_seed for task, by_seed in held.items() if by_seed}
    if not held:
        raise OracleError(
            f"{source} has no accuracies: expected a column such as cifar10_valid_200, "
            f"{{dataset}}_{{valid|test}}_{{12|200}}, in percent, got {_names(columns)}; rename "
            "one of them"
        )
    known_times = {key: values for key, values in times.items() if known(values)}
    return Oracle(source, held, known_times, space)


def _cells(columns: Mapping[str, NDArray[Any]], source: str, space: Space) -> NDArray[np.int64]:
    """The cell of each row, int64 [N]; no cell comes twice."""
    keys = {key: columns[key] for key in KEYS if key in columns}
    if not keys:
        raise OracleError(
            f"{source} does not say which row is which cell: expected a column cell, of official "
            f"indices, or arch, of architecture strings, got {_names(columns)}; "
            f"{_separate(columns) or 'add one'}"
        )
    for key, values in keys.items():
        if values.ndim != 1 or not values.size:
            raise OracleError(
                f"{source}: expected column {key} to be one value a row, at least one row, "
                f"got shape {values.shape}; save it so"
            )
    found = [
        _from_archs(values, source, space)
        if key == "arch"
        else _from_indices(values, key, source, space.size)
        for key, values in keys.items()
    ]
    for other, key in zip(found[1:], list(keys)[1:], strict=True):
        if len(other) != len(found[0]):
            raise OracleError(f"{source}: columns {', '.join(keys)} differ in length")
        if (other != found[0]).any():
            row = int(np.argmax(other != found[0]))
            raise OracleError(
                f"{source}, row {row + 1}: {next(iter(keys))} says cell {found[0][row]}, but "
                f"{key} says cell {other[row]}; remove the wrong column"
            )
    distinct, counts = np.unique(found[0], return_counts=True)
    if len(distinct) < len(found[0]):
        raise OracleError(
            f"{source} has {np.count_nonzero(counts > 1):,} cells in more than one row, e.g. "
            f"cell {distinct[np.argmax(counts > 1)]}: expected one row a cell; keep one of them"
        )
    return found[0]


def _from_indices(values: NDArray[Any], key: str, source: str, size: int) -> NDArray[np.int64]:
    if values.dtype.kind not in "iuf":
        raise OracleError(
            f"{source}: expected column {key} to hold official cell indices, got "
            f"{quoted(_as_text(values[0]))}; architecture strings belong in a column arch"
        )
    right = (values >= 0) & (values < size) & (values == np.floor(values))
    if not right.all():
        row = int(np.argmin(right))
        raise OracleError(
            f"{source}, row {row + 1}: expected as {key} an integer 0 to {size - 1}, "
            f"got {values[row]}; correct that row or leave it out"
        )
    return values.astype(np.int64)


def _from_archs(values: NDArray[Any], source: str, space: Space) -> NDArray[np.int64]:
    cells = np.empty(len(values), np.int64)
    for row, value in enumerate(values.tolist()):
        arch = "" if value is None else _as_text(value)
        try:
            cells[row] = indices([arch], space)[0]
        except ValueError as error:
            raise OracleError(f"{source}, row {row + 1}: {error}") from error
    return cells


def _by_cell(
    values: NDArray[Any], cells: NDArray[np.int64], size: int, column: str, source: str
) -> Floats:
    """A column's values in official index order, [size], NaN for cells without a row."""
    if values.shape != cells.shape:
        raise OracleError(
            f"{source}: expected column {column} to hold {len(cells):,} numbers, one a row, got "
            f"{values.dtype} of shape {values.shape}"
        )
    if values.dtype.kind not in "iuf":
        raise OracleError(_no_numbers(values, column, source))
    ordered = np.full(size, np.nan)
    ordered[cells] = values
    return ordered


def _no_numbers(values: NDArray[Any], column: str, source: str) -> str:
    """What is wrong with a column that does not hold numbers, by its first value that is none."""
    for row, value in enumerate(values.tolist()):
        if value is not None and (text := _as_text(value)) and not _NUMBER.fullmatch(text.strip()):
            return (
                f"{source}, row {row + 1}: expected in column {column} a number, got "
                f"{quoted(text)}; write numbers without a sign or a unit, and nothing, or NaN in "
                ".npz, where there is none"
            )
    return (
        f"{source}: expected column {column} to hold numbers, got them as {values.dtype}; save "
        "them as numbers, such as with astype(float)"
    )


def _as_text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _split(values: NDArray[Any], column: str, source: str) -> dict[int | None, NDArray[Any]]:
    """The columns of an array [N, S], counted."""
    if values.ndim != 2:
        raise OracleError(
            f"{source}: expected {column} to be an array [cells, seeds], got shape {values.shape}"
        )
    return dict(enumerate(values.T))


def _plain(written: str) -> str:
    return _ALIASES.get(written, written)


def _int(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _separate(columns: Mapping[str, NDArray[Any]]) -> str:
    """What to do where a table came as one column, of another separator; empty where not."""
    separator = next((mark for mark in ";\t|" if len(columns) == 1 and mark in min(columns)), None)
    return f"separate the columns by commas, not by {separator!r}" if separator else ""


def _names(columns: Mapping[str, NDArray[Any]]) -> str:
    first = ", ".join(shortened(name, 40) for name in list(columns)[:8]) or "no column"
    return f"{first}, ..." if len(columns) > 8 else first
