"""Opens an oracle, whatever it is kept in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from jaxnas.checks import is_there, quoted, shown, user_path
from jaxnas.oracle import benchmark
from jaxnas.oracle.archive import CELL_FILE, FOLDER, META, Progress, read_archive
from jaxnas.oracle.benchmark import SPACE
from jaxnas.oracle.columns import from_columns
from jaxnas.oracle.files import READERS, arrays, read_columns
from jaxnas.oracle.table import Oracle, OracleError, check_indexed
from jaxnas.spaces import Space, find

if TYPE_CHECKING:
    from nats_bench import NATStopology  # type: ignore[import-untyped]


def read(
    path: str | os.PathLike[str],
    progress: Progress | None = None,
    space: str | Space = "nb201",
) -> Oracle:
    """Opens the official NATS-Bench topology archive, or a table of one's own.

    Args:
        path: the archive's folder NATS-tss-v1_0-3ffb9-simple, or a .csv, .parquet or .npz file
            with the columns that `jaxnas.oracle.columns` describes.
        progress: called with the number of cells read and to read, while an archive is read for
            the first time; later it opens from the user's cache, in less than a second.
        space: whose architectures the table has, or its name; the archive has NAS-Bench-201's.

    Returns:
        The oracle.

    Raises:
        OracleError: it is none of these, its content is wrong, or the space has no indices; a
            ValueError.
        DataError: an archive's file is cut short or asks for more than plain data; a ValueError.
        ResultsError: the cache cannot be written; a ValueError.
        FileNotFoundError: there is nothing.
    """
    chosen, of = user_path("oracle", path, OracleError), find(space)
    check_indexed(of)
    if not is_there(chosen):
        raise FileNotFoundError(f"{shown(chosen)} does not exist: expected {_EXPECTED}")
    if chosen.is_dir():
        if of is not SPACE:
            raise OracleError(
                f"{shown(chosen)}: expected a .csv, .parquet or .npz table, got a folder, which "
                f"can only be the NATS-Bench archive of {SPACE.title}; give a table of {of.title}"
            )
        return read_archive(chosen, progress)
    if chosen.suffix.lower() in READERS:
        return from_columns(read_columns(chosen, of.size), shown(chosen), of)
    raise OracleError(f"{shown(chosen)} {_what_it_is(chosen)}")


def _what_it_is(path: Path) -> str:
    """What a file of the benchmark is that is no oracle, and what to give instead."""
    name, folder = path.name, shown(path.absolute().parent)
    kinds = (
        (
            name == META,
            "is the archive's list of cells, which has no accuracies: expected the folder that it "
            f"is in, with the cells; give {folder}",
        ),
        (
            CELL_FILE.fullmatch(name),
            f"is one cell of the archive: expected the folder that it is in; give {folder}",
        ),
        (
            name.endswith((".tar", ".tar.gz", ".tgz", ".zip")),
            f"is packed: expected {_EXPECTED}; unpack it and give the folder",
        ),
        (
            name.startswith("NATS-sss"),
            f"is of NATS-Bench's size space: expected {_EXPECTED}, of the topology space (tss)",
        ),
        (
            name.endswith(".pickle.pbz2"),
            "is the benchmark in one file, which cannot be read without holding all of it in "
            f"memory, 12 GB or more: expected the unpacked folder {FOLDER}, published beside it",
        ),
        (
            name.endswith(".pth"),
            "is a file of PyTorch, as NAS-Bench-201 was published before NATS-Bench: expected "
            f"{_EXPECTED}, which has the same cells",
        ),
    )
    return next(
        (text for is_it, text in kinds if is_it), f"is of no known kind: expected {_EXPECTED}"
    )


def from_api(api: NATStopology, progress: Progress | None = None) -> Oracle:
    """Takes the accuracies out of an open NATS-Bench API.

    An API in fast mode reads its folder cell by cell when asked; here the folder is read as by
    `read`. Otherwise the cells are taken as the API has them in memory.

    Args:
        api: `nats_bench.create(path, "tss", ...)`.
        progress: as for `read`.

    Returns:
        The oracle.

    Raises:
        OracleError: it is the API of another space, or has no cells.
        DataError, ResultsError: as for `read`.
    """
    if getattr(api, "search_space_name", None) != "topology":
        raise OracleError(
            f"expected an API of NATS-Bench's topology space, nats_bench.create(path, 'tss'), "
            f"got {quoted(api)}"
        )
    if api.fast_mode and api.archive_dir is not None:
        return read(api.archive_dir, progress)
    results = api.arch2infos_dict
    rows = []
    for number, (cell, by_epochs) in enumerate(results.items(), 1):
        states = {epochs: result.state_dict() for epochs, result in by_epochs.items()}
        rows.append((cell, benchmark.row(cell, states, f"the API's cell {cell}")))
        if progress:
            progress(number, len(results))
    source = "the NATS-Bench API"
    return from_columns(arrays(benchmark.to_table(rows), source), source, SPACE)


_EXPECTED = f"a .csv, .parquet or .npz table, or the unpacked folder {FOLDER}"
