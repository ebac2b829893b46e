"""Every option that takes a number, a word or a path refuses what is none, at once, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from jaxnas.checks.kinds import Real, Whole
from jaxnas.cli.group import jaxnas
from jaxnas.cli.main import run
from jaxnas.cli.values import Choice, DataSet, Number, Place

LONG = "x" * 5000
BAD_NUMBERS = (
    "", "nan", "inf", "-inf", "1e400", "9" * 20, "9" * 5000, "-1", "1.5", "0x10", "１", "1_000",
    "1e3", "+", "--", "1 2", "١", "true", "None", LONG, "1\x1b[31m",
)  # fmt: skip
BAD_PATHS = ("", " ", "a\0b", LONG, "a/" * 3000)
BAD_WORDS = ("", "nonsense", LONG, "\x1b[31m", "nan")


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command as it is called."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name)


def options_of(called: tuple[str, ...]) -> Iterator[tuple[str, int, list[click.ParamType]]]:
    """Spelling, position and types of each option's values."""
    command: click.Command = jaxnas
    for name in called:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    for option in command.params:
        if isinstance(option, click.Option) and not option.is_flag and not option.hidden:
            kind = option.type
            types = list(kind.types) if isinstance(kind, click.Tuple) else [kind] * option.nargs
            yield max(option.opts, key=len), len(types), types


CASES = [
    (called, name, place, types)
    for called in commands(jaxnas)
    for name, count, types in options_of(called)
    for place in range(count)
]


def is_taken(kind: Whole | Real, text: str) -> bool:
    """Whether a text is a number of the range, by a way of its own."""
    if isinstance(kind, Whole):
        right = re.fullmatch(r"[+-]?[0-9]+", text) is not None and len(text) < 100
        return right and kind.least <= int(text) <= kind.most
    if not text.isascii() or not re.fullmatch(r"[-+0-9.e]*[0-9]", text) or len(text) > 100:
        return False
    number = float(text)
    return abs(number) < float("inf") and kind.low <= number <= kind.high and (
        number > kind.low or not kind.above
    )  # fmt: skip


def bad_texts(kind: click.ParamType) -> tuple[str, ...]:
    if isinstance(kind, Number):
        assert isinstance(kind.kind, Whole | Real)
        return tuple(text for text in BAD_NUMBERS if not is_taken(kind.kind, text))
    if isinstance(kind, Choice):
        return BAD_WORDS
    return BAD_PATHS if isinstance(kind, Place | DataSet) else ()


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line by which a command is refused."""
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("jaxnas: error: ")
    assert printed.err.count("\n") == 1
    assert len(printed.err) < 450
    assert printed.err.rstrip("\n").isprintable()
    return printed.err


@pytest.mark.parametrize(
    ("called", "name", "place", "types"), CASES, ids=lambda value: str(value)[:40]
)
def test_what_an_option_does_not_take_ends_at_once_in_one_line(
    called: tuple[str, ...],
    name: str,
    place: int,
    types: list[click.ParamType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in bad_texts(types[place]):
        values = ["1"] * len(types)
        values[place] = text
        assert f"{name}: expected " in refused([*called, name, *values], capsys)
    assert list(tmp_path.iterdir()) == []


def test_numbers_are_taken_as_they_are_written_everywhere() -> None:
    kinds = {type(kind) for _, _, _, types in CASES for kind in types}
    own = {Number, Choice, Place, DataSet}
    assert own <= kinds
    assert kinds - own == {type(click.STRING)}
    assert sum(isinstance(kind, Number) for _, _, _, types in CASES for kind in types) > 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["score", "--seeds", "9" * 20], "expected whole numbers from 0 up"),
        (["score", "--seeds", "1,nan"], "got 'nan'"),
        (["score", "--seeds", LONG], "expected whole numbers"),
        (["score", "--cells", "9" * 5000], "5,000 digits"),
        (["score", "--cells", "random:" + "9" * 5000], "5,000 digits"),
        (["score", "--cells", "0:" + "9" * 20], "20 digits"),
        (["score", "--cells", LONG], "expected all, START:STOP"),
        (["score", "--cells", "@/dev/zero"], "expected a regular file, got a device"),
        (["score", "--cells", "@"], "expected a path"),
        (["score", "--cells", "@" + LONG], "expected a path of at most"),
        (["score", "--cells", "4,0,3,1,4,3"], "naslib:4,0,3,1,4,3"),
        (["score", "--space", "darts", "--cells", LONG], "expected one of 5 known names"),
        (["score", "--proxies", LONG], "expected one of"),
        (["score", "--proxies", LONG + ","], "empty name"),
        (["draw", LONG, "--out", "x.png"], "expected all"),
        (["draw", "0", "--out", "/proc/x.png"], "where files can be kept"),
        (["draw", "0", "--out", "."], "expected a file to write, got a folder"),
        (["train", "--out", "x", "--top", LONG], "expected DIR:PROXY:K"),
        (
            ["train", "--out", "x", "--top", "a:b:" + "9" * 5000],
            "--top DIR:PROXY:K, K: expected a whole",
        ),
        (["train", "--out", "x", "--top", "a:b:１"], "--top DIR:PROXY:K, K: expected a whole"),
        (["train", "--out", "x", "--top", "a:b:0"], "--top DIR:PROXY:K, K: expected a whole"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_told_by_text_is_refused_alike(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refused(arguments, capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["nan", "inf", "9" * 20, "9" * 5000, LONG, "", "1e400", "１"])
@pytest.mark.parametrize("name", ["epochs", "alpha_mean", "weight_clip", "nesterov", "rule"])
def test_constants_set_by_name_are_refused_alike(
    name: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if name in ("alpha_mean", "weight_clip") and text == "9" * 20:
        return  # finite
    asked = ["search", "darts", "--dataset", "digits", "--out", "x", "--set", f"{name}={text}"]
    assert f"{name}: expected " in refused(asked, capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--out", "--cache-dir"])
@pytest.mark.parametrize("place", ["/proc/nowhere/run", "/dev/null", "/dev/null/run", "link/run"])
def test_where_nothing_can_be_kept_is_known_before_the_work(
    option: str,
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("nothing")
    loaded: list[object] = []
    monkeypatch.setattr("jaxnas.data.load", loaded.append)
    refused(["score", "--cells", "0", "--proxies", "params", option, place], capsys)
    assert loaded == []
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR-10", "cifar_10", "Cifar10"])
def test_data_sets_are_taken_as_the_field_writes_them(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["simulate", "rea", "--dataset", name, "--oracle", "none.npz"]
    assert "none.npz does not exist" in refused(asked, capsys)


def test_half_a_data_set_is_no_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    for asked in (["score"], ["simulate", "rea", "--oracle", "none.npz"]):
        line = refused([*asked, "--dataset", "cifar10-valid"], capsys)
        assert "expected" in line
        assert "cifar10" in line
