"""What simulated searches found: a table a data set, all of them as one, and curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from jaxnas.plots import plot_curves
from jaxnas.reports.report import Column, Report, Row
from jaxnas.results.files import write_csv
from jaxnas.search.simulation import Searched, Simulation

TABLE_FILE = "table.csv"
CURVES_FILE = "curves.csv"
PICTURE_FILE = "curves.png"


def reports(simulation: Simulation) -> list[Report]:
    """A table for each data set, under a line that says how it came about.

    Args:
        simulation: from `jaxnas.search.simulate`.
    """
    return [_of_dataset(simulation, searched) for searched in simulation.searched]


def everything(simulation: Simulation) -> Report:
    """All data sets as one table; what is not known is None.

    Args:
        simulation: from `jaxnas.search.simulate`.
    """
    rows = [row for searched in simulation.searched for row in _rows(searched)]
    return Report(rows, [Column("dataset", lambda row: row["dataset"]), *_COLUMNS])


def curves(simulation: Simulation) -> list[Row]:
    """A row for each data set and number of queries; none of a method that has no curves.

    Args:
        simulation: from `jaxnas.search.simulate`.
    """
    return [
        {"dataset": searched.dataset, **dict(zip(searched.curves, values, strict=True))}
        for searched in simulation.searched
        if searched.curves is not None
        for values in zip(*(column.tolist() for column in searched.curves.values()), strict=True)
    ]


def write(simulation: Simulation, folder: Path) -> Mapping[str, Path]:
    """Writes `table.csv` and, of a search by gradient, `curves.csv` and `curves.png`.

    Args:
        simulation: from `jaxnas.search.simulate`.
        folder: which is made where it is not there.

    Returns:
        The path of each file, by what it is.

    Raises:
        ResultsError: the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = {"table": folder / TABLE_FILE}
    write_csv(everything(simulation).rows, written["table"])
    by_dataset = {
        searched.dataset: searched.curves
        for searched in simulation.searched
        if searched.curves is not None
    }
    if by_dataset:
        written |= {"curves": folder / CURVES_FILE, "picture": folder / PICTURE_FILE}
        write_csv(curves(simulation), written["curves"])
        searched_on = f"searched on {simulation.search_on}, " if simulation.search_on else ""
        title = f"{simulation.method.title}: {searched_on}{_conditions(simulation)}"
        plot_curves(by_dataset, written["picture"], title, simulation.space)
    return written


def _of_dataset(simulation: Simulation, searched: Searched) -> Report:
    whole = (
        f"{simulation.method.title}: a query reads the whole table, at soft weights, so that no "
        "cell is trained and the number is not to be compared with trainings"
    )
    return Report(
        rows=_rows(searched),
        columns=_COLUMNS,
        title=(
            f"{searched.dataset}: searched on {searched.search_on}, {_conditions(simulation)}; "
            "accuracies in percent, mean ± deviation over runs"
        ),
        notes=(whole,) if simulation.method.whole_table else (),
    )


def _conditions(simulation: Simulation) -> str:
    return f"{simulation.settings.words}{simulation.runs} runs, seed {simulation.seed}"


def _rows(searched: Searched) -> list[Row]:
    return [{"dataset": searched.dataset, **asdict(row)} for row in searched.summaries]


def _count(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _accuracy(row: Row, split: str) -> str:
    mean, deviation = row[split], row[f"{split}_std"]
    if mean is None:
        return ""
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"


_COLUMNS = (
    Column("method", lambda row: str(row["method"])),
    Column("trainings", lambda row: _count(row["queries"], ".1f"), right=True),
    Column("seconds", lambda row: _count(row["seconds"], ",.0f"), right=True),
    Column("validation", lambda row: _accuracy(row, "valid")),
    Column("test", lambda row: _accuracy(row, "test")),
    Column("source", lambda row: str(row["source"])),
)
