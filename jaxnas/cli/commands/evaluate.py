"""`jaxnas evaluate`: how well the scores of a run rank its cells, and which they pick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jaxnas.cli import options
from jaxnas.cli.terminal.messages import echo
from jaxnas.cli.values import Choice
from jaxnas.oracle.table import DATASETS, EPOCHS, SPLITS

if TYPE_CHECKING:
    from jaxnas.results import JSON

_PUBLISHED = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet16-120": "ImageNet16-120"}
_SPELT = {"valid": "validation", "test": "test"}


@click.command()
@click.argument("folder", type=options.PATH, metavar="DIR")
@click.option(
    "--oracle",
    "truth",
    required=True,
    type=options.PATH,
    metavar="PATH",
    help="Accuracies: a .csv, .parquet or .npz table, or the NATS-Bench archive's folder.",
)
@click.option(
    "--dataset",
    required=True,
    type=Choice(DATASETS, loose=True),
    help="Data set the accuracies are from.",
)
@click.option("--split", required=True, type=Choice(SPLITS), help="Images the accuracies are of.")
@click.option(
    "--epochs",
    required=True,
    type=Choice([str(epochs) for epochs in EPOCHS]),
    help="Epochs that the accuracies are after.",
)
@click.option(
    "--combine",
    "combinations",
    multiple=True,
    metavar="SCORE+SCORE",
    help="Evaluates a combination of scores too, such as js+params, by the sum of the logarithms "
    "of their ranks; may be given several times.",
)
@options.out("Folder of the report.", required=True)
def evaluate(
    folder: Path,
    truth: Path,
    dataset: str,
    split: str,
    epochs: str,
    combinations: tuple[str, ...],
    out: Path,
) -> None:
    """Says how well each score of DIR ranks its cells, and which cells it would pick.

    DIR is the folder of a run of `jaxnas score` that has finished. Counting parameters, counting
    tensors and chance stand in the same table. Every measure has a 95 % interval, from a bootstrap
    over functionally different cells. The --out folder gets the measures as evaluation.csv, the
    conditions as evaluation.json, and pictures.
    """
    options.check_folders(out)

    from jaxnas import evaluation, oracle, results
    from jaxnas.cli.terminal.progress import archive_bar, bar
    from jaxnas.cli.terminal.tables import show
    from jaxnas.plots import plot_evaluation
    from jaxnas.proxies.derived import DERIVED
    from jaxnas.reports import evaluation as reports

    table = results.read_finished(folder)
    settings, space = results.settings_of(table), results.space_of(table)
    with archive_bar() as archive:
        accuracy = oracle.read(truth, archive, space).accuracy(dataset, split, int(epochs))
    with bar("resampling") as progress:
        found = evaluation.evaluate(
            table,
            accuracy,
            combinations=combinations,
            seconds=results.median_seconds(folder, DERIVED.requires),
            progress=progress,
        )
    out.mkdir(parents=True, exist_ok=True)
    what = f"{_PUBLISHED[dataset]} {_SPELT[split]} accuracy after {epochs} epochs (%)"
    pictures = plot_evaluation(found, out, what)
    conditions: dict[str, JSON] = {
        "scores": str(folder),
        "oracle": str(truth),
        "dataset": dataset,
        "split": split,
        "epochs": int(epochs),
        "settings": settings,
        "seeds": sorted(set(table["seed"].to_pylist())),
    }
    evaluation.write_report(found, out, conditions)
    show(reports.agreement(found, what))
    echo()
    show(reports.choice(found))
    echo()
    echo(f"table       {out / evaluation.TABLE_FILE}")
    echo(f"conditions  {out / evaluation.CONDITIONS_FILE}")
    for picture in pictures:
        echo(f"picture     {picture}")
