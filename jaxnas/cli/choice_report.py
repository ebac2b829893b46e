"""What `jaxnas search gt-nas --train` shows and writes: every candidate, then what was chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jaxnas.training import Choice, Trained

CANDIDATES_FILE = "candidates.csv"
CHOSEN_FILE = "chosen.csv"

# Of a table: column name → value, None or NaN where there is none.
Row = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark says of the cells sampled, beside the training on one's own images.

    Attributes:
        sample: official indices [s].
        accuracies: by data set and split, percent [15625] at each cell's index, after the
            benchmark's long training; empty where no oracle is given.
    """

    sample: NDArray[np.int64]
    accuracies: Mapping[tuple[str, str], NDArray[np.float64]]


def candidate_rows(
    trained: Iterable[Trained],
    by: str,
    score_of: Mapping[int, float],
    picked: Sequence[int],
    at_random: Sequence[int],
    benchmark: Benchmark,
) -> list[Row]:
    """A row a candidate, the best by validation first.

    Args:
        trained: the candidates.
        by: name of the score.
        score_of: the score of each.
        picked: cells in the order of their scores; `rank` is a cell's place in it.
        at_random: cells in the order drawn; `drawn` is a cell's place in it.
        benchmark: its accuracies become the columns `benchmark_{dataset}_{split}`.
    """
    from jaxnas.spaces import nb201

    ranks, draws = _places(picked), _places(at_random)
    rows = [
        {
            "cell": one.cell,
            "arch": nb201.index_to_arch(one.cell),
            "rank": ranks.get(one.cell),
            "drawn": draws.get(one.cell),
            by: score_of[one.cell],
            "status": one.status,
            "valid": one.valid,
            "test": one.test,
            "seconds": one.seconds,
            **{
                f"benchmark_{dataset}_{split}": float(values[one.cell])
                for (dataset, split), values in benchmark.accuracies.items()
            },
        }
        for one in trained
    ]
    return sorted(rows, key=lambda row: (math.isnan(row["valid"]), -row["valid"]))


def choice_rows(choices: Iterable[Choice], benchmark: Benchmark) -> list[Row]:
    """A row a way to come by candidates, then what the benchmark says of the whole sample.

    `cell`, `valid` and `test` are of the candidate chosen by validation, `mean_test` and `std_test`
    of all that did not diverge; `benchmark_*` are of the chosen one and `mean_benchmark_*` of all.
    """
    rows = [_choice_row(choice, benchmark) for choice in choices]
    if not benchmark.accuracies:
        return rows
    of_sample = {
        f"benchmark_{dataset}_{split}": values[benchmark.sample]
        for (dataset, split), values in benchmark.accuracies.items()
    }
    size = len(benchmark.sample)
    mean = {f"mean_{name}": float(values.mean()) for name, values in of_sample.items()}
    most = {name: float(values.max()) for name, values in of_sample.items()}
    empty = dict.fromkeys(rows[0])
    return [*rows, {**empty, "method": f"best of all {size}, by the benchmark", **most, **mean}]


def _choice_row(choice: Choice, benchmark: Benchmark) -> Row:
    cells = [one.cell for one in choice.candidates]
    chosen = choice.chosen
    mean, std = choice.test
    row: Row = {
        "method": choice.method,
        "trained": len(cells),
        "diverged": choice.diverged,
        "cell": chosen and chosen.cell,
        "valid": chosen and chosen.valid,
        "test": chosen and chosen.test,
        "mean_test": mean,
        "std_test": std,
        "seconds": choice.seconds,
    }
    for (dataset, split), values in benchmark.accuracies.items():
        name = f"benchmark_{dataset}_{split}"
        row[name] = chosen and float(values[chosen.cell])
        row[f"mean_{name}"] = float(values[cells].mean())
    return row


def report(candidates: Sequence[Row], by: str, chosen: Sequence[Row], folder: Path) -> None:
    """Prints both tables and writes them to a folder.

    Args:
        candidates: of `candidate_rows`.
        by: name of the score.
        chosen: of `choice_rows`.
        folder: which exists.

    Raises:
        ResultsError: the disk refuses.
    """
    _print_candidates(candidates, by)
    click.echo()
    _print_choices(chosen)
    for name, file, rows in (
        ("chosen", CHOSEN_FILE, chosen),
        ("candidates", CANDIDATES_FILE, candidates),
    ):
        _write(rows, folder / file)
        click.echo(f"{name:<12}{folder / file}")


def _print_candidates(rows: Sequence[Row], by: str) -> None:
    from jaxnas.cli.terminal.tables import number, print_table

    print_table(
        ["cell", "arch", "rank", "drawn", by, "status", "valid %", "test %", "seconds"]
        + [f"{dataset} test" for dataset in _datasets(rows)],
        [
            [
                str(row["cell"]),
                row["arch"],
                _text(row["rank"], "d"),
                _text(row["drawn"], "d"),
                number(row[by]) if math.isfinite(row[by]) else "-",
                row["status"],
                _text(row["valid"]),
                _text(row["test"]),
                _text(row["seconds"], ",.1f"),
                *(_text(row[f"benchmark_{dataset}_test"]) for dataset in _datasets(rows)),
            ]
            for row in rows
        ],
        right={0, 2, 3, 4, *range(6, 9 + len(_datasets(rows)))},
    )


def _print_choices(rows: Sequence[Row]) -> None:
    from jaxnas.cli.terminal.tables import print_table

    datasets = _datasets(rows)
    print_table(
        ["chosen from", "trained", "diverged", "seconds", "cell", "valid %", "test %"]
        + ["mean test %"]
        + [f"{dataset} {what}" for dataset in datasets for what in ("valid", "test", "mean test")],
        [
            [
                row["method"],
                _text(row["trained"], "d"),
                _text(row["diverged"], "d"),
                _text(row["seconds"], ",.1f"),
                _text(row["cell"], "d"),
                _text(row["valid"]),
                _text(row["test"]),
                _spread(row["mean_test"], row["std_test"]),
                *(
                    _text(row[name])
                    for dataset in datasets
                    for name in (
                        f"benchmark_{dataset}_valid",
                        f"benchmark_{dataset}_test",
                        f"mean_benchmark_{dataset}_test",
                    )
                ),
            ]
            for row in rows
        ],
        right=range(1, 8 + 3 * len(datasets)),
    )
    if datasets:
        click.echo(
            "under the name of a data set: the benchmark's accuracies, in percent after 200 epochs"
        )


def _write(rows: Sequence[Row], path: Path) -> None:
    """Writes rows as CSV, whole or not at all; None and NaN are empty."""
    import csv
    import io

    from jaxnas.results.files import write_atomically

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if _absent(value) else value for name, value in row.items()})
    write_atomically(path, text.getvalue().encode())


def _places(cells: Sequence[int]) -> dict[int, int]:
    return {cell: place for place, cell in enumerate(cells, 1)}


def _datasets(rows: Sequence[Row]) -> list[str]:
    """The benchmark's data sets that rows have columns of."""
    start, end = "benchmark_", "_test"
    return [n[len(start) : -len(end)] for n in rows[0] if n.startswith(start) and n.endswith(end)]


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _text(value: float | None, form: str = ".2f") -> str:
    return "" if value is None else "-" if _absent(value) else format(value, form)


def _spread(mean: float | None, std: float | None) -> str:
    return _text(mean) if mean is None or math.isnan(mean) else f"{mean:.2f} ± {std:.2f}"
