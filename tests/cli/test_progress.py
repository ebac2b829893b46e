"""Bars in a terminal, lines elsewhere."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from jaxnas.cli.terminal.progress import RunProgress, TrainingProgress, bar


def test_a_run_is_two_lines_without_a_terminal() -> None:
    stream = io.StringIO()
    with RunProgress("1 device (cpu)", Console(file=stream)) as progress:
        for done in range(4):
            progress(done, 3)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("scoring 3 cells on 1 device (cpu); compiling")
    assert lines[1].startswith("3 of 3 cells scored in")
    assert "cells/s" in lines[1]


def test_a_run_in_a_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    with RunProgress("2 devices (cpu)", console) as progress:
        progress(0, 30)
        time.sleep(0.3)
        assert "compiling, once" in stream.getvalue()
        assert "0/30" in stream.getvalue()
        for done in (1, 2, 3):
            time.sleep(0.2)
            progress(done, 30)
        time.sleep(0.4)
    shown = stream.getvalue()
    assert "3/30" in shown
    assert "cells/s" in shown
    assert "left" in shown


@pytest.mark.parametrize(
    ("of", "lines"), [("", []), ("cells", ["reading: 3 cells"])], ids=["silent", "counted"]
)
def test_a_bar_off_a_terminal_is_a_line_at_most(of: str, lines: list[str]) -> None:
    stream = io.StringIO()
    with bar("reading", of, Console(file=stream)) as progress:
        for done in range(4):
            progress(done, 3)
    assert stream.getvalue().splitlines() == lines


def test_a_bar_in_a_terminal() -> None:
    stream = io.StringIO()
    with bar("reading", "cells", Console(file=stream, force_terminal=True, width=80)) as progress:
        progress(1, 3)
        time.sleep(0.4)
        progress(3, 3)
    assert "reading" in stream.getvalue()
    assert "3/3" in stream.getvalue()


def test_a_training_shows_a_long_name_cut() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=160)
    with TrainingProgress("1 device (cpu)", 2, console) as progress:
        progress.begin(1, 4)
        progress(("Genotype(" + 99 * "x", 0), 1, 2, 1.5, 40)
        time.sleep(0.4)
    shown = stream.getvalue()
    assert "training 1 candidate for 2 epochs on 1 device (cpu)" in shown
    assert 20 * "x" in shown
    assert 99 * "x" not in shown
    assert "trained in" in shown
