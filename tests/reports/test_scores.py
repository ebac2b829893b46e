"""What is said of a scoring run, as data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import representatives, write_darts_run, write_run

from jaxnas.reports import scores as reports
from jaxnas.reports.numbers import number, spread, text
from jaxnas.reports.report import Report
from jaxnas.scoring import Plan, read_table


def text_of(report: Report) -> list[dict[str, str]]:
    """The cells of the table as the terminal shows them."""
    return [{c.heading: c.text(row) for c in report.columns} for row in report.rows]


def test_the_best_have_their_values_in_full_and_their_seeds(tmp_path: Path) -> None:
    a, b = representatives(2)
    values = {(a, 0): 1 / 3, (a, 1): 2 / 3, (b, 0): 0.25}
    write_run(tmp_path, values, (a, b))
    report = reports.best_cells(read_table(tmp_path), "js", 5)
    assert [(row["cell"], row["js"], row["seeds"]) for row in report.rows] == [
        (a, 0.5, 2),
        (b, 0.25, 1),
    ]
    assert [column.heading for column in report.columns] == [
        "rank", "cell", "arch", "js (mean over seeds)", "seeds"
    ]  # fmt: skip
    assert report.notes == ["3 ok, 0 disconnected, 0 nonfinite, 1 not scored"]


def test_a_table_without_any_finite_score_says_so(tmp_path: Path) -> None:
    write_run(tmp_path, {(1, 0): np.nan}, (1,))
    report = reports.best_cells(read_table(tmp_path), "js")
    assert report.rows == []
    assert report.notes[0] == "no architecture has a finite js"


def test_a_space_without_indices_has_no_column_of_them(tmp_path: Path) -> None:
    write_darts_run(tmp_path)
    report = reports.best_cells(read_table(tmp_path), "js", 2)
    assert [column.heading for column in report.columns] == ["rank", "arch", "js"]
    assert [row["cell"] for row in report.rows] == [None, None]


def test_settings_in_words() -> None:
    settings = {"batch_size": 64, "bn": "paper", "init": "he", "dtype": "float32"}
    words = "batch 64, paper batch norm, he initialisation, float32"
    assert reports.words_of_settings(settings) == words
    assert reports.words_of_settings(settings, "digits") == f"digits, {words}"


@pytest.mark.parametrize(
    ("seconds", "memory", "time", "size"),
    [
        (None, 1.5e9, "unknown", "about 1.5 GB"),
        (0.0, 0, "about 0 seconds", "about 0 bytes"),
        (90, 2e6, "about 90 seconds", "about 2 MB"),
        (7200, 5e3, "about 2 hours", "about 5 kB"),
        (4 * 86400, 999, "about 4 days", "about 999 bytes"),
    ],
)
def test_a_plan_in_words(seconds: float | None, memory: int, time: str, size: str) -> None:
    planned = Plan(3, 6, 5, 2, 4, seconds, "a guess", memory)
    shown = {row["what"]: row["value"] for row in reports.plan(planned).rows}
    assert shown["networks to score"] == "5"
    assert shown["time"] == time
    assert shown["memory a device"] == size
    assert reports.plan(planned).notes[0].startswith("time: a guess")


def test_numbers() -> None:
    assert [number(x) for x in (1234567.0, 0.123456789, -3.0, np.nan, np.inf)] == [
        "1,234,567", "0.123457", "-3", "-", "inf"
    ]  # fmt: skip
    assert [text(x) for x in (None, np.nan, 1.234)] == ["", "-", "1.23"]
    assert [spread(*x) for x in ((None, None), (np.nan, 1.0), (93.914, 0.121))] == [
        "", "-", "93.91 ± 0.12"
    ]  # fmt: skip
