"""`jaxnas evaluate`: how well the scores of a run rank its cells, and which they pick."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from jaxnas.evaluation import Evaluation

# As `jaxnas.oracle` has them; that module is imported when the command runs.
DATASETS = ("cifar10", "cifar100", "imagenet16-120")
SPLITS = ("valid", "test")
EPOCHS = ("12", "200")

_PUBLISHED = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet16-120": "ImageNet16-120"}
_SPELT = {"valid": "validation", "test": "test"}
_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("folder", type=_PATH, metavar="DIR")
@click.option(
    "--oracle",
    "truth",
    required=True,
    type=_PATH,
    metavar="TABLE_OR_ARCHIVE",
    help="Accuracies: a .csv, .parquet or .npz table, or the NATS-Bench archive's folder.",
)
@click.option("--dataset", required=True, type=click.Choice(DATASETS), help="Trained on.")
@click.option("--split", required=True, type=click.Choice(SPLITS), help="Accuracy of.")
@click.option("--epochs", required=True, type=click.Choice(EPOCHS), help="Trained for.")
@click.option("--out", required=True, type=_PATH, metavar="REPORT", help="Folder of the report.")
def evaluate(folder: Path, truth: Path, dataset: str, split: str, epochs: str, out: Path) -> None:
    """Says how well each score of DIR ranks its cells, and which cells it would pick.

    Counting parameters, counting tensors and chance stand in the same table. Every figure has a
    95 % interval, from a bootstrap over functionally different cells. REPORT gets the figures as
    evaluation.csv, the conditions as evaluation.json, and the papers' pictures.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: expected a folder, or a path where there is none")

    from jaxnas import evaluation, oracle, results
    from jaxnas.cli.terminal.archive_progress import ArchiveProgress
    from jaxnas.plots import plot_evaluation

    table = results.read_finished(folder)
    with ArchiveProgress() as archive:
        accuracy = oracle.read(truth, archive).accuracy(dataset, split, int(epochs))
    with _Bar("resampling") as bar:
        found = evaluation.evaluate(
            table,
            accuracy,
            settings=results.settings_of(table),
            seconds=results.median_seconds(folder),
            progress=bar,
        )
    out.mkdir(parents=True, exist_ok=True)
    what = f"{_PUBLISHED[dataset]} {_SPELT[split]} accuracy after {epochs} epochs (%)"
    pictures = plot_evaluation(found, out, what)
    conditions: dict[str, results.JSON] = {
        "scores": str(folder),
        "oracle": str(truth),
        "dataset": dataset,
        "split": split,
        "epochs": int(epochs),
        "settings": results.settings_of(table),
        "seeds": sorted(set(table["seed"].to_pylist())),
    }
    evaluation.write_report(found, out, conditions)
    _print(found, what)
    click.echo()
    click.echo(f"table       {out / evaluation.TABLE_FILE}")
    click.echo(f"conditions  {out / evaluation.CONDITIONS_FILE}")
    for picture in pictures:
        click.echo(f"picture     {picture}")


class _Bar:
    """A bar on stderr while something goes on, gone when it is done; nothing off a terminal."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=Console(stderr=True),
            transient=True,
        )

    def __enter__(self) -> Callable[[int, int], None]:
        if not self._bar.console.is_terminal:
            return lambda done, total: None
        task = self._bar.add_task(self._title, total=None)
        self._bar.start()
        return lambda done, total: self._bar.update(task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if self._bar.console.is_terminal:
            self._bar.stop()


def _print(found: Evaluation, what: str) -> None:
    from jaxnas.cli.terminal.tables import print_table

    rows = [
        {"label": label, **row}
        for label, row in zip(found.labels, found.table.to_pylist(), strict=True)
    ]
    click.echo(
        f"{what}: {len(found.cells):,} cells, {found.functions:,} functions, "
        f"{found.disconnected:,} cells disconnected"
    )
    click.echo(
        "rank correlation over all cells with a score (all), above the median score (>med), in the "
        "top 10 % by accuracy (top); [95 % interval, functions resampled]"
    )
    click.echo()
    columns = [
        "score", "seeds", "missing",
        *(f"{sign} {among}" for sign in ("|τa|", "τb", "ρ") for among in ("all", ">med", "top")),
    ]  # fmt: skip
    print_table(columns, [_agreement(row) for row in rows], right=range(1, len(columns)))
    click.echo()
    columns = [
        "score", "τb all", "σ of seeds", "less params'", "slope all", ">med", "on",
        "best cell at %", "5×1000", "500×10", "500×100", "500×1000", "s/cell",
    ]  # fmt: skip
    print_table(columns, [_choice(row) for row in rows], right={1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12})
    click.echo()
    best = int(found.accuracy.argmax())
    click.echo(
        f"R×N: accuracy of the top-scored function of N cells drawn at random, mean ± standard "
        f"deviation over R runs; the best cell, {found.cells[best]}, has {found.accuracy[best]:.2f}"
    )
    click.echo(_of_missing(rows))


def _of_missing(rows: list[dict[str, Any]]) -> str:
    missing = {row["label"]: row["missing"] for row in rows if row["missing"]}
    if not missing:
        return "every cell has every score"
    return (
        "missing: cells whose score is NaN or infinite (disconnected, or failed), counted for each "
        "seed; they are in no correlation, slope or rank of that score, and it never picks them"
    )


def _agreement(row: dict[str, Any]) -> list[str]:
    figures = [
        _number(row[f"{figure}_{among}"])
        for figure in ("monotonicity", "kendall", "spearman")
        for among in ("all", "above_median", "top_10_percent")
    ]
    return [row["label"], str(row["seeds"]), f"{row['missing']:,}", *figures]


def _choice(row: dict[str, Any]) -> list[str]:
    return [
        row["label"],
        _interval(row, "kendall_all"),
        _number(row["kendall_all_seed_std"]),
        _interval(row, "kendall_all_minus_params", sign="+"),
        _number(row["slope_all"], 3, "g"),
        _number(row["slope_above_median"], 3, "g"),
        {"log(1 - score)": "log(1−s)", "standardised score": "z"}.get(row["slope_on"], "both"),
        _number(row["best_cell_percentile"], 1),
        *(
            _spread(row, f"picked_{runs}x{cells}")
            for runs, cells in ((5, 1000), (500, 10), (500, 100), (500, 1000))
        ),
        _number(row["seconds_per_cell"]),
    ]


def _interval(row: dict[str, Any], name: str, sign: str = "") -> str:
    if math.isnan(row[name]):
        return ""
    return (
        f"{_number(row[name], sign=sign)} [{_number(row[f'{name}_low'], sign=sign)}, "
        f"{_number(row[f'{name}_high'], sign=sign)}]"
    )


def _spread(row: dict[str, Any], name: str) -> str:
    if math.isnan(row[name]):
        return ""
    std = row[f"{name}_std"]
    return f"{row[name]:.2f}" + ("" if math.isnan(std) else f"±{std:.2f}")


def _number(value: float, digits: int = 3, kind: str = "f", sign: str = "") -> str:
    """Blank for NaN; a minus that is one."""
    return "" if math.isnan(value) else f"{value:{sign}.{digits}{kind}}".replace("-", "−")
