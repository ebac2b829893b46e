"""The command as such: its help, its errors, names that have changed, how soon it starts."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from commands import Call, assert_refused, process_call, write_run

from jaxnas.cli.group import SECTIONS, jaxnas
from jaxnas.cli.terminal import messages, stopping


def names() -> list[str]:
    return [name for section in SECTIONS.values() for name in section]


def test_help_names_every_command_under_what_it_is_for(call: Call) -> None:
    status, out, _ = call("--help")
    assert status == 0
    for title, section in SECTIONS.items():
        assert f"{title}:" in out
        for name, text in section.items():
            assert any(line.split() == [name, *text.split()] for line in out.splitlines())
    assert call()[:2] == (0, out)


@pytest.mark.parametrize("name", names())
def test_every_command_has_its_help_in_a_file_of_its_name(name: str, call: Call) -> None:
    command = jaxnas.get_command(click.Context(jaxnas), name)
    assert command is not None
    assert command.name == name
    status, out, _ = call(name, "--help")
    assert status == 0
    assert out.startswith(f"Usage: jaxnas {name} ")


@pytest.mark.parametrize("arguments", [["--help"], ["proxies"], ["spaces"], ["top", "run"]])
def test_it_starts_without_jax(tmp_path: Path, arguments: list[str]) -> None:
    write_run(tmp_path / "run", {(1, 0): 1.0}, (1,))
    script = (
        "import sys; from jaxnas.cli.main import run; "
        f"status = run({arguments!r}); "
        "sys.exit(status or 10 * any(name.split('.')[0] in ('jax', 'flax', 'matplotlib', 'scipy') "
        "for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_version_and_bad_input_as_called(tmp_path: Path) -> None:
    version = process_call("--version", cwd=tmp_path)
    assert version.returncode == 0
    assert version.stdout.startswith("jaxnas, version ")
    bad = process_call("score", "--proxies", "jss", cwd=tmp_path)
    assert_refused((bad.returncode, bad.stdout, bad.stderr), "did you mean 'js'?")
    assert list(tmp_path.iterdir()) == []


def test_unknown_command(call: Call) -> None:
    assert_refused(call("scores"), "'scores'", "did you mean 'score'?")


# Commands and options by their old names.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "rea", "--oracle", "x"], ["jaxnas simulate rea --oracle TABLE"]),
        (["search", "random", "--dataset", "cifar10"], ["jaxnas simulate random --oracle TABLE"]),
        (["search", "reinforce"], ["jaxnas simulate reinforce --oracle TABLE"]),
        (["search", "bohb", "--budget", "9"], ["jaxnas simulate bohb --oracle TABLE"]),
        (["search", "sf", "--oracle", "x", "--runs=3"], ["--runs", "jaxnas simulate sf"]),
        (["search", "gt-nas", "--scores", "x"], ["--scores", "jaxnas simulate gt-nas"]),
        (["search", "gt-nas", "--train"], ["jaxnas search gt-nas --dataset NAME_OR_NPZ"]),
        (["search", "gt-nas", "--train=x.npz"], ["jaxnas search gt-nas --dataset NAME_OR_NPZ"]),
        (["search", "darts", "--cells", "8"], ["give --depth"]),
        (["score", "--stem-channels", "8"], ["give --channels instead"]),
        (["score", "--cells-per-stage=1"], ["give --depth instead"]),
        (["train", "--layers", "8"], ["give --depth instead"]),
        (["train", "--genotype", "darts-v1"], ["give --space darts --cells instead"]),
    ],
)
def test_old_names_say_what_replaces_them(
    call: Call, arguments: list[str], words: list[str]
) -> None:
    assert_refused(call(*arguments), "expected", "got", *words)
    assert list(Path().iterdir()) == []


# How it ends.


def test_messages_have_one_line() -> None:
    assert messages.sentence(ValueError("a\n  b")) == "a b"
    assert messages.sentence(OSError(errno.ENOENT, "gone", "x")) == "x: gone"
    assert messages.sentence(ValueError()) == "ValueError"


def test_traceback_on_request(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXNAS_TRACEBACK", "1")
    with pytest.raises(ValueError, match="15624"):
        call("score", "--cells", "20000")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["score", "--proxies", "params"], "stopped; the same command goes on from here\n"),
        (["top", "run"], "stopped\n"),
    ],
)
def test_stopped(
    call: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    from jaxnas import data
    from jaxnas.scoring import tables

    def stop(*_: object, **__: object) -> None:
        raise stopping.Stopped(signal.SIGTERM)

    monkeypatch.setattr(data, "load", stop)
    monkeypatch.setattr(tables, "read_run", stop)
    assert call(*arguments) == (143, "", words)
