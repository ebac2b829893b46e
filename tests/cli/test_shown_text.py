"""Text from outside on the screen: no control character reaches a terminal, nothing is endless."""

from __future__ import annotations

import ast
import io
import warnings
from pathlib import Path

import click
import pytest
from commands import Call
from rich.console import Console

import jaxnas
from jaxnas.cli.terminal import messages, progress, tables
from jaxnas.reports.report import Column, Report

ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\r\x9b31m"
WRITTEN = r"\x1b]0;owned\x07\x1b[2J\u202e\r\x9b31m"


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"x: expected y, got {ESCAPES}end"),
        OSError(2, "No such file", f"{ESCAPES}end"),
        click.UsageError(f"no such option {ESCAPES}end"),
        click.BadParameter(f"{ESCAPES}end"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_control_characters_in_errors_are_written_out(error: Exception) -> None:
    shown = messages.sentence(error)
    assert f"{WRITTEN}end" in shown
    assert shown.isprintable()


def test_an_error_keeps_what_is_wrong_and_what_to_do_of_what_is_long() -> None:
    text = f"--k: expected a whole number, got {'x' * 5000}; choose one of at least 1"
    shown = messages.sentence(ValueError(text))
    assert shown.startswith("--k: expected a whole number, got xxx")
    assert shown.endswith("xxx; choose one of at least 1")
    assert len(shown) < 300
    shown = messages.sentence(ValueError(f"first {'word ' * 10_000}last"))
    assert shown.startswith("first word")
    assert shown.endswith("word last")
    assert len(shown) < 500
    path = "/".join(["folder"] * 25)
    assert path in messages.sentence(OSError(2, "No such file", path))


@pytest.mark.parametrize(
    "arguments",
    [
        [ESCAPES],
        ["top", ESCAPES],
        ["top", "nowhere", f"--{ESCAPES}"],
        ["top", "nowhere", "-k", ESCAPES],
        ["score", "--cells", ESCAPES],
        ["score", "--cells", f"@{ESCAPES}"],
        ["score", "--proxies", ESCAPES],
        ["score", "--dataset", ESCAPES],
        ["score", "--space", ESCAPES],
        ["draw", "0", "--out", ESCAPES],
        ["search", ESCAPES],
        ["search", "darts", "--set", f"{ESCAPES}=1", "--dataset", "x", "--out", "y"],
        ["oracle", ESCAPES],
        ["x" * 5000],
        ["score", "--cells", "x" * 5000],
        ["draw", "0", "--out", "x" * 5000],
        ["top", "x" * 5000],
        ["top", "nowhere", "-k", "x " * 2500],
    ],
)
def test_hostile_arguments_are_shown_on_one_printable_line(
    call: Call, arguments: list[str]
) -> None:
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("jaxnas: error: ")
    assert err.endswith("\n")
    assert err[:-1].isprintable()
    assert len(err) < 500
    assert not list(Path().iterdir())


def test_warnings_and_lines_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    with messages.one_line_warnings():
        warnings.warn(f"column {ESCAPES}\n is ignored", stacklevel=1)
    messages.echo(f"table {ESCAPES}\nnext")
    assert capsys.readouterr() == (
        f"table {WRITTEN}\nnext\n",
        f"jaxnas: warning: column {WRITTEN} is ignored\n",
    )


def test_tables_and_bars_are_printable_and_have_no_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    column = Column(f"name {ESCAPES}", lambda row: str(row["name"]))
    rows = [{"name": f"[bold]{ESCAPES}"}]
    tables.show(Report(rows, [column], f"title {ESCAPES}", [f"note {ESCAPES}"]))
    out, _ = capsys.readouterr()
    assert out.replace("\n", "").isprintable()
    assert f"[bold]{WRITTEN}" in out
    assert out.count(WRITTEN) == 4

    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=200, color_system=None)
    with progress.bar(f"[/red] {ESCAPES}", console=terminal) as advance:
        advance(1, 2)
    assert ESCAPES not in shown.getvalue()
    assert f"[/red] {WRITTEN}" in shown.getvalue()
    lines = io.StringIO()
    with progress.bar(ESCAPES, "cells", Console(file=lines, width=200)) as advance:
        advance(1, 2)
    assert lines.getvalue() == f"{WRITTEN}: 2 cells\n"


def test_only_the_terminal_s_own_modules_write_to_it() -> None:
    for path in Path(jaxnas.__path__[0]).rglob("*.py"):
        if path.parent.name == "terminal":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            writes = called in ("print", "click.echo", "click.secho", "Console")
            assert not writes and "stdout.write" not in called, f"{path}, line {node.lineno}"
