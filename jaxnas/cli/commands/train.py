"""`jaxnas train`: the candidates that a score or a search picked, or any others, for real."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.cli import options
from jaxnas.engine.environment import Start
from jaxnas.spaces import selection

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
    "--genotype",
    "genotypes",
    metavar="GENOTYPE",
    multiple=True,
    help="Of the DARTS space, instead of cells: a published one's name (darts-v1, darts-v2, "
    "p-darts, pc-darts, pr-darts), Genotype(...) itself, or @FILE with one, such as a search's "
    "JSON; may be given several times.",
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
@options.several(*options.recipe(genotypes=True), *options.MACHINE)
@click.pass_obj
def train(
    start: Start | None,
    /,
    *,
    cells: str | None,
    top: str | None,
    genotypes: tuple[str, ...],
    dataset: str,
    out: Path,
    seeds: str,
    devices: int | None,
    data_dir: Path | None,
    cache_dir: Path | None,
    no_cache: bool,
    **recipe: Any,
) -> None:
    """Trains on real images: cells by NAS-Bench-201's recipe, genotypes by DARTS'.

    Stopped at any moment, the same command goes on from the last epoch, to the same weights. The
    same folder asked for more candidates or seeds trains what is missing. It ends with the tables
    DIR/accuracies.parquet and DIR/curves.parquet, the picture DIR/curves.png, and the accuracies
    on the screen: choose by validation, report the test.
    """
    if [cells is not None, top is not None, bool(genotypes)].count(True) != 1:
        raise ValueError(
            "give either --cells SPEC or --top DIR:PROXY:K or --genotype GENOTYPE, exactly one"
        )
    given = options.given(recipe)
    refuse_of_other_space(given, genotypes=bool(genotypes))
    chosen_seeds = selection.parse_seeds(seeds)
    from_folder = None if top is None else parse_top(top)
    chosen: tuple[Any, ...] = () if cells is None else selection.parse_cells(cells, chosen_seeds[0])
    if genotypes:
        chosen = tuple(dict.fromkeys(map(selection.parse_genotype, genotypes)))
    options.refuse_files(out, cache_dir)
    # One network alone trains on all cores at once.
    if start and (not genotypes or len(chosen) * len(chosen_seeds) > 1):
        start(devices)

    from jaxnas import data, training
    from jaxnas.cli.commands.score import (
        describe,
        keep_compiled_programs,
        local_devices,
        memory_errors,
    )
    from jaxnas.cli.terminal.training_progress import TrainingProgress
    from jaxnas.plots.training_curves import plot_curves
    from jaxnas.training.run import ACCURACIES_FILE, CURVES_FILE, check

    checked = training.DartsSettings(**given) if genotypes else training.Settings(**given)
    if from_folder:
        chosen = best_cells(*from_folder)
    images = data.load(dataset, data_dir=data_dir)
    check(images, checked, chosen_seeds)
    if not no_cache:
        keep_compiled_programs(cache_dir)
    local = local_devices(devices)
    trains: Any = training.train_genotypes if genotypes else training.train
    with memory_errors(), TrainingProgress(describe(local), checked.epochs) as progress:
        trained = trains(
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
    print_accuracies(trained)
    report(trained)
    for name, file in (
        ("accuracies", ACCURACIES_FILE),
        ("curves", CURVES_FILE),
        ("picture", PICTURE_FILE),
    ):
        click.echo(f"{name:<11}{out / file}")


def refuse_of_other_space(given: Mapping[str, Any], *, genotypes: bool) -> None:
    """Raises ValueError if an option was given that the networks to be trained do not have."""
    for name, _, cells, darts, _ in options.FIELDS:
        if (darts if genotypes else cells) is None and name[2:].replace("-", "_") in given:
            has, lacks = ("genotypes", "cells") if cells is None else ("cells", "genotypes")
            raise ValueError(f"{name} is of networks of {has}, not of {lacks}: leave it out")


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
    from jaxnas.results import ranking
    from jaxnas.scoring.run import columns, read_table

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


def print_accuracies(trained: Sequence[Trained]) -> None:
    """Prints the accuracies, the best by validation first."""
    from jaxnas.cli.terminal.tables import print_table

    def percent(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.2f}"

    ordered = sorted(trained, key=lambda one: (math.isnan(one.valid), -one.valid))
    # A genotype is too long for a table; the file has it.
    of_cells = all(one.name.isdecimal() for one in trained)
    heads, rights = (["cell", "arch"], {0}) if of_cells else (["genotype"], set())
    print_table(
        [*heads, "seed", "status", "params", "valid %", "test %", "seconds"],
        [
            (
                *((one.name, one.arch) if of_cells else (one.name,)),
                str(one.seed),
                one.status,
                f"{one.params:,}",
                percent(one.valid),
                percent(one.test),
                f"{one.seconds:.1f}",
            )
            for one in ordered
        ],
        right=rights | {len(heads) + i for i in (0, 2, 3, 4, 5)},
    )


def report(trained: Sequence[Trained]) -> None:
    """Names the step at which each training that diverged did."""
    from jaxnas.training.candidate import label

    for one in trained:
        if one.status == "diverged":
            click.echo(
                f"{label(one.name)}, seed {one.seed} diverged: not finite after step "
                f"{one.diverged_step:,}, after {len(one.curve)} whole epochs; its last good "
                "checkpoint is kept",
                err=True,
            )
