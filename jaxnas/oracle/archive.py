"""The official NATS-Bench topology archive, read cell by cell, once.

The archive is the folder `NATS-tss-v1_0-3ffb9-simple`: one bz2 pickle a cell, 000000.pickle.pbz2
to 015624.pickle.pbz2, and meta.pickle.pbz2. What an oracle needs of it, about 5 MB, is kept in the
user's cache as a Parquet table of the columns that `columns` describes. While it is built, parts
of it are kept, so that a killed run goes on where it was.
"""

from __future__ import annotations

import bz2
import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pooch  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from jaxnas.checks import damaged, in_words, one_line, opened, read_bytes, shown
from jaxnas.data.images import DataError
from jaxnas.data.pickles import read_dict
from jaxnas.oracle import benchmark
from jaxnas.oracle.columns import from_columns
from jaxnas.oracle.files import arrays, read_columns
from jaxnas.oracle.table import Oracle, OracleError
from jaxnas.results.files import disk_errors, write_parquet

Progress = Callable[[int, int], None]

FOLDER = "NATS-tss-v1_0-3ffb9-simple"

META = "meta.pickle.pbz2"
CELL_FILE = re.compile(r"(\d{1,6})\.pickle\.pbz2", re.ASCII)
_CELL = "a cell of NATS-Bench's topology archive"
_AGAIN = "get the file again"
_LAYOUT = 1  # raised when the cached table changes its meaning
_CELLS_PER_PART = 256
# An official cell unpacks to a third of a megabyte; what goes on and on is stopped here.
_MOST_BYTES = 64_000_000


def read_archive(folder: Path, progress: Progress | None = None) -> Oracle:
    """Opens the archive; the first time, reads all of it, which takes minutes.

    Args:
        folder: the archive's.
        progress: called with the number of cells read and to read, at the start and after each;
            not called where the table is in the cache.

    Returns:
        The oracle of the cells that are there.

    Raises:
        OracleError: this is no such folder, or a file in it is not as the benchmark wrote it.
        DataError: a file is damaged, or is a pickle that asks for more than plain data.
        ResultsError: the cache cannot be written.
    """
    files = cell_files(folder)
    target = cached_table(folder)
    if target.exists():
        with contextlib.suppress(OracleError):  # a damaged table is made anew
            return from_columns(
                read_columns(target, benchmark.SPACE.size), shown(folder), benchmark.SPACE
            )
    with disk_errors(target.parent, "made"):
        target.parent.mkdir(parents=True, exist_ok=True)
    _check_meta(folder)
    parts = list(_parts(files, target, progress))
    table = pa.concat_tables((part for _, part in parts), promote_options="default")
    oracle = from_columns(arrays(table, shown(folder)), shown(folder), benchmark.SPACE)
    write_parquet(table, target)
    for path, _ in parts:
        path.unlink(missing_ok=True)
    return oracle


def cached_table(folder: Path) -> Path:
    """Where the table of an archive is kept: named by its files' names, sizes and times."""
    sha = hashlib.sha256(f"{_LAYOUT}".encode())
    with disk_errors(folder, "read"):
        for path in sorted([*cell_files(folder).values(), folder / META]):
            stat = path.stat()
            sha.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return Path(pooch.os_cache("jaxnas")) / "oracle" / f"{sha.hexdigest()[:16]}.parquet"


def cell_files(folder: Path) -> dict[int, Path]:
    """The archive's file of each cell, in the order of the cells.

    Raises:
        OracleError: the folder has none, no meta file, or one of no cell.
    """
    with disk_errors(folder, "read"):
        # 000001 after 1: where both are there the longer name counts, as for nats_bench.
        names = sorted((path.name for path in folder.iterdir()), key=len)
    files = {int(m[1]): folder / m[0] for name in names if (m := CELL_FILE.fullmatch(name))}
    if not files or META not in names:
        raise OracleError(
            f"{shown(folder)} is not the NATS-Bench topology archive: expected the unpacked folder "
            f"{FOLDER} with {META} and one NNNNNN.pickle.pbz2 a cell"
        )
    if max(files) >= benchmark.SPACE.size:
        raise OracleError(
            f"{shown(files[max(files)])} is of no cell: expected numbers up to "
            f"{benchmark.SPACE.size - 1}; is this the topology archive (tss)?"
        )
    return dict(sorted(files.items()))


def _parts(
    files: dict[int, Path], target: Path, progress: Progress | None
) -> Iterator[tuple[Path, pa.Table]]:
    """The table in parts, each with its file: read where it is there, else made and written."""
    cells = list(files)
    done = 0

    def rows(chosen: list[int]) -> Iterator[tuple[int, benchmark.Row]]:
        contents = _ahead([files[cell] for cell in chosen], _CELL)
        for number, (cell, content) in enumerate(zip(chosen, contents, strict=True), 1):
            states = read_dict(content, name=str(files[cell]), what=_CELL)
            yield cell, benchmark.row(cell, states, shown(files[cell]))
            if progress:
                progress(done + number, len(cells))

    for start in range(0, len(cells), _CELLS_PER_PART):
        chosen = cells[start : start + _CELLS_PER_PART]
        path = target.with_name(f"{target.stem}-{start:05d}.parquet")
        part = _saved(path)
        if progress and (part is not None or not done):
            progress(done + (len(chosen) if part is not None else 0), len(cells))
        if part is None:
            part = benchmark.to_table(rows(chosen))
            write_parquet(part, path)
        done += len(chosen)
        yield path, part


def _saved(path: Path) -> pa.Table | None:
    """A part of an earlier run, or None where there is none, or a damaged one."""
    try:
        with opened(path, "a part of a table", _MOST_BYTES) as file:
            return pq.ParquetFile(file, page_checksum_verification=True).read()
    except (pa.ArrowException, OSError, ValueError):
        return None


def _check_meta(folder: Path) -> None:
    """Raises OracleError unless the archive numbers its cells as the topology space does."""
    meta = _load(folder / META, "the list of cells of NATS-Bench's topology archive")
    archs = meta.get("meta_archs")
    if archs != [benchmark.SPACE.arch(cell) for cell in range(benchmark.SPACE.size)]:
        raise OracleError(
            f"{shown(folder / META)} lists other cells than the topology space: expected {FOLDER}"
        )


def _load(path: Path, what: str) -> dict[Any, Any]:
    """A pickled dict out of a bz2 file, of plain data only."""
    return read_dict(_unpacked(path, what), name=str(path), what=what)


def _unpacked(path: Path, what: str) -> bytes:
    """The content of a file of one bz2 stream, as the benchmark wrote it, of a bounded size."""
    stream = bz2.BZ2Decompressor()
    try:
        content = stream.decompress(read_bytes(path, what, _MOST_BYTES, DataError), _MOST_BYTES + 1)
    except OSError as error:
        if error.errno:
            raise
        raise DataError(damaged(path, what, one_line(error), _AGAIN)) from error
    if len(content) > _MOST_BYTES:
        raise DataError(damaged(path, what, f"more than {in_words(_MOST_BYTES)}", _AGAIN))
    if not stream.eof:
        raise DataError(damaged(path, what, "a bz2 stream that is cut short", _AGAIN))
    if stream.unused_data:
        got = f"{len(stream.unused_data):,} bytes after the end of the bz2 stream"
        raise DataError(damaged(path, what, got, _AGAIN))
    return content


def _ahead(paths: Sequence[Path], what: str) -> Iterator[bytes]:
    """The content of each file; the next is unpacked while this one is worked on."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(_unpacked, paths[0], what)
        for path in paths[1:]:
            content, following = following.result(), thread.submit(_unpacked, path, what)
            yield content
        yield following.result()
