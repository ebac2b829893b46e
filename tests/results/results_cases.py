"""What the tests of results share: records of cells by index, folders, and the slow table."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from jaxnas.proxies.derived import DERIVED
from jaxnas.results import Folder, Record, Request
from jaxnas.results.records import to_table
from jaxnas.results.table import asked_rows, assemble
from jaxnas.spaces import DEFAULT, Sizes, nb201

SETTINGS: dict[str, Any] = {
    "space": "nb201",
    "data": "sha256:ab",
    "batch_size": 64,
    "bn": "batch",
    "merge": True,
}
SESSION: dict[str, Any] = {"jax": "0.9", "device": "cpu"}
JS = ("js", "js_n0.1", "js_n10", "js_n100")
JSC = ("jsc", "jsc_n0.1", "jsc_n10", "jsc_n100")
REQUIRES = DERIVED.requires
ORDER = ("params", "flops", "pjs", *JS, *JSC, *REQUIRES)
DISCONNECTED = np.flatnonzero(~nb201.is_connected(nb201.cell_ops())).tolist()
ARCHS = [DEFAULT.arch(cell) for cell in range(DEFAULT.size)]


def record(
    cell: int,
    seed: int,
    scores: Mapping[str, float],
    seconds: Mapping[str, float] | None = None,
) -> Record:
    """A record of the cell with an index."""
    return Record(ARCHS[cell], seed, scores, seconds or {})


def request(cells: Iterable[int], seeds: Iterable[int], columns: Iterable[str]) -> Request:
    """A request for cells by index."""
    return Request(tuple(ARCHS[cell] for cell in cells), tuple(seeds), tuple(columns))


def ask(folder: Folder, cells: Iterable[int], seeds: Iterable[int], columns: Iterable[str]) -> None:
    """Asks a folder for scores of cells by index."""
    folder.request(request(cells, seeds, columns))


def cell_of(one: Record) -> int:
    """The index of a record's cell."""
    return ARCHS.index(one.arch)


def known(folder: Folder) -> dict[tuple[int, int], set[str]]:
    """`Folder.known` by index."""
    return {(ARCHS.index(arch), seed): names for (arch, seed), names in folder.known().items()}


def fresh(path: Path, **changes: Any) -> Folder:
    return Folder.open(path, SETTINGS | changes, SESSION)


def part_files(folder: Path) -> list[Path]:
    return sorted((folder / "parts").glob("*.parquet"))


def everything(folder: Path) -> dict[str, bytes]:
    """Every file's bytes, but for the empty lock file."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def numbered(n: int) -> Record:
    return record(n, 0, {"pjs": n + 0.5, "js": math.nan}, {"pjs": 0.25})


def table_of(
    records: Iterable[Record],
    requests: Sequence[Request],
    *,
    merged: bool = True,
    num_classes: int = 10,
    image_size: int = 32,
    noise_range: tuple[float, float] | None = None,
    settings: Mapping[str, Any] | None = None,
    order: Sequence[str] = ORDER,
) -> pa.Table:
    """`assemble` of records, with counts of the benchmark's network."""
    asked = asked_rows(requests, DEFAULT, DERIVED)
    counts = DEFAULT.counts(asked.archs, Sizes(16, 5), num_classes, image_size)
    given = {"noise_range": noise_range}
    DERIVED.check(given)
    return assemble(
        to_table(records),
        asked,
        DEFAULT,
        order,
        merged=merged,
        counts={"params": counts.params, "flops": counts.flops},
        derived=DERIVED,
        given=given,
        settings=settings,
    )


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def run_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


# A few cells that share functions, some disconnected, and one that shares with none of them.
COPIES = np.bincount(nb201.representatives(), minlength=nb201.NUM_CELLS)
FUNCTIONS = [f for f in np.flatnonzero(COPIES > 2).tolist() if f not in DISCONNECTED][:3]
MATES = [np.flatnonzero(nb201.representatives() == f)[:3].tolist() for f in FUNCTIONS]
CELLS = sorted({*itertools.chain(*MATES), *DISCONNECTED[:2], 1234})
