"""Scores architectures: any set of proxies, over any selection and seeds, on all devices."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax
import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas import data
from jaxnas.checks import folder_to_write, several_whole
from jaxnas.data import Images, check_side
from jaxnas.engine.devices import chosen_devices
from jaxnas.engine.threads import run_on_workers
from jaxnas.precision import with_float64
from jaxnas.proxies import catalogue
from jaxnas.results import JSON, SCORES_FILE, Folder, Record, Request
from jaxnas.results.finished import read_scores, requests_of, to_long
from jaxnas.results.folder import refuse_other_settings
from jaxnas.results.manifest import MANIFEST_FILE
from jaxnas.results.records import to_table
from jaxnas.results.table import settings_of
from jaxnas.scoring.jobs import Job, lacking, networks
from jaxnas.scoring.programs import ScoringPrograms, scoring_passes
from jaxnas.scoring.settings import Settings
from jaxnas.scoring.tables import NoiseRange, build_table, finish, recorded_names
from jaxnas.spaces import Space, find, select
from jaxnas.spaces.selection import Selection
from jaxnas.version import __version__

# A killed run loses at most the work of the time between two parts.
_SECONDS_A_PART = 10.0


class Progress(Protocol):
    """Told how far a run is."""

    def __call__(self, done: int, total: int, /) -> None:
        """`done` networks of `total` are scored."""


def score(
    cells: Selection = "all",
    proxies: str | Sequence[str] = "all",
    *,
    space: str | Space | None = None,
    dataset: Images | str | os.PathLike[str] = "digits",
    seeds: Iterable[int] = (0,),
    settings: Settings | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
    noise_range: NoiseRange = None,
    progress: Progress | None = None,
    **options: Any,
) -> pa.Table:
    """Scores architectures of a search space before any training.

    Args:
        cells: "all", "START:STOP", "random:N", "@FILE", an arch, an index, or a sequence of archs
            and indices; "random:N" is drawn by the first seed.
        proxies: names of the catalogue, of counts and derived scores among them, or "all".
        space: the search space; "nb201" by default.
        dataset: images, the name of a data set, or the path of an `.npz`.
        seeds: each fixes a batch, the initialisations and the noise.
        settings: how architectures are scored; its fields may be given as keywords instead.
        out: folder in which the scores are kept. What it holds already is not computed again, and
            a run that was stopped goes on, also from its finished table alone. None keeps the
            scores in memory alone.
        devices: where to compute; all local devices by default.
        noise_range: smallest and largest js by which the noise scores are rescaled; by default
            those of the table itself.
        progress: called as networks are scored.
        **options: fields of `Settings`.

    Returns:
        A row for each architecture and seed: `cell` (official index, null where the space has
        none), `arch`, `function` (what represents all that are functionally equal), `seed`,
        `status` ("ok", "disconnected", "nonfinite"), then a column for each score. The same table
        is in `out` as `scores.parquet`, with all that was ever asked of the folder.

    Raises:
        ValueError: an argument is not what it should be, or `out` holds scores with other settings.
    """
    chosen = chosen_settings(settings, space, options)
    numbers = several_whole("seeds", seeds)
    path = None if out is None else folder_to_write("out", out)
    local = chosen_devices(devices)
    names = catalogue.columns(proxies)
    archs = select(cells, chosen.find_space(), numbers[0])
    request = Request(archs, numbers, names)
    images = dataset if isinstance(dataset, Images) else data.load(dataset)
    check_images(images, chosen, request.seeds)
    identity = chosen.identity(images)
    if path is None:
        records = _run(request, {}, chosen, images, local, progress)
        return build_table(to_table(records), [request], identity, noise_range)
    with open_folder(path, identity, _session(local)) as folder:
        folder.request(request)
        _keep(folder, _run(request, folder.known(), chosen, images, local, progress))
        return finish(folder, noise_range)


def check_images(images: Images, settings: Settings, seeds: Sequence[int]) -> None:
    """Raises ValueError if the images do not fit the networks or the batch."""
    check_side(images)
    numbers = several_whole("seeds", seeds)
    side = int(images.x_train.shape[1])
    settings.find_space().check(settings.sizes, images.num_classes, side)
    images.batch(settings.batch_size, numbers[0])


def open_folder(
    path: Path, identity: Mapping[str, JSON], session: Mapping[str, JSON] | None = None
) -> Folder:
    """A results folder for this process to write; one with a finished table alone is taken up.

    Raises:
        ResultsError: as `Folder.open`, or the table is damaged.
    """
    alone = path / SCORES_FILE
    if not os.path.lexists(alone) or os.path.lexists(path / MANIFEST_FILE):
        return Folder.open(path, identity, session)
    table = read_scores(alone)
    refuse_other_settings(path, "scores", settings_of(table), identity)
    folder = Folder.open(path, identity, session)
    try:
        folder.append_table(to_long(table, recorded_names()))
        for request in requests_of(table):
            folder.request(request)
    except BaseException:  # a lock is not kept by a folder that nobody has
        folder.close()
        raise
    return folder


def chosen_settings(
    settings: Settings | None, space: str | Space | None, options: Mapping[str, Any]
) -> Settings:
    """The settings given, or those that a space and options make.

    Raises:
        ValueError: both were given, or they do not fit.
    """
    name = None if space is None else find(space).name
    if settings is None:
        return Settings(**options) if name is None else Settings(space=name, **options)
    if options:
        raise ValueError(f"settings: expected settings or {', '.join(options)}, got both; give one")
    if name not in (None, settings.space):
        raise ValueError(
            f"space: expected the settings' {settings.space!r}, got {name!r}; give one"
        )
    return settings


def _session(devices: Sequence[jax.Device]) -> dict[str, JSON]:
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
    known: Mapping[Job, set[str]],
    settings: Settings,
    images: Images,
    devices: Sequence[jax.Device],
    progress: Progress | None,
) -> Iterator[Record]:
    """Scores what is not known yet, the networks that lack the same scores together."""
    wanted = [name for name in recorded_names() if name in request.columns]
    space = settings.find_space()
    archs = networks(_in_order(request.archs, space), space, merge=settings.merge)
    groups_of_jobs = lacking(request, archs, wanted, known)
    total = sum(map(len, groups_of_jobs.values()))
    done = 0
    if progress:
        progress(done, total)
    for names, jobs in groups_of_jobs.items():
        needed = scoring_passes([name for name in wanted if name in names], settings)
        workers = [
            with_float64(ScoringPrograms(needed, settings, images, device).score)
            for device in devices[: len(jobs)]
        ]
        for record in run_on_workers(workers, jobs):
            yield record
            done += 1
            if progress:
                progress(done, total)


def _in_order(archs: Sequence[str], space: Space) -> list[str]:
    """Architectures by index, or as they come where they have none."""
    indices = space.indices(archs)
    return list(archs) if indices is None else [archs[i] for i in indices.argsort(kind="stable")]


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
