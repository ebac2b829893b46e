"""Trains candidates on all devices, and keeps what came of them."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import jax
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from jaxnas import data
from jaxnas.data import DataError, Images
from jaxnas.data.splits import Split, split
from jaxnas.engine.threads import run_on_workers
from jaxnas.results import JSON
from jaxnas.results.files import write_atomically
from jaxnas.scoring.run import cell_indices
from jaxnas.spaces.darts import Genotype, parse_genotype
from jaxnas.training.candidate import Candidate
from jaxnas.training.cells import cell_candidates
from jaxnas.training.folder import TrainingFolder
from jaxnas.training.genotypes import genotype_candidates
from jaxnas.training.outcomes import Trained, accuracies_table, curves_table
from jaxnas.training.settings import DartsSettings, Recipe, Settings, test_digest
from jaxnas.training.trainer import StepProgress, Trainer

ACCURACIES_FILE = "accuracies.parquet"
CURVES_FILE = "curves.parquet"

# Called with the number of candidates to train and of their steps.
Begin: TypeAlias = Callable[[int, int], None]


def train(
    cells: str | int | Iterable[int | str],
    *,
    dataset: Images | str | os.PathLike[str] = "digits",
    seeds: Iterable[int] = (0,),
    settings: Settings | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: StepProgress | None = None,
    begin: Begin | None = None,
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
    chosen = _chosen(Settings, settings, options)
    images, indices = _load(dataset), cell_indices(cells)
    given = tuple(seeds)
    parts = check(images, chosen, given)
    candidates = cell_candidates(indices, images, chosen)
    return train_candidates(
        candidates, parts, chosen, chosen.identity(images), given, out, devices, progress, begin
    )


def train_genotypes(
    genotypes: Genotype | str | Iterable[Genotype | str],
    *,
    dataset: Images | str | os.PathLike[str] = "digits",
    seeds: Iterable[int] = (0,),
    settings: DartsSettings | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: StepProgress | None = None,
    begin: Begin | None = None,
    **options: Any,
) -> tuple[Trained, ...]:
    """Trains the networks of genotypes of the DARTS space by DARTS' recipe; otherwise as `train`.

    Args:
        genotypes: the architectures; text is read by `jaxnas.spaces.darts.parse_genotype`.
        dataset: as in `train`.
        seeds: as in `train`.
        settings: how to train; the fields of `DartsSettings` may be given as keywords instead.
        out: as in `train`.
        devices: as in `train`.
        progress: as in `train`.
        begin: as in `train`.
        **options: fields of `DartsSettings`.

    Raises:
        ValueError: as `train`.
    """
    chosen = _chosen(DartsSettings, settings, options)
    images = _load(dataset)
    several = [genotypes] if isinstance(genotypes, str | Genotype) else genotypes
    found = (one if isinstance(one, Genotype) else parse_genotype(one) for one in several)
    different = tuple(dict.fromkeys(found))
    given = tuple(seeds)
    parts = check(images, chosen, given)
    candidates = genotype_candidates(different, images, chosen)
    return train_candidates(
        candidates, parts, chosen, chosen.identity(images), given, out, devices, progress, begin
    )


def train_candidates(
    candidates: Sequence[Candidate],
    parts: Split,
    settings: Recipe,
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
        raise ValueError("at least one architecture is needed, none was given")
    devices = list(jax.local_devices() if devices is None else devices)

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
            for device in devices[: len(missing)]
        ]
        for trained in run_on_workers(workers, missing, stop):
            if trained is not None:
                folder.keep(trained)
        outcomes = folder.outcomes()
        _write(accuracies_table(outcomes), path / ACCURACIES_FILE)
        _write(curves_table(outcomes), path / CURVES_FILE)
    by_job = {(trained.name, trained.seed): trained for trained in outcomes}
    return tuple(by_job[candidate.name, seed] for candidate, seed in jobs)


def check(images: Images, settings: Recipe, seeds: Sequence[int]) -> Split:
    """Splits the images, if they fit the networks and the batch.

    Raises:
        DataError: they do not, or there are no test images.
        ValueError: no seed, or a negative one.
    """
    if not seeds:
        raise ValueError("at least one seed is needed, none was given")
    if min(seeds) < 0:
        raise ValueError(f"seeds must not be negative, but {min(seeds)} is among them")
    settings.check_images(images)
    test_digest(images)
    parts = split(images, settings.valid_fraction)
    if settings.batch_size > len(parts.train):
        raise DataError(
            f"batch of {settings.batch_size} asked for, but {images.name} has "
            f"{len(parts.train):,} training images once {len(parts.valid):,} are held out for "
            f"validation; ask for at most that"
        )
    return parts


R = TypeVar("R", bound=Recipe)


def _chosen(kind: type[R], settings: R | None, options: dict[str, Any]) -> R:
    if settings is None:
        return kind(**options)
    if options:
        raise ValueError(f"give either settings or {', '.join(options)}, not both")
    return settings


def _load(dataset: Images | str | os.PathLike[str]) -> Images:
    return dataset if isinstance(dataset, Images) else data.load(dataset)


def _write(table: pa.Table, path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_atomically(path, bytes(sink.getvalue()))
