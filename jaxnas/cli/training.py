"""`jaxnas train`: the candidates that a score picked, or any others, for real."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.cli import options, selection
from jaxnas.cli.process import Start

if TYPE_CHECKING:
    from jaxnas.training import Trained

PICTURE_FILE = "curves.png"

_PATH = click.Path(path_type=Path)


@click.command(context_settings={"show_default": True})
@click.option("--cells", metavar="SPEC", help="As for `jaxnas score`.")
@click.option(
    "--top",
    metavar="DIR:PROXY:K",
    help="The K best of different functions in a folder of `jaxnas score`, as `jaxnas top` has "
    "them.",
)
@click.option(
    "--dataset",
    default="digits",
    metavar="NAME_OR_NPZ",
    help="digits, cifar10, cifar100, imagenet16-120, or an .npz with x_train, y_train, x_test and "
    "y_test.",
)
@click.option("--out", type=_PATH, required=True, help="Folder of checkpoints and results.")
@click.option("--seeds", default="0", metavar="S[,S...]", help="Each fixes weights and images.")
@options.several(*options.RECIPE, *options.MACHINE)
@click.pass_obj
def train(
    start: Start | None,
    /,
    *,
    cells: str | None,
    top: str | None,
    dataset: str,
    out: Path,
    seeds: str,
    devices: int | None,
    data_dir: Path | None,
    cache_dir: Path | None,
    no_cache: bool,
    **settings: Any,
) -> None:
    """Trains cells of NAS-Bench-201 on real images, by the benchmark's recipe.

    Stopped at any moment, the same command goes on from the last epoch, to the same weights. The
    same folder asked for more cells or seeds trains what is missing. It ends with the tables
    DIR/accuracies.parquet and DIR/curves.parquet, the picture DIR/curves.png, and the accuracies
    on the screen: choose by validation, report the test.
    """
    if (cells is None) == (top is None):
        raise ValueError("give either --cells SPEC or --top DIR:PROXY:K")
    chosen_seeds = selection.parse_seeds(seeds)
    from_folder = None if top is None else parse_top(top)
    chosen = () if cells is None else selection.parse_cells(cells, chosen_seeds[0])
    options.refuse_files(out, cache_dir)
    if start:
        start(devices)

    from jaxnas import data, training
    from jaxnas.cli.scoring import (
        describe,
        keep_compiled_programs,
        local_devices,
        memory_errors,
    )
    from jaxnas.cli.training_progress import TrainingProgress
    from jaxnas.training.picture import plot_curves
    from jaxnas.training.run import ACCURACIES_FILE, CURVES_FILE, check

    checked = training.Settings(**settings)
    if from_folder:
        chosen = best_cells(*from_folder)
    images = data.load(dataset, data_dir=data_dir)
    check(images, checked, [(cell, seed) for cell in chosen for seed in chosen_seeds])
    if not no_cache:
        keep_compiled_programs(cache_dir)
    local = local_devices(devices)
    with memory_errors(), TrainingProgress(describe(local), checked.epochs) as progress:
        trained = training.train(
            chosen,
            dataset=images,
            seeds=chosen_seeds,
            settings=checked,
            out=out,
            devices=local,
            progress=progress,
            begin=progress.begin,
        )
    plot_curves(trained, out / PICTURE_FILE, f"{images.name}, {checked.epochs} epochs")
    print_accuracies(training.accuracies_table(trained, checked, images.num_classes).to_pylist())
    report(trained)
    for name, file in (
        ("accuracies", ACCURACIES_FILE),
        ("curves", CURVES_FILE),
        ("picture", PICTURE_FILE),
    ):
        click.echo(f"{name:<11}{out / file}")


def parse_top(text: str) -> tuple[Path, str, int]:
    """Folder, proxy and number of a DIR:PROXY:K; the folder may have colons in it.

    Raises:
        ValueError: it is something else.
    """
    parts = text.rsplit(":", 2)
    if len(parts) != 3 or not all(parts) or not parts[2].isdecimal() or int(parts[2]) < 1:
        raise ValueError(f"--top {text}: expected DIR:PROXY:K, with K a whole number from 1 up")
    return Path(parts[0]), parts[1], int(parts[2])


def best_cells(folder: Path, proxy: str, k: int) -> tuple[int, ...]:
    """The k best cells of a folder of scores, one per function.

    Raises:
        ValueError: there is no such folder or score, or there are fewer cells with one.
    """
    from jaxnas.cli import ranking
    from jaxnas.engine.scoring import columns, read_table

    columns(proxy)  # raises where there is no such score
    table = read_table(folder)
    names = ranking.scores_of(table)
    if proxy not in names:
        raise ValueError(f"{folder} has no scores {proxy}: it has {', '.join(names)}")
    ranked = ranking.best(table, proxy, k)
    if len(ranked) < k:
        raise ValueError(
            f"--top asks for {k} cells, but {folder} has {len(ranked)} of different functions "
            f"with a finite {proxy}; score more cells or ask for fewer"
        )
    return tuple(row.cell for row in ranked)


def print_accuracies(rows: Sequence[dict[str, Any]]) -> None:
    """Prints the accuracies, the best by validation first."""
    from jaxnas.cli.printing import print_table

    def percent(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.2f}"

    ordered = sorted(rows, key=lambda row: (math.isnan(row["valid"]), -row["valid"]))
    print_table(
        ["cell", "arch", "seed", "status", "params", "valid %", "test %", "seconds"],
        [
            (
                str(row["cell"]),
                row["arch"],
                str(row["seed"]),
                row["status"],
                f"{row['params']:,}",
                percent(row["valid"]),
                percent(row["test"]),
                f"{row['seconds']:.1f}",
            )
            for row in ordered
        ],
        right={0, 2, 4, 5, 6, 7},
    )


def report(trained: Sequence[Trained]) -> None:
    """Names the step at which each training that diverged did."""
    for one in trained:
        if one.status == "diverged":
            click.echo(
                f"cell {one.cell}, seed {one.seed} diverged: not finite after step "
                f"{one.diverged_step:,}, after {len(one.curve)} whole epochs; its last good "
                "checkpoint is kept",
                err=True,
            )
