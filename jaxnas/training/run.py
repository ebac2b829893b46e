"""Trains candidates on all devices, and keeps what came of them."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from jaxnas import data
from jaxnas.data import DataError, Images
from jaxnas.engine.schedule import run_on_workers
from jaxnas.engine.scoring import cell_indices
from jaxnas.results.parts import write_atomically
from jaxnas.training.candidate import Job, StepProgress, Trainer
from jaxnas.training.folder import TrainingFolder
from jaxnas.training.outcomes import Trained, accuracies_table, curves_table
from jaxnas.training.settings import Settings, test_digest
from jaxnas.training.splits import Split, split

ACCURACIES_FILE = "accuracies.parquet"
CURVES_FILE = "curves.parquet"


def train(
    cells: str | int | Iterable[int | str],
    *,
    dataset: Images | str | os.PathLike[str] = "digits",
    seeds: Iterable[int] = (0,),
    settings: Settings | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: StepProgress | None = None,
    begin: Callable[[int, int], None] | None = None,
    **options: Any,
) -> tuple[Trained, ...]:
    """Trains cells of NAS-Bench-201 on real images, each candidate on a device of its own.

    A choice can be made by `valid`, on images held out of the training set, and reported by
    `test`. A search's query is a look-up: ``{t.cell: t for t in train(cells)}``.

    Args:
        cells: official indices, arch strings, or a sequence of them.
        dataset: images with test images, the name of a data set, or the path of an `.npz`.
        seeds: each fixes initial parameters, order of the images and augmentation.
        settings: how to train; its fields may be given as keywords instead.
        out: folder of checkpoints, outcomes and tables. What it holds already is not trained
            again, and a candidate that was stopped goes on from its last epoch, to the same
            weights. None keeps nothing.
        devices: where to train; all local devices by default.
        progress: called after every step, from the threads of the devices.
        begin: called before the first step with the number of candidates to train, and of steps.
        **options: fields of `Settings`.

    Returns:
        What came of each candidate, by seed, then cell, as asked for.

    Raises:
        ValueError: an argument is not what it should be, or `out` is of a run with other settings.
    """
    if settings is None:
        settings = Settings(**options)
    elif options:
        raise ValueError(f"give either settings or {', '.join(options)}, not both")
    images = dataset if isinstance(dataset, Images) else data.load(dataset)
    jobs = [(cell, seed) for seed in dict.fromkeys(seeds) for cell in cell_indices(cells)]
    parts = check(images, settings, jobs)
    devices = list(jax.local_devices() if devices is None else devices)

    with ExitStack() as stack:
        path = Path(out or stack.enter_context(tempfile.TemporaryDirectory()))
        folder = stack.enter_context(TrainingFolder(path, settings.identity(images)))
        missing = [job for job in jobs if folder.outcome(*job) is None]
        if begin:
            steps = -(-len(parts.train) // settings.batch_size) * settings.epochs
            begin(len(missing), len(missing) * steps)
        stop = threading.Event()
        workers = [
            Trainer(images, parts, settings, folder, device, stop, progress).train
            for device in devices[: len(missing)]
        ]
        for trained in run_on_workers(workers, missing, stop):
            if trained is not None:
                folder.keep(trained)
        outcomes = folder.outcomes()
        _write(accuracies_table(outcomes, settings, images.num_classes), path / ACCURACIES_FILE)
        _write(curves_table(outcomes), path / CURVES_FILE)
    by_job = {(trained.cell, trained.seed): trained for trained in outcomes}
    return tuple(by_job[job] for job in jobs)


def check(images: Images, settings: Settings, jobs: Sequence[Job]) -> Split:
    """Splits the images, if they fit the networks and the batch.

    Raises:
        DataError: they do not, or there are no test images.
        ValueError: no job, or a negative seed.
    """
    if not jobs:
        raise ValueError("at least one cell and one seed are needed, none was given")
    lowest = min(seed for _, seed in jobs)
    if lowest < 0:
        raise ValueError(f"seeds must not be negative, but {lowest} is among them")
    height, width = images.x_train.shape[1:3]
    if height != width or height % 4:
        raise DataError(
            f"{images.name}: images must be square with a side that is a multiple of 4, as the "
            f"networks halve them twice, but are {height}x{width}; crop or resize them"
        )
    test_digest(images)
    parts = split(images, settings.valid_fraction)
    if settings.batch_size > len(parts.train):
        raise DataError(
            f"batch of {settings.batch_size} asked for, but {images.name} has "
            f"{len(parts.train):,} training images once {len(parts.valid):,} are held out for "
            f"validation; ask for at most that"
        )
    return parts


def _write(table: pa.Table, path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_atomically(path, bytes(sink.getvalue()))
