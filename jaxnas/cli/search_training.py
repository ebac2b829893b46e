"""`jaxnas search gt-nas --train`: scores, picks, trains and chooses on real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.cli import choice_report, options
from jaxnas.cli.choice_report import Benchmark
from jaxnas.cli.search_report import REPORT_EPOCHS
from jaxnas.engine.environment import Start
from jaxnas.spaces import selection

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

    from jaxnas.training import Settings

SCORES_FOLDER = "scores"
TRAINED_FOLDER = "trained"

# Parameters of options that a search in a table does not have.
TRAINING_OPTIONS = (
    "baseline",
    "score_batch_size",
    *(name[2:].replace("-", "_") for name, *_ in options.FIELDS),
    "devices",
    "data_dir",
    "cache_dir",
    "no_cache",
)

training_options = options.several(
    click.option(
        "--random/--no-random",
        "baseline",
        default=True,
        help="Trains as many at random out of the sample too, to compare with.",
    ),
    click.option(
        "--score-batch-size",
        type=click.IntRange(min=2),
        default=64,
        help="Examples in the batch that scores.",
    ),
    *options.recipe(genotypes=False),
    *options.MACHINE,
)


@dataclass(frozen=True)
class Task:
    """What is asked for.

    Attributes:
        images: name of a data set, or path of an .npz.
        by: the score.
        s: cells sampled and scored.
        ks: numbers of cells trained; those of a smaller one are among those of a larger one.
        baseline: whether as many of the sample at random are trained too.
        seed: of sample, scores and trainings.
        score_batch_size: examples in the batch that scores.
        oracle: a benchmark's accuracies of the same cells, if they are to be shown.
        dataset: of the benchmark; those shown.
        out: folder of everything, None for one named after the images.
    """

    images: str
    by: str
    s: int
    ks: tuple[int, ...]
    baseline: bool
    seed: int
    score_batch_size: int
    oracle: Path | None
    dataset: tuple[str, ...]
    out: Path | None

    @property
    def folder(self) -> Path:
        """Of everything."""
        return self.out or Path("runs") / f"gt-nas-{Path(self.images).stem}"


def run(
    task: Task,
    start: Start | None,
    *,
    devices: int | None,
    data_dir: Path | None,
    cache_dir: Path | None,
    no_cache: bool,
    **recipe: Any,
) -> None:
    """Scores a sample, trains the best and as many at random, chooses by validation.

    Each stage keeps what it has done in a folder of its own and goes on from there. Everything
    that can be refused is, before the first stage.

    Args:
        task: what is asked for.
        start: readies the process for so many devices; may not return.
        devices: at most so many.
        data_dir: folder of the data sets.
        cache_dir: of compiled programs.
        no_cache: keep none.
        **recipe: fields of `training.Settings`, None for its own.
    """
    ks = sorted(set(task.ks))
    if ks[-1] > task.s:
        raise ValueError(f"-k {ks[-1]}: expected at most {task.s}, the number of cells scored, -s")
    sample = selection.draw(task.s, task.seed)
    out = task.folder
    options.refuse_files(out, cache_dir)
    if start:
        start(devices)

    from jaxnas import data, training
    from jaxnas.cli.commands.score import (
        describe,
        keep_compiled_programs,
        local_devices,
        memory_errors,
    )
    from jaxnas.cli.commands.train import PICTURE_FILE, report
    from jaxnas.cli.terminal.progress import RunProgress
    from jaxnas.cli.terminal.training_progress import TrainingProgress
    from jaxnas.engine.memory import memory_trimmed
    from jaxnas.plots.training_curves import plot_curves
    from jaxnas.proxies.catalogue import unknown_name
    from jaxnas.scoring import run as scoring
    from jaxnas.scoring import settings as engine
    from jaxnas.search import candidates
    from jaxnas.training.folder import TrainingFolder
    from jaxnas.training.run import check

    if task.by not in scoring.COLUMNS:
        raise ValueError(unknown_name(task.by, list(scoring.COLUMNS)))
    trains = _recipe(recipe)
    scores = engine.Settings(
        batch_size=task.score_batch_size,
        stem_channels=trains.channels,
        cells_per_stage=trains.cells_per_stage,
    )
    images = data.load(task.images, data_dir=data_dir)
    scoring.check_images(images, scores, (task.seed,))
    check(images, trains, (task.seed,))
    # Of a constant score the cells sampled first are ahead: chance picks as the score does.
    at_random = candidates(sample, lambda _: 0.0, ks[-1]) if task.baseline else ()
    benchmark = _benchmark(task, sample)
    with TrainingFolder(out / TRAINED_FOLDER, trains.identity(images)):
        pass  # refuses trainings with other settings now, not after the scoring

    if not no_cache:
        keep_compiled_programs(cache_dir)
    local = local_devices(devices)
    with (
        memory_errors("--score-batch-size"),
        RunProgress(describe(local)) as bar,
        memory_trimmed(bar) as progress,
    ):
        table = scoring.score(
            sample,
            task.by,
            dataset=images,
            seeds=(task.seed,),
            settings=scores,
            out=out / SCORES_FOLDER,
            devices=local,
            progress=progress,
        )
    score_of = _scores(table, task.by, task.seed)
    picked = candidates(sample, score_of.__getitem__, ks[-1])
    with memory_errors(), TrainingProgress(describe(local), trains.epochs) as progress:
        trained = training.train(
            (*picked, *at_random),
            dataset=images,
            seeds=(task.seed,),
            settings=trains,
            out=out / TRAINED_FOLDER,
            devices=local,
            progress=progress,
            begin=progress.begin,
        )
    plot_curves(trained, out / PICTURE_FILE, f"{images.name}, {trains.epochs} epochs")
    by_cell = {one.cell: one for one in trained}
    choices = [
        training.Choice(words.format(k), tuple(by_cell[cell] for cell in cells[:k]))
        for words, cells in (
            (f"top {{}} of {task.s} by {task.by}", picked),
            (f"{{}} random of {task.s}", at_random),
        )
        for k in ks
        if cells
    ]
    rows = choice_report.candidate_rows(trained, task.by, score_of, picked, at_random, benchmark)
    click.echo(f"{images.name}: trained for {trains.epochs} epochs, seed {task.seed}")
    choice_report.report(rows, task.by, choice_report.choice_rows(choices, benchmark), out)
    report(trained)
    click.echo(f"{'curves':<12}{out / PICTURE_FILE}")


def _recipe(given: Mapping[str, Any]) -> Settings:
    """The settings of the trainings.

    Raises:
        ValueError: they are none, or nothing would be held out.
    """
    from jaxnas import training

    settings = training.Settings(**options.given(given))
    if not settings.valid_fraction:
        raise ValueError("--valid-fraction 0: expected more than 0, by which candidates are chosen")
    return settings


def _scores(table: pa.Table, by: str, seed: int) -> dict[int, float]:
    """Score of each cell in the rows of a seed, NaN where it is undefined."""
    from jaxnas.results import ranking

    cells, _, _, values = ranking.mean_scores(ranking.with_seed(table, seed), by)
    return dict(zip(cells.tolist(), values.tolist(), strict=True))


def _benchmark(task: Task, sample: Sequence[int]) -> Benchmark:
    """What the oracle says of every cell sampled, nothing where none is given.

    Raises:
        ValueError: it lacks one.
    """
    import numpy as np

    if task.oracle is None:
        return Benchmark(np.array(sample, np.int64), {})

    from jaxnas import oracle
    from jaxnas.cli.terminal.archive_progress import ArchiveProgress

    with ArchiveProgress() as progress:
        table = oracle.read(task.oracle, progress)
    accuracies = {}
    for dataset in dict.fromkeys(task.dataset):
        for split in ("valid", "test"):
            table.require(sample, dataset, split, REPORT_EPOCHS)
            accuracies[dataset, split] = table.accuracy(dataset, split, REPORT_EPOCHS)
    return Benchmark(np.array(sample, np.int64), accuracies)
