"""`jaxnas train`: the architectures that a score or a search picked, or any others, for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jaxnas.checks import check_path, parsed, quoted, ranges
from jaxnas.cli import options
from jaxnas.cli.terminal.messages import echo
from jaxnas.engine.environment import Start
from jaxnas.spaces import SPACES, selection
from jaxnas.training.settings import PRESETS, TrainingSettings

PICTURE_FILE = "curves.png"

_HELP = {
    "epochs": "Passes over the training images; NAS-Bench-201 has 12 and 200.",
    "batch_size": "Images of a step.",
    "learning_rate": "Rate of the first epoch; a cosine falls from it to 0.",
    "momentum": "Momentum of SGD.",
    "nesterov": "Whether the momentum is Nesterov's.",
    "weight_decay": "Decay of all parameters.",
    "gradient_clip": "Largest norm of the gradient; 0 for any.",
    "cutout": "Side of the square blanked in training images, in pixels.",
    "channels": "Channels of the first stage or cell.",
    "depth": "Cells, counted as `jaxnas spaces` says.",
    "drop_path": "Probability of dropping a path at the end of training, risen from 0.",
    "auxiliary_weight": "Weight of the auxiliary head's loss; 0 for no such head.",
    "init": "Initialisation of the networks.",
    "valid_fraction": "Part of each class of the training images that is held out for validation; "
    "NAS-Bench-201's cifar10-valid holds out 0.5.",
}


def preset_in_words(field: str) -> str:
    """A field's value in every preset, as "12 for nb201, 600 for darts", or as "0.9" of all."""
    values = {space: _in_words(preset[field]) for space, preset in PRESETS.items()}
    different = set(values.values())
    if len(different) == 1:
        return different.pop()
    return ", ".join(f"{value} for {space}" for space, value in values.items())


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"


recipe_options = options.of_fields(
    TrainingSettings, _HELP, {field: preset_in_words(field) for field in _HELP}
)
"""Options for how to train; those left out are None, for the settings to fill in."""


@click.command()
@options.space
@options.cells(None)
@click.option(
    "--top",
    metavar="DIR:PROXY:K",
    help="Instead of --cells, the K best of different functions in a folder of `jaxnas score`, as "
    "`jaxnas top` has them.",
)
@options.images(test=True)
@options.out("Folder of checkpoints and results.", required=True)
@options.seeds("each fixes weights, order of the images and augmentation.")
@recipe_options
@options.machine
@click.pass_obj
def train(
    start: Start | None,
    /,
    *,
    space: str,
    cells: str | None,
    top: str | None,
    dataset: str,
    out: Path,
    seeds: str,
    machine: options.Machine,
    **recipe: Any,
) -> None:
    """Trains architectures on images, by the recipe of their space's publication.

    If it is interrupted, run the same command again: training continues and ends with the same
    weights. The same folder asked for more architectures or seeds trains what is missing. It ends
    with the tables DIR/accuracies.parquet and DIR/curves.parquet, the picture DIR/curves.png, and
    the accuracies on the screen: choose by validation, report the test.
    """
    if (cells is None) == (top is None):
        got = "neither" if cells is None else "both"
        raise ValueError(f"train: expected either --cells SPEC or --top DIR:PROXY:K, got {got}")
    chosen_seeds = selection.select_seeds(seeds)
    settings = TrainingSettings(space=space, **options.given(recipe))
    from_folder = None if top is None else parse_top(top)
    archs: tuple[str, ...] = ()
    if cells is not None:
        archs = selection.select(cells, SPACES[space].trainable, chosen_seeds[0])
    options.check_folders(out)
    # One network alone trains on all cores at once; several share a machine better.
    alone = from_folder is None and len(archs) * len(chosen_seeds) == 1
    machine.ready(None if alone else start)

    from jaxnas import data, training
    from jaxnas.cli.terminal.progress import TrainingProgress
    from jaxnas.cli.terminal.tables import show
    from jaxnas.engine.devices import describe, memory_errors
    from jaxnas.plots.training_curves import plot_curves
    from jaxnas.reports.training import trained_report
    from jaxnas.training.run import ACCURACIES_FILE, CURVES_FILE, check

    if from_folder:
        archs = best_archs(*from_folder, space)
    images = data.load(dataset, data_dir=machine.data_dir)
    check(images, settings, chosen_seeds)
    local = machine.local_devices()
    with (
        memory_errors(options.SMALLER_BATCH),
        TrainingProgress(describe(local), settings.epochs) as progress,
    ):
        trained = training.train(
            archs,
            dataset=images,
            seeds=chosen_seeds,
            settings=settings,
            out=out,
            devices=local,
            progress=progress,
            begin=progress.begin,
        )
    plot_curves(trained, out / PICTURE_FILE, f"{images.name}, {settings.epochs} epochs")
    show(trained_report(trained))
    for name, file in (
        ("accuracies", ACCURACIES_FILE),
        ("curves", CURVES_FILE),
        ("picture", PICTURE_FILE),
    ):
        echo(f"{name:<11}{out / file}")


def parse_top(text: str) -> tuple[Path, str, int]:
    """Folder, score and number of a DIR:PROXY:K; the folder may have colons in it.

    Raises:
        ValueError: it is something else.
    """
    parts = text.rsplit(":", 2)
    if len(parts) != 3 or not all(parts):
        raise ValueError(f"--top {quoted(text)}: expected DIR:PROXY:K, with K a whole number")
    folder, by, k = parts
    return (
        check_path("--top DIR:PROXY:K, DIR", folder),
        by,
        parsed("--top DIR:PROXY:K, K", k, ranges.Count),
    )


def best_archs(folder: Path, by: str, k: int, space: str) -> tuple[str, ...]:
    """The k best architectures of a folder of scores, one per function.

    Args:
        folder: the folder.
        by: the score, or a combination such as "js+params".
        k: how many.
        space: name of the space that the folder is to be of.

    Raises:
        ValueError: there is no such folder or score, it is of another space, or there are fewer
            architectures with one.
    """
    from jaxnas.results import ranking, space_of
    from jaxnas.scoring import read_table

    table = read_table(folder)
    scored = space_of(table).name
    if scored != space:
        raise ValueError(
            f"--top: expected a folder of space {space}, got {folder}, which is of {scored}; give "
            f"--space {scored}"
        )
    ranked = ranking.best(table, by, k)
    if len(ranked) < k:
        raise ValueError(
            f"--top: expected {folder} to have {k} architectures of different functions with a "
            f"finite {by}, got {len(ranked)}; score more or ask for fewer"
        )
    return tuple(row.arch for row in ranked)
