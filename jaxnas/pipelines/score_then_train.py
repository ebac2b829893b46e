"""GT-NAS on real images: scores a sample, trains the best by score, chooses by validation.

Source: "A Gradient-based Kernel Approach for Efficient Network Architecture Search", section 5
(published as Xu et al., "KNAS: Green Neural Architecture Search", ICML 2021): s = 300 cells are
scored by `gradient_kernel`, the best k = 20 or 40 are trained.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import jax
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from jaxnas import data, scoring, spaces, training
from jaxnas.checks import checked, flag, folder_to_write, ranges
from jaxnas.data import Images
from jaxnas.engine.devices import chosen_devices
from jaxnas.oracle import Oracle
from jaxnas.oracle.table import EPOCHS
from jaxnas.plots.training_curves import plot_curves
from jaxnas.proxies import catalogue
from jaxnas.reports import choice as reports
from jaxnas.reports.choice import Benchmark
from jaxnas.reports.report import Row
from jaxnas.results import ranking
from jaxnas.results.files import write_csv
from jaxnas.scoring.run import Progress, check_images
from jaxnas.search import candidates
from jaxnas.spaces import DEFAULT, Space
from jaxnas.training import Choice, Trained, TrainingSettings
from jaxnas.training.folder import TrainingFolder
from jaxnas.training.run import Begin, check
from jaxnas.training.trainer import StepProgress

SCORES_FOLDER = "scores"
TRAINED_FOLDER = "trained"
CANDIDATES_FILE = "candidates.csv"
CHOSEN_FILE = "chosen.csv"
PICTURE_FILE = "curves.png"

# The benchmark's accuracies that are shown beside one's own are those of its long training.
_REPORT_EPOCHS = max(EPOCHS)


class Watcher(Protocol):
    """Told how far the two stages are; each of its contexts is open as long as its stage lasts."""

    def scoring(self, devices: Sequence[jax.Device]) -> AbstractContextManager[Progress | None]:
        """Gives what is called as networks are scored on these devices."""

    def training(
        self, devices: Sequence[jax.Device], epochs: int
    ) -> AbstractContextManager[tuple[StepProgress | None, Begin | None]]:
        """Gives what `jaxnas.training.train` calls as `progress` and `begin`."""


@dataclass(frozen=True)
class Found:
    """What came of the search.

    Attributes:
        dataset: name of the images.
        by: the score, or the combination of scores.
        settings: how candidates were trained.
        scores: the score of each architecture sampled, NaN where it is undefined, by its arch.
        picked: archs with the highest scores, the highest first.
        at_random: archs in the order drawn; empty without the comparison with chance.
        trained: what came of each candidate; one that is both picked and drawn comes once.
        choices: by way to come by candidates and by k, the candidates and the one to keep.
        candidate_rows: a row for each candidate, as candidates.csv has them.
        choice_rows: a row for each choice, as chosen.csv has them.
    """

    dataset: str
    by: str
    settings: TrainingSettings
    scores: Mapping[str, float]
    picked: tuple[str, ...]
    at_random: tuple[str, ...]
    trained: tuple[Trained, ...]
    choices: tuple[Choice, ...]
    candidate_rows: tuple[Row, ...]
    choice_rows: tuple[Row, ...]

    @property
    def chosen(self) -> Trained | None:
        """The candidate to keep: of all those picked by score; None where all diverged."""
        picked = [choice for choice in self.choices if choice.candidates[0].arch in self.picked]
        return max(picked, key=lambda choice: len(choice.candidates)).chosen


def gt_nas(
    dataset: Images | str | os.PathLike[str] = "digits",
    *,
    by: str = "gradient_kernel",
    s: int = 300,
    ks: Sequence[int] = (20, 40),
    baseline: bool = True,
    seed: int = 0,
    space: str | Space = DEFAULT,
    score_batch_size: int = 64,
    settings: TrainingSettings | None = None,
    oracle: Oracle | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
    watcher: Watcher | None = None,
) -> Found:
    """Scores s architectures, trains the best k, and chooses the best of those by validation.

    Each stage keeps what it has done in a folder of its own and goes on from there. Everything that
    can be refused is, before the first stage.

    Args:
        dataset: images with test images, the name of a data set, or the path of an `.npz`.
        by: the score, or several joined by +.
        s: architectures sampled and scored.
        ks: numbers of candidates trained; those of a smaller one are among those of a larger one.
        baseline: whether as many of the sample at random are trained too, to compare with.
        seed: it fixes sample, scores and trainings.
        space: where the architectures are from.
        score_batch_size: images in the batch that scores.
        settings: how candidates are trained; the scored networks are of the same size. By default
            the recipe of the space.
        oracle: accuracies of the same architectures, to be shown beside those trained here.
        out: folder of everything; None keeps nothing.
        devices: where to compute; all local devices by default.
        watcher: told how far the stages are.

    Raises:
        ValueError: an argument is not what it should be, fewer than k different functions have a
            score, or `out` is of a run with other settings.
    """
    searched = spaces.find(space)
    trains = settings or TrainingSettings(space=searched.name)
    seed = checked("seed", seed, ranges.Seed)
    baseline = flag("baseline", baseline)
    check_search(by, s, ks, searched, trains)
    sample = searched.draw(s, seed)
    most = max(ks)
    # A constant score ranks those sampled first ahead: chance picks as the score does.
    at_random = candidates(sample, lambda _: 0.0, most, searched) if baseline else ()
    benchmark = Benchmark(sample) if oracle is None else _benchmark(oracle, sample, searched)
    images = dataset if isinstance(dataset, Images) else data.load(dataset)
    scores_settings = scoring.Settings(
        space=searched.name,
        batch_size=score_batch_size,
        channels=trains.channels,
        depth=trains.depth,
    )
    check_images(images, scores_settings, (seed,))
    check(images, trains, (seed,))
    folder = None if out is None else folder_to_write("out", out)
    if folder:
        with TrainingFolder(folder / TRAINED_FOLDER, trains.identity(images)):
            pass  # refuses trainings with other settings now, not after the scoring
    watched = watcher or _Nothing()
    local = chosen_devices(devices)

    with watched.scoring(local) as progress:
        table = scoring.score(
            sample,
            ranking.parse_by(by),
            dataset=images,
            seeds=(seed,),
            settings=scores_settings,
            out=folder and folder / SCORES_FOLDER,
            devices=local,
            progress=progress,
        )
    scores = scores_of(table, by, sample, seed)
    picked = candidates(sample, scores.__getitem__, most, searched)
    with watched.training(local, trains.epochs) as (steps, begin):
        trained = training.train(
            list(dict.fromkeys((*picked, *at_random))),
            dataset=images,
            seeds=(seed,),
            settings=trains,
            out=folder and folder / TRAINED_FOLDER,
            devices=local,
            progress=steps,
            begin=begin,
        )
    choices = _choices(trained, picked, at_random, ks, f"{s} by {by}", str(s))
    found = Found(
        images.name,
        by,
        trains,
        scores,
        picked,
        at_random,
        trained,
        choices,
        tuple(reports.candidate_rows(trained, by, scores, picked, at_random, benchmark)),
        tuple(reports.choice_rows(choices, benchmark)),
    )
    if folder:
        _write(found, folder)
    return found


def check_search(
    by: str, s: int, ks: Sequence[int], space: Space, settings: TrainingSettings
) -> None:
    """Refuses what no search can be made of.

    Raises:
        ValueError: an argument of `gt_nas` is not what it should be.
    """
    for name in ranking.parse_by(by):
        catalogue.entry(name)
    checked("s", s, ranges.Count)
    checked("ks", ks, tuple[ranges.Count, ...])
    if max(ks) > s:
        raise ValueError(
            f"k: expected at most {s}, the number s of architectures scored, got {max(ks)}; train "
            "fewer or score more"
        )
    if settings.space != space.name:
        raise ValueError(
            f"settings: expected those of space {space.name}, got those of {settings.space}; give "
            f"space={settings.space!r} too"
        )
    if not settings.valid_fraction:
        raise ValueError(
            "valid_fraction: expected more than 0, as candidates are chosen on the images held "
            "out, got 0; hold some out, such as 0.2"
        )


def scores_of(table: pa.Table, by: str, sample: Sequence[str], seed: int) -> dict[str, float]:
    """The score of each architecture of a sample, NaN where it is undefined, by its arch.

    Args:
        table: of `jaxnas.score`; it may have rows of other architectures and seeds.
        by: the score, or several joined by +, whose ranks go over the sample alone.
        sample: archs.
        seed: whose scores.
    """
    of_seed = ranking.with_seed(table, seed)
    of_sample = of_seed.filter(pc.is_in(of_seed["arch"], pa.array(sample)))
    found = ranking.score_values(of_sample, by)
    return dict(zip(found.archs, found.values.tolist(), strict=True))


def _benchmark(oracle: Oracle, sample: Sequence[str], space: Space) -> Benchmark:
    """What an oracle says of a sample, of every data set that it knows.

    Raises:
        ValueError: it is of another space, lacks one of the sample, or has no such accuracies.
    """
    if oracle.space.name != space.name:
        raise ValueError(
            f"oracle: expected accuracies of space {space.name}, got {oracle.source}, which has "
            f"those of {oracle.space.name}; leave it out"
        )
    splits = ("valid", "test")
    tasks = [task for task in oracle.tasks if task[2] == _REPORT_EPOCHS]
    datasets = [
        dataset
        for dataset in dict.fromkeys(task[0] for task in tasks)
        if all((dataset, split, _REPORT_EPOCHS) in tasks for split in splits)
    ]
    if not datasets:
        raise ValueError(
            f"oracle: expected validation and test accuracies of a data set after "
            f"{_REPORT_EPOCHS} epochs, got {oracle.source}, which has none; leave it out"
        )
    return Benchmark(
        tuple(sample),
        {
            (dataset, split): dict(
                zip(
                    sample,
                    oracle.look_up(sample, dataset, split, _REPORT_EPOCHS).tolist(),
                    strict=True,
                )
            )
            for dataset in datasets
            for split in splits
        },
    )


def _choices(
    trained: Sequence[Trained],
    picked: Sequence[str],
    at_random: Sequence[str],
    ks: Sequence[int],
    by_score: str,
    of_sample: str,
) -> tuple[Choice, ...]:
    """For each way to come by candidates and each k, the candidates; the smallest k first."""
    by_arch = {one.arch: one for one in trained}
    ways = ((f"top {{}} of {by_score}", picked), (f"{{}} random of {of_sample}", at_random))
    return tuple(
        Choice(words.format(k), tuple(by_arch[arch] for arch in archs[:k]))
        for words, archs in ways
        for k in sorted(set(ks))
        if archs
    )


def _write(found: Found, folder: Path) -> None:
    """Writes both tables and the picture of the curves."""
    write_csv(found.candidate_rows, folder / CANDIDATES_FILE)
    write_csv(found.choice_rows, folder / CHOSEN_FILE)
    title = f"{found.dataset}, {found.settings.epochs} epochs"
    plot_curves(found.trained, folder / PICTURE_FILE, title)


class _Nothing:
    """Watches nothing."""

    @contextlib.contextmanager
    def scoring(self, devices: Sequence[jax.Device]) -> Iterator[None]:
        yield None

    @contextlib.contextmanager
    def training(self, devices: Sequence[jax.Device], epochs: int) -> Iterator[tuple[None, None]]:
        yield None, None
