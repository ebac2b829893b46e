"""`jaxnas search gt-nas`: scores, picks, trains and chooses on real images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.checks import ranges
from jaxnas.cli import options
from jaxnas.cli.commands.train import recipe_options
from jaxnas.cli.terminal.messages import echo
from jaxnas.cli.values import Number
from jaxnas.engine.environment import Start
from jaxnas.spaces import SPACES
from jaxnas.training.settings import TrainingSettings

if TYPE_CHECKING:
    import jax

    from jaxnas.cli.terminal.progress import TrainingProgress
    from jaxnas.pipelines import Found


@click.command("gt-nas")
@options.space
@options.images(test=True)
@click.option(
    "--by",
    default="gradient_kernel",
    show_default=True,
    metavar="SCORE[+SCORE...]",
    help="Score to pick by, or several joined by +; `jaxnas proxies` lists them.",
)
@click.option(
    "-s",
    "s",
    type=options.COUNT,
    default=300,
    show_default=True,
    help="Number of architectures drawn and scored.",
)
@click.option(
    "-k",
    "ks",
    type=options.COUNT,
    multiple=True,
    default=(20, 40),
    show_default=True,
    help="Number of architectures trained; may be given several times.",
)
@click.option(
    "--random/--no-random",
    "baseline",
    default=True,
    help="Train as many at random out of those drawn too, to compare with.  [default: random]",
)
@click.option(
    "--score-batch-size",
    type=Number(ranges.ComparedBatchSize),
    default=64,
    show_default=True,
    help="Images in the batch that scores.",
)
@options.seed
@click.option(
    "--oracle",
    "truth",
    type=options.PATH,
    metavar="TABLE",
    help="Also show this benchmark's accuracies of the candidates: a .csv, .parquet or .npz "
    "table, or the NATS-Bench archive's folder.",
)
@options.out("Folder of everything.  [default: runs/gt-nas-DATASET]")
@recipe_options
@options.machine
@click.pass_obj
def gt_nas(
    start: Start | None,
    /,
    *,
    space: str,
    dataset: str,
    by: str,
    s: int,
    ks: tuple[int, ...],
    baseline: bool,
    score_batch_size: int,
    seed: int,
    truth: Path | None,
    out: Path | None,
    machine: options.Machine,
    **given: Any,
) -> None:
    """Scores many architectures, trains the best few, keeps the best.

    s architectures are drawn and scored, the k best by score are trained, and of those the best
    by validation is chosen. If it is interrupted, run the same command again: it goes on from
    there. DIR gets chosen.csv, candidates.csv and curves.png, the scores in DIR/scores, the
    trainings in DIR/trained.
    """
    from jaxnas import oracle
    from jaxnas.cli.terminal.progress import archive_bar

    settings = TrainingSettings(space=space, **options.given(given))
    folder = out or Path("runs") / f"gt-nas-{Path(dataset).stem}"
    options.check_folders(folder)
    machine.ready(start)

    from jaxnas import data, pipelines
    from jaxnas.pipelines.score_then_train import check_search

    check_search(by, s, ks, SPACES[space], settings)
    with archive_bar() as bar:
        known = None if truth is None else oracle.read(truth, bar)
    found = pipelines.gt_nas(
        data.load(dataset, data_dir=machine.data_dir),
        by=by,
        s=s,
        ks=ks,
        baseline=baseline,
        seed=seed,
        space=space,
        score_batch_size=score_batch_size,
        settings=settings,
        oracle=known,
        out=folder,
        devices=machine.local_devices(),
        watcher=_Bars(),
    )
    _show(found, folder, seed)


class _Bars:
    """Shows a bar for each stage; its memory is looked after while it lasts."""

    @contextlib.contextmanager
    def scoring(self, devices: Sequence[jax.Device]) -> Iterator[Any]:
        from jaxnas.cli.terminal.progress import RunProgress
        from jaxnas.engine.devices import describe, memory_errors
        from jaxnas.engine.memory import memory_trimmed

        with (
            memory_errors("a smaller --score-batch-size or fewer --devices"),
            RunProgress(describe(devices)) as bar,
            memory_trimmed(bar) as progress,
        ):
            yield progress

    @contextlib.contextmanager
    def training(
        self, devices: Sequence[jax.Device], epochs: int
    ) -> Iterator[tuple[TrainingProgress, Any]]:
        from jaxnas.cli.terminal.progress import TrainingProgress
        from jaxnas.engine.devices import describe, memory_errors

        with (
            memory_errors(options.SMALLER_BATCH),
            TrainingProgress(describe(devices), epochs) as progress,
        ):
            yield progress, progress.begin


def _show(found: Found, folder: Path, seed: int) -> None:
    """Prints what came of it, and where everything is."""
    from jaxnas.cli.terminal.tables import show
    from jaxnas.pipelines import score_then_train as files
    from jaxnas.reports import choice
    from jaxnas.reports.training import divergences

    epochs = found.settings.epochs
    echo(f"{found.dataset}: trained for {epochs} epochs, seed {seed}")
    show(choice.candidates(found.candidate_rows, found.by))
    echo()
    show(choice.chosen(found.choice_rows))
    for sentence in divergences(found.trained):
        echo(sentence, err=True)
    for name, file in (
        ("chosen", files.CHOSEN_FILE),
        ("candidates", files.CANDIDATES_FILE),
        ("curves", files.PICTURE_FILE),
    ):
        echo(f"{name:<12}{folder / file}")
