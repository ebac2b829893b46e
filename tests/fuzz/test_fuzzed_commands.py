"""Every command and option, given what none expects; JAXNAS_FUZZ=N tries N times as much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judging import TIMES, judge, nothing_computed, world

from jaxnas.cli.group import jaxnas

FEW = settings(
    max_examples=8 * TIMES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\r"
TEXTS = (
    *("", " ", "\0", "a\0b", ESCAPES, f"@{ESCAPES}", "é漢字", "\udcff", "x" * 5000, "x " * 2500),
    *("@", "@pipe", "@loop", "@zeros", "@empty", "@text", "@nowhere", "@.", "@run", "@table.npz"),
    *("pipe", "loop", "zeros", "empty", "text", "nowhere", ".", "run", "table.npz", "images.npz"),
    *("/dev/null", "/dev/full", "/dev/zero", "/dev/null/x", "empty folder", "x" * 300, "/" * 300),
    *(
        "[" * 5000,
        "{}",
        "()",
        "((((0",
        "None",
        "nan,nan",
        "[bold]",
        "%s",
        "{0}",
        "$(true)",
        "../..",
    ),
    *(
        ":",
        "::",
        "1:",
        ":1",
        "2:1",
        "0:0",
        "random:",
        "random:0",
        "random:-1",
        "random:x",
        "0,",
        ",",
    ),
    *(
        "random:99999999999999999999",
        "0:99999999999999999999",
        "|nor_conv_3x3~0|",
        "js+",
        "+",
        "a=b",
    ),
)
NUMBERS = (
    *("nan", "inf", "-inf", "-nan", "0", "-0", "-1", "1", "2", "1.5", "1e400", "-1e400", "1e-400"),
    *("9" * 20, "-" + "9" * 20, "9" * 5000, "0x10", "1_000", "٣", "²", "1,5", "1e3", "True", "+1"),
    *(str(2**31), str(2**32), str(2**63 - 1), str(2**63), str(2**64)),
)

# What is right for an argument or an option that has to be there, by its name.
RIGHT = {
    "folder": "run",
    "folders": "run",
    "truth": "table.npz",
    "table": "table.npz",
    "oracle": "table.npz",
    "path": "table.npz",
    "dataset": "images.npz",
    "out": "out",
    "cell": "0",
    "cells": "0,1",
    "epochs": "200",
}


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command under a group, with its names."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


COMMANDS = dict(commands(jaxnas))


def right(parameter: click.Parameter) -> str:
    """A value that is right for a parameter."""
    if isinstance(parameter.type, click.Choice):
        choices = [str(choice) for choice in parameter.type.choices]
        return RIGHT["epochs"] if RIGHT["epochs"] in choices else choices[0]
    if isinstance(parameter.type, click.types.FloatParamType):
        return "0.5"
    if isinstance(parameter.type, click.types.IntParamType):
        return "1"
    return RIGHT.get(parameter.name or "", "1")


@st.composite
def spelt(draw: st.DrawFn, parameter: click.Parameter, value: st.SearchStrategy[str]) -> list[str]:
    """A parameter as it is written on the command line."""
    if isinstance(parameter, click.Argument):
        return [draw(value)]
    name = draw(st.sampled_from([*parameter.opts, *parameter.secondary_opts]))
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return [name]
    values = [draw(value) for _ in range(parameter.nargs)]
    if len(values) == 1 and name.startswith("--"):
        return [f"{name}={values[0]}"]
    return [name, *values]


@st.composite
def calls(draw: st.DrawFn, names: tuple[str, ...], command: click.Command) -> list[str]:
    """Arguments of a command of which one is wrong, or two."""
    shown = [each for each in command.params if each.name != "help"]
    wrong = draw(st.lists(st.sampled_from(shown), min_size=1, max_size=2)) if shown else []
    hostile = st.sampled_from(TEXTS) | st.sampled_from(NUMBERS) | st.text(max_size=20)
    arguments = list(names)
    for parameter in shown:
        needed = parameter.required or parameter.name in ("cells", "dataset", "out")
        if parameter in wrong:
            arguments += draw(spelt(parameter, hostile))
        elif needed:
            arguments += draw(spelt(parameter, st.just(right(parameter))))
        elif parameter.name == "no_cache":
            arguments.append("--no-cache")
    if not shown:
        arguments.append(draw(hostile))
    return arguments


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[Path]:
    with nothing_computed(), world() as folder:
        yield folder


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_no_argument_ends_a_command_in_another_way_than_by_a_sentence(
    names: tuple[str, ...], place: Path
) -> None:
    @FEW
    @given(calls(names, COMMANDS[names]))
    def try_it(arguments: list[str]) -> None:
        judge(arguments, place)

    try_it()


def test_no_first_argument_does(place: Path) -> None:
    for first in [*TEXTS, *NUMBERS, "--" + ESCAPES, "-\x1b", "--=", "--help\0"]:
        judge([first], place)


def test_what_is_right_is_taken(place: Path) -> None:
    for names, command in COMMANDS.items():
        needed = [each for each in command.params if each.required or each.name == "out"]
        arguments = [*names]
        for each in needed:
            value = right(each)
            arguments += [value] if isinstance(each, click.Argument) else [each.opts[0], value]
        if names[0] == "draw":
            arguments[-1] = "out.png"
        if names == ("train",):
            arguments += ["--cells", "0", "--dataset", "images.npz", "--no-cache"]
        if names == ("simulate", "gt-nas"):
            arguments += ["--by", "params"]
        found = judge(arguments, place)
        assert found.status != 2, f"{arguments}: {found.err}"
