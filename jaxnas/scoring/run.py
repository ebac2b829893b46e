"""Scores cells: any set of proxies, over any set of cells and seeds, on all devices."""

import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas import data, results
from jaxnas.data import Images, check_side
from jaxnas.engine.threads import run_on_workers
from jaxnas.precision import with_float64
from jaxnas.proxies.catalogue import CATALOGUE, NOISE_LEVELS, unknown_name
from jaxnas.results import JSON, SCORES_FILE, Folder, Record, Request
from jaxnas.scoring.programs import Job, Programs, group_proxies
from jaxnas.scoring.settings import Settings
from jaxnas.spaces import nb201
from jaxnas.version import __version__

COUNTS = ("params", "flops")

# A killed run loses at most the work of the time between two parts.
_SECONDS_A_PART = 10.0

# The order of a table's columns.
COLUMNS: tuple[str, ...] = (*COUNTS, *CATALOGUE, *results.REQUIRES)

# What `all` means: the twelve scores of seeds 002, the four of seeds 000, and the counts.
ALL: tuple[str, ...] = (
    *COUNTS,
    "gradient_kernel",
    "gradient_value",
    "gradient_correlation",
    "gradient_trace",
    *(
        f"{score}{noise}"
        for score in ("js", "jsc")
        for noise in ("", *(f"_n{a:g}" for a in NOISE_LEVELS))
    ),
    "pjs",
    "pjsc",
    "wpjs",
    "wpjsi",
    *results.REQUIRES,
)


class Progress(Protocol):
    """Told how far a run is."""

    def __call__(self, done: int, total: int, /) -> None:
        """`done` of the `total` networks that the run has to score are scored."""


def columns(proxies: str | Sequence[str]) -> tuple[str, ...]:
    """Names of scores, "all" spelt out, with the scores that derived ones are made of.

    Raises:
        ValueError: an unknown name; the sentence names the nearest.
    """
    names = [proxies] if isinstance(proxies, str) else list(proxies)
    if not names:
        raise ValueError("at least one proxy is needed, none was given")
    named = [known for name in names for known in (ALL if name == "all" else (name,))]
    for name in named:
        if name not in COLUMNS:
            raise ValueError(unknown_name(name, list(COLUMNS)))
    chosen = set(results.with_bases(named))
    return tuple(name for name in COLUMNS if name in chosen)


def cell_indices(cells: str | int | Iterable[int | str]) -> tuple[int, ...]:
    """Official indices of cells given as "all", an index, an arch string, or several of the two.

    Raises:
        ValueError: an index out of range or a malformed arch string.
    """
    if isinstance(cells, str) and cells == "all":
        return tuple(range(nb201.NUM_CELLS))
    several = [cells] if isinstance(cells, str | int | np.integer) else list(cells)
    if not several:
        raise ValueError("at least one cell is needed, none was given")
    found = [
        nb201.arch_to_index(cell)
        if isinstance(cell, str)
        else nb201.arch_to_index(nb201.index_to_arch(cell))
        for cell in several
    ]
    return tuple(dict.fromkeys(found))


def score(
    cells: str | int | Iterable[int | str] = "all",
    proxies: str | Sequence[str] = "all",
    *,
    dataset: Images | str | os.PathLike[str] = "digits",
    seeds: Iterable[int] = (0,),
    settings: Settings | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
    noise_range: tuple[float, float] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> pa.Table:
    """Scores cells of NAS-Bench-201 before any training.

    Args:
        cells: "all", official indices, arch strings, or a sequence of them.
        proxies: names of the catalogue, of derived scores, "params", "flops", or "all".
        dataset: images, the name of a data set, or the path of an `.npz`.
        seeds: each fixes a batch, the initialisations and the noise.
        settings: how cells are scored; its fields may be given as keywords instead.
        out: folder in which the scores are kept. What it holds already is not computed again, and
            a run that was stopped goes on. None keeps the scores in memory alone.
        devices: where to compute; all local devices by default.
        noise_range: smallest and largest js by which the noise scores are rescaled; by default
            those of the table itself.
        progress: called as networks are scored.
        **options: fields of `Settings`.

    Returns:
        A row for each cell and seed: `cell`, `arch`, `function` (index of the cell that represents
        it), `seed`, `status` ("ok", "disconnected", "nonfinite"), then a column for each score. The
        same table is in `out` as `scores.parquet`, with all that was ever asked of the folder.

    Raises:
        ValueError: an argument is not what it should be, or `out` holds scores with other settings.
    """
    if settings is None:
        settings = Settings(**options)
    elif options:
        raise ValueError(f"give either settings or {', '.join(options)}, not both")
    request = Request(cell_indices(cells), tuple(seeds), columns(proxies))
    images = dataset if isinstance(dataset, Images) else data.load(dataset)
    check_images(images, settings, request.seeds)
    devices = list(jax.local_devices() if devices is None else devices)

    identity = settings.identity(images)

    def run(known: dict[Job, set[str]]) -> Iterator[Record]:
        return _run(request, known, settings, images, devices, progress)

    if out is None:
        return _table(results.to_table(run({})), [request], identity, noise_range)
    with Folder.open(out, identity, session(devices)) as folder:
        folder.request(request.cells, request.seeds, request.columns)
        _keep(folder, run(folder.known()))
        finished = _table(folder.scores(), folder.requests, identity, noise_range)
        results.write_table(finished, Path(out) / SCORES_FILE, settings=folder.settings)
    return finished


def read_table(
    path: str | os.PathLike[str], noise_range: tuple[float, float] | None = None
) -> pa.Table:
    """The table of a results folder as far as it is scored, finished or not.

    Raises:
        ResultsError: there is no such folder.
    """
    with Folder.load(path) as folder:
        return _table(folder.scores(), folder.requests, folder.settings, noise_range)


def _table(
    scores: pa.Table,
    requests: Sequence[Request],
    identity: Mapping[str, Any],
    noise_range: tuple[float, float] | None,
) -> pa.Table:
    """The table of scores made with the settings that `Settings.identity` tells."""
    return results.assemble(
        scores,
        requests,
        COLUMNS,
        merged=identity["merge"],
        num_classes=identity["num_classes"],
        image_size=identity["image_size"],
        stem_channels=identity["stem_channels"],
        cells_per_stage=identity["cells_per_stage"],
        noise_range=noise_range,
    )


def check_images(images: Images, settings: Settings, seeds: Sequence[int]) -> None:
    """Raises ValueError if the images do not fit the networks or the batch."""
    check_side(images)
    if min(seeds) < 0:
        raise ValueError(f"seeds must not be negative, but {min(seeds)} is among them")
    images.batch(settings.batch_size, seeds[0])


def session(devices: Sequence[jax.Device]) -> dict[str, JSON]:
    """What scored: noted in a folder's manifest, not compared."""
    return {
        "jaxnas": __version__,
        "jax": jax.__version__,
        "python": platform.python_version(),
        "platform": devices[0].platform,
        "devices": [device.device_kind for device in devices],
    }


def _run(
    request: Request,
    known: dict[Job, set[str]],
    settings: Settings,
    images: Images,
    devices: Sequence[jax.Device],
    progress: Progress | None,
) -> Iterator[Record]:
    """Scores what is not known yet, the networks that lack the same scores together."""
    wanted = frozenset(name for name in request.columns if name in CATALOGUE)
    lacking: dict[frozenset[str], list[Job]] = {}
    for seed in request.seeds:
        for cell in networks(request.cells, settings.merge):
            lacks = wanted - known.get((cell, seed), set())
            if lacks:
                lacking.setdefault(lacks, []).append((cell, seed))
    total = sum(map(len, lacking.values()))
    done = 0
    if progress:
        progress(done, total)
    for names, jobs in lacking.items():
        ordered = [name for name in COLUMNS if name in names]
        groups = group_proxies(ordered, settings)
        workers = [
            with_float64(Programs(groups, settings, images, device).score)
            for device in devices[: len(jobs)]
        ]
        for record in run_on_workers(workers, jobs):
            yield record
            done += 1
            if progress:
                progress(done, total)


def networks(cells: Sequence[int], merge: bool) -> list[int]:
    """The cells that have to be scored for a table of `cells`: connected ones, equal ones once."""
    indices = np.asarray(cells)
    indices = indices[nb201.is_connected(nb201.cell_ops()[indices])]
    if merge:
        indices = nb201.representatives()[indices]
    return [int(cell) for cell in dict.fromkeys(indices.tolist())]


def _keep(folder: Folder, records: Iterator[Record]) -> None:
    """Writes records to the folder as they come; what came before an interruption is kept."""
    pending: list[Record] = []
    written = time.monotonic()
    try:
        for record in records:
            pending.append(record)
            if time.monotonic() - written > _SECONDS_A_PART:
                folder.append(pending)
                pending, written = [], time.monotonic()
    finally:
        if pending:
            folder.append(pending)
