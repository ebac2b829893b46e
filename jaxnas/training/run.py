"""Trains candidates on all devices, and keeps what came of them."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import jax

from jaxnas import data, spaces
from jaxnas.checks import folder_to_write, several_whole
from jaxnas.data import DataError, Images, check_side
from jaxnas.data.splits import Split, split
from jaxnas.engine.devices import chosen_devices
from jaxnas.engine.threads import run_on_workers
from jaxnas.results import JSON
from jaxnas.results.files import write_parquet
from jaxnas.spaces import DEFAULT, Space, select
from jaxnas.spaces.selection import Selection
from jaxnas.training.candidate import Candidate, make_candidates
from jaxnas.training.folder import TrainingFolder
from jaxnas.training.outcomes import Trained, accuracies_table, curves_table
from jaxnas.training.settings import TrainingSettings, test_digest
from jaxnas.training.trainer import StepProgress, Trainer

ACCURACIES_FILE = "accuracies.parquet"
CURVES_FILE = "curves.parquet"

Begin: TypeAlias = Callable[[int, int], None]
"""Called with the number of candidates to train and of their steps."""


def train(
    cells: Selection,
    *,
    space: str | Space | None = None,
    dataset: Images | str | os.PathLike[str] = "digits",
    seeds: Iterable[int] = (0,),
    settings: TrainingSettings | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: StepProgress | None = None,
    begin: Begin | None = None,
    **options: Any,
) -> tuple[Trained, ...]:
    """Trains architectures on real images, each candidate on a device of its own.

    They are trained by the recipe of their space's publication, see `PRESETS`. A choice can be
    made by `valid`, on images held out of the training set, and reported by `test`. A search's
    query is a look-up: ``{t.arch: t for t in train(cells)}``.

    Args:
        cells: which architectures, see `jaxnas.spaces.select`; "random:N" is drawn by the first
            seed.
        space: their space, or its name; by default that of the settings, else "nb201".
        dataset: images with test images, the name of a data set, or the path of an `.npz`.
        seeds: each fixes initial parameters, order of the images and augmentation.
        settings: how to train; its fields may be given as keywords instead.
        out: folder of checkpoints, outcomes and tables. What it holds already is not trained
            again, and a candidate that was stopped goes on from its last epoch, to the same
            weights. None keeps nothing.
        devices: where to train; all local devices by default.
        progress: called after every step, from the threads of the devices.
        begin: called before the first step with the number of candidates to train, and of steps.
        **options: fields of `TrainingSettings`.

    Returns:
        What came of each candidate, by seed, then architecture, as asked for.

    Raises:
        ValueError: an argument is not what it should be, or `out` is of a run with other settings.
    """
    searched, chosen = _resolved(space, settings, options)
    given = several_whole("seeds", seeds)
    path = None if out is None else folder_to_write("out", out)
    local = chosen_devices(devices)
    images = dataset if isinstance(dataset, Images) else data.load(dataset)
    parts = check(images, chosen, given, searched)
    archs = select(cells, searched.trainable, given[0])
    return train_candidates(
        make_candidates(archs, searched, images, chosen),
        parts,
        chosen,
        chosen.identity(images),
        given,
        path,
        local,
        progress,
        begin,
    )


def train_candidates(
    candidates: Sequence[Candidate],
    parts: Split,
    settings: TrainingSettings,
    identity: Mapping[str, JSON],
    seeds: Sequence[int],
    out: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: StepProgress | None = None,
    begin: Begin | None = None,
) -> tuple[Trained, ...]:
    """Trains candidates of any space; what is not said here is as in `train`.

    Args:
        candidates: each of a name of its own.
        parts: of the images, from `check`.
        settings: how to train.
        identity: of the run, from `settings`.
        seeds: of each candidate.
        out: folder.
        devices: where to train.
        progress: called after every step.
        begin: called before the first.
    """
    jobs = [(candidate, seed) for seed in dict.fromkeys(seeds) for candidate in candidates]
    if not jobs:
        raise ValueError("candidates: expected at least one architecture, got none")
    local = chosen_devices(devices)

    with ExitStack() as stack:
        path = Path(out or stack.enter_context(tempfile.TemporaryDirectory()))
        folder = stack.enter_context(TrainingFolder(path, identity))
        missing = [job for job in jobs if folder.outcome(job[0].name, job[1]) is None]
        if begin:
            steps = -(-len(parts.train) // settings.batch_size) * settings.epochs
            begin(len(missing), len(missing) * steps)
        stop = threading.Event()
        workers = [
            Trainer(parts, settings, folder, device, stop, progress).train
            for device in local[: len(missing)]
        ]
        for trained in run_on_workers(workers, missing, stop):
            if trained is not None:
                folder.keep(trained)
        outcomes = folder.outcomes()
        write_parquet(accuracies_table(outcomes), path / ACCURACIES_FILE)
        write_parquet(curves_table(outcomes), path / CURVES_FILE)
    by_job = {(trained.name, trained.seed): trained for trained in outcomes}
    return tuple(by_job[candidate.name, seed] for candidate, seed in jobs)


def check(
    images: Images, settings: TrainingSettings, seeds: Sequence[int], space: Space | None = None
) -> Split:
    """Splits the images, if they fit the networks and the batch.

    Args:
        images: the images.
        settings: how to train.
        seeds: at least one.
        space: the settings' space; by default that of its name.

    Raises:
        DataError: they do not fit, or there are no test images.
        ValueError: there are no such networks, no seed, or a negative one.
    """
    several_whole("seeds", seeds)
    check_side(images)
    space = space or spaces.find(settings.space)
    space.check(settings.sizes, images.num_classes, images.x_train.shape[1])
    test_digest(images)
    parts = split(images, settings.valid_fraction)
    if settings.batch_size > len(parts.train):
        raise DataError(
            f"batch_size: expected at most {len(parts.train):,}, the training images of "
            f"{images.name} once {len(parts.valid):,} are held out for validation, got "
            f"{settings.batch_size}; ask for smaller batches"
        )
    return parts


def _resolved(
    space: str | Space | None, settings: TrainingSettings | None, options: Mapping[str, Any]
) -> tuple[Space, TrainingSettings]:
    """The space and the settings that are meant by what is given of both."""
    if settings is None:
        searched = spaces.find(space or DEFAULT)
        return searched, TrainingSettings(space=searched.name, **options)
    if options:
        raise ValueError(
            f"settings: expected them alone, got {', '.join(options)} too; leave out one of both"
        )
    searched = spaces.find(space or settings.space)
    if searched.name != settings.space:
        raise ValueError(
            f"space: expected {settings.space!r}, that of the settings, got {searched.name!r}; "
            "leave it out"
        )
    return searched, settings
