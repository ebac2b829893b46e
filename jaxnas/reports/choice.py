"""What a search by training shows and writes: every candidate, then what was chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxnas.reports.numbers import number, spread, text
from jaxnas.reports.report import Column, Report, Row

if TYPE_CHECKING:
    from jaxnas.training import Choice, Trained


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark says of the architectures sampled, beside the training on one's own images.

    Attributes:
        sample: archs [s].
        accuracies: by data set and split the accuracy of each, in percent by its arch, after the
            benchmark's long training; empty where there is no benchmark.
    """

    sample: tuple[str, ...]
    accuracies: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)


def candidate_rows(
    trained: Iterable[Trained],
    by: str,
    scores: Mapping[str, float],
    picked: Sequence[str],
    at_random: Sequence[str],
    benchmark: Benchmark,
) -> list[Row]:
    """A row for each candidate, the best by validation first.

    Args:
        trained: the candidates.
        by: name of the score, which is also the name of its column.
        scores: the score of each, by its arch.
        picked: archs in the order of their scores; `rank` is a candidate's place in it.
        at_random: archs in the order drawn; `drawn` is a candidate's place in it.
        benchmark: its accuracies become the columns `benchmark_{dataset}_{split}`.
    """
    ranks, draws = _places(picked), _places(at_random)
    rows: list[Row] = [
        {
            "cell": one.cell,
            "arch": one.arch,
            "rank": ranks.get(one.arch),
            "drawn": draws.get(one.arch),
            by: scores[one.arch],
            "status": one.status,
            "valid": one.valid,
            "test": one.test,
            "seconds": one.seconds,
            **{
                f"benchmark_{dataset}_{split}": values[one.arch]
                for (dataset, split), values in benchmark.accuracies.items()
            },
        }
        for one in trained
    ]
    return sorted(rows, key=lambda row: (math.isnan(row["valid"]), -row["valid"]))


def choice_rows(choices: Iterable[Choice], benchmark: Benchmark) -> list[Row]:
    """A row for each way to come by candidates, then what the benchmark says of the whole sample.

    `cell`, `arch`, `valid` and `test` are those of the candidate chosen by validation, `mean_test`
    and `std_test` go over all that did not diverge; `benchmark_*` are those of the chosen one and
    `mean_benchmark_*` go over all.
    """
    rows: list[Row] = [_choice_row(choice, benchmark) for choice in choices]
    if not benchmark.accuracies:
        return rows
    of_sample = {
        f"benchmark_{dataset}_{split}": [values[arch] for arch in benchmark.sample]
        for (dataset, split), values in benchmark.accuracies.items()
    }
    mean = {f"mean_{name}": float(np.mean(values)) for name, values in of_sample.items()}
    most = {name: max(values) for name, values in of_sample.items()}
    method = f"best of all {len(benchmark.sample)}, by the benchmark"
    return [*rows, {**dict.fromkeys(rows[0]), "method": method, **most, **mean}]


def candidates(rows: Sequence[Row], by: str) -> Report:
    """The report of `candidate_rows` by a score."""
    datasets = _datasets(rows)
    columns = [
        *_cell(rows),
        Column("arch", lambda row: row["arch"]),
        Column("rank", lambda row: text(row["rank"], "d"), right=True),
        Column("drawn", lambda row: text(row["drawn"], "d"), right=True),
        Column(by, lambda row: number(row[by]) if math.isfinite(row[by]) else "-", right=True),
        Column("status", lambda row: row["status"]),
        _percent("valid %", "valid"),
        _percent("test %", "test"),
        Column("seconds", lambda row: text(row["seconds"], ",.1f"), right=True),
        *(_percent(f"{dataset} test", f"benchmark_{dataset}_test") for dataset in datasets),
    ]
    return Report(rows, columns)


def chosen(rows: Sequence[Row]) -> Report:
    """The report of `choice_rows`."""
    datasets = _datasets(rows)
    columns = [
        Column("chosen from", lambda row: row["method"]),
        Column("trained", lambda row: text(row["trained"], "d"), right=True),
        Column("diverged", lambda row: text(row["diverged"], "d"), right=True),
        Column("seconds", lambda row: text(row["seconds"], ",.1f"), right=True),
        *(_cell(rows) or [Column("arch", lambda row: row["arch"] or "")]),
        _percent("valid %", "valid"),
        _percent("test %", "test"),
        Column("mean test %", lambda row: spread(row["mean_test"], row["std_test"]), right=True),
        *(
            _percent(f"{dataset} {words}", name.format(dataset))
            for dataset in datasets
            for words, name in (
                ("valid", "benchmark_{}_valid"),
                ("test", "benchmark_{}_test"),
                ("mean test", "mean_benchmark_{}_test"),
            )
        ),
    ]
    note = "under the name of a data set: the benchmark's accuracies, in percent after 200 epochs"
    return Report(rows, columns, notes=[note] if datasets else [])


def _choice_row(choice: Choice, benchmark: Benchmark) -> dict[str, Any]:
    archs = [one.arch for one in choice.candidates]
    best = choice.chosen
    mean, std = choice.test
    row: dict[str, Any] = {
        "method": choice.method,
        "trained": len(archs),
        "diverged": choice.diverged,
        "cell": best and best.cell,
        "arch": best and best.arch,
        "valid": best and best.valid,
        "test": best and best.test,
        "mean_test": mean,
        "std_test": std,
        "seconds": choice.seconds,
    }
    for (dataset, split), values in benchmark.accuracies.items():
        name = f"benchmark_{dataset}_{split}"
        row[name] = best and values[best.arch]
        row[f"mean_{name}"] = float(np.mean([values[arch] for arch in archs]))
    return row


def _cell(rows: Sequence[Row]) -> list[Column]:
    """The column of official indices; none where no row has one."""
    if all(row["cell"] is None for row in rows):
        return []
    return [Column("cell", lambda row: text(row["cell"], "d"), right=True)]


def _percent(heading: str, name: str) -> Column:
    return Column(heading, lambda row: text(row[name]), right=True)


def _places(archs: Sequence[str]) -> dict[str, int]:
    return {arch: place for place, arch in enumerate(archs, 1)}


def _datasets(rows: Sequence[Row]) -> list[str]:
    """The benchmark's data sets that rows have columns of."""
    start, end = "benchmark_", "_test"
    return [n[len(start) : -len(end)] for n in rows[0] if n.startswith(start) and n.endswith(end)]
