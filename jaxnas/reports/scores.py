"""What is said of a scoring run: its best architectures, its settings, what it would take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.checks import shortened
from jaxnas.proxies import catalogue
from jaxnas.reports.numbers import number, text
from jaxnas.reports.report import Column, Report
from jaxnas.results import ranking

if TYPE_CHECKING:
    from jaxnas.scoring import Plan


def best_cells(table: pa.Table, by: str | None = None, k: int = 10) -> Report:
    """The best architectures, one per function, and how many rows are of which status.

    Args:
        table: of `jaxnas.score` or `jaxnas.read_table`.
        by: the score, or a combination such as "js+params"; by default that of
            `ranking.default_score`.
        k: how many are shown at most.

    Raises:
        ResultsError: the table has no such score.
    """
    by = by or ranking.default_score(table, catalogue.preferred())
    ranked = ranking.best(table, by, k)
    rows = [
        {"rank": place, "cell": one.cell, "arch": one.arch, by: one.value, "seeds": one.seeds}
        for place, one in enumerate(ranked, 1)
    ]
    several = len(set(table["seed"].to_pylist())) > 1
    columns = [
        Column("rank", lambda row: str(row["rank"]), right=True),
        Column("cell", lambda row: text(row["cell"], "d"), right=True),
        Column("arch", lambda row: str(row["arch"])),
        Column(
            f"{by} (mean over seeds)" if several else by, lambda row: number(row[by]), right=True
        ),
        Column("seeds", lambda row: str(row["seeds"]), right=True),
    ]
    # A space without official indices has no such column, and one seed need not be counted.
    left_out = {"cell" if all(row["cell"] is None for row in rows) else "", "seeds"}
    if several:
        left_out.remove("seeds")
    shown = [column for column in columns if column.heading not in left_out]
    return Report(rows, shown, notes=_notes(table, by, found=bool(rows)))


def _notes(table: pa.Table, by: str, *, found: bool) -> list[str]:
    """What is said below the best: whether there are any, how many have no rank, the statuses."""
    names = ranking.parse_by(by)
    notes = [] if found else [f"no architecture has a finite {by}"]
    if len(names) > 1:
        undefined = int(np.isnan(ranking.score_values(table, by).values).sum())
        if undefined:
            plural = "s have" if undefined > 1 else " has"
            notes.append(
                f"{undefined:,} architecture{plural} no rank, as one of {', '.join(names)} is "
                "undefined"
            )
    return [*notes, ranking.status_line(table, names)]


def words_of_settings(settings: Mapping[str, Any], dataset: str = "") -> str:
    """A run's settings in a few words, for a title.

    Args:
        settings: of `jaxnas.results.settings_of`; what they lack is left out.
        dataset: what the images are called; empty where that is not known.
    """
    patterns = {
        "batch_size": "batch {}",
        "bn": "{} batch norm",
        "init": "{} initialisation",
        "dtype": "{}",
    }
    words = [
        pattern.format(shortened(str(settings[name])))
        for name, pattern in patterns.items()
        if name in settings
    ]
    return ", ".join(word for word in (dataset, *words) if word)


def plan(planned: Plan) -> Report:
    """What a scoring run would take, a line for each quantity."""
    rows = [
        {"what": "architectures", "value": f"{planned.architectures:,}"},
        {"what": "rows of the table", "value": f"{planned.rows:,}"},
        {"what": "networks to score", "value": f"{planned.networks:,}"},
        {"what": "backward passes a network", "value": f"{planned.passes:,}"},
        {"what": "devices", "value": f"{planned.devices:,}"},
        {"what": "time", "value": _words_of_time(planned.seconds)},
        {"what": "memory a device", "value": f"about {_words_of_size(planned.memory)}"},
    ]
    columns = [Column("", lambda row: row["what"]), Column("", lambda row: row["value"])]
    return Report(
        rows,
        columns,
        title="nothing is computed: this is what the run would take",
        notes=[f"time: {planned.basis}; compilation, about a minute once, comes on top"],
    )


def _words_of_time(seconds: float | None) -> str:
    """A duration in words, as "about 3.2 hours"."""
    if seconds is None:
        return "unknown"
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"about {seconds / length:.2g} {unit}"
    return f"about {seconds:.2g} seconds"


def _words_of_size(size: float) -> str:
    """A size in words, as "1.2 GB"."""
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= length:
            return f"{size / length:.3g} {unit}"
    return f"{size:.0f} bytes"
