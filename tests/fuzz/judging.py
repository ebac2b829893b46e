"""What every command has to keep to, whatever it is given; see `judge`."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import io
import os
import random
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pooch  # type: ignore[import-untyped]
import pytest
from commands import representatives, write_run

from jaxnas.cli.main import run
from jaxnas.cli.terminal.messages import PREFIX
from jaxnas.results import SCORES_FILE
from jaxnas.results.table import write_table
from jaxnas.scoring import read_table

TIMES = int(os.environ.get("JAXNAS_FUZZ", "1"))
"""How many times as much is tried as in every run of the tests."""

T = TypeVar("T")


def some(things: Sequence[T], few: int, key: str) -> list[T]:
    """So many times `TIMES` of the things, drawn by a key; in their order."""
    count = min(len(things), few * TIMES)
    chosen = random.Random(key).sample(range(len(things)), count)
    return [things[place] for place in sorted(chosen)]


# The functions that compute, where they are called from; all checks come before them.
COMPUTING = (
    ("scoring.run", "run_on_workers"),
    ("scoring.planning", "scoring_passes"),
    ("training.run", "run_on_workers"),
    ("oneshot.run", "initial_state"),
    ("search.simulation", "repeat"),
    ("search.by_gradient.simulating", "search_benchmark"),
)

LIMIT_SECONDS = 20
LONGEST_ERROR = 500
MOST_BYTES = 2 * 10**9  # of addresses, of which a process uses a part


class Computes(BaseException):
    """A request was taken and would now be computed, which is not what is tried here."""


class Hung(BaseException):
    """A call has not ended in time."""


class Outcome(NamedTuple):
    """How a call ended.

    Attributes:
        status: the exit status; None where all was taken and computing began.
        out: what was printed to stdout.
        err: to stderr.
    """

    status: int | None
    out: str
    err: str


@contextlib.contextmanager
def limited(seconds: float = LIMIT_SECONDS) -> Iterator[None]:
    """Raises `Hung` in what takes longer, and MemoryError in what takes more than `MOST_BYTES`.

    Only the main thread of a process may use it. What does not even come back to Python ends the
    process, with a traceback that `pytest -s` shows.
    """

    def ring(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, ring)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    taken = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_BYTES, limits[1]))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(4 * seconds, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(arguments: Sequence[str], world: Path) -> Outcome:
    """Runs a command and fails unless it ends as every command should.

    It is never a traceback and never without end. A status of 0 comes with something printed or
    written. Refusals have status 2, one printable line, and leave nothing behind.

    Args:
        arguments: those of the command.
        world: the folder in which it runs; what a command that was not refused writes is removed.
    """
    out, err = io.StringIO(), io.StringIO()
    before = listing(world)
    status: int | None = None
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            limited(),
            contextlib.suppress(Computes),
        ):
            status = run(list(arguments))
    except Hung:
        pytest.fail(f"{shown(arguments)}: took more than {LIMIT_SECONDS} s")
    except Exception as error:
        error.add_note(shown(arguments))
        raise
    found = Outcome(status, out.getvalue(), err.getvalue())
    after = listing(world)
    changed = after != before
    remove_new(world, before)
    assert status in (None, 0, 2), f"{shown(arguments)}: status {status}"
    printed = (found.out + found.err).replace("\n", "").replace("\t", "")
    assert printed.isprintable(), f"{shown(arguments)}: {printed!r} is not printable"
    if status == 0:
        assert found.out.strip() or changed, f"{shown(arguments)}: nothing was done"
    if status == 2:
        assert not changed, f"{shown(arguments)}: left behind {sorted(after ^ before)}"
        lines = [line for line in found.err.splitlines() if line.startswith(PREFIX)]
        assert len(lines) == 1, f"{shown(arguments)}: {found.err!r}"
        assert found.err.endswith(lines[0] + "\n"), f"{shown(arguments)}: {found.err!r}"
        assert len(lines[0]) < LONGEST_ERROR, f"{shown(arguments)}: {lines[0]!r}"
        assert len(lines[0]) > len(PREFIX) + 5, f"{shown(arguments)}: {lines[0]!r}"
        assert "MemoryError" not in lines[0], f"{shown(arguments)}: more than {MOST_BYTES} bytes"
    return found


def shown(arguments: Sequence[str]) -> str:
    """Arguments for a message, as a list that can be copied."""
    return f"{[a if len(a) < 200 else f'{a[:40]}…{len(a)} characters' for a in arguments]}"


def listing(world: Path) -> frozenset[tuple[str, int]]:
    """Paths and sizes of all that is in a folder."""
    found = set()
    for path, folders, files in os.walk(world):
        for name in [*folders, *files]:
            each = Path(path, name)
            found.add((str(each.relative_to(world)), each.lstat().st_size))
    return frozenset((name, 0 if (world / name).is_dir() else size) for name, size in found)


def remove_new(world: Path, before: frozenset[tuple[str, int]]) -> None:
    """Removes what is new in a folder."""
    old = {name for name, _ in before}
    for name in sorted((name for name, _ in listing(world)), reverse=True):
        path = world / name
        if name not in old:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@contextlib.contextmanager
def nothing_computed() -> Iterator[None]:
    """Ends with `Computes` whatever would compile a program or run one, and every download."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise Computes

    with pytest.MonkeyPatch.context() as patch:
        for module, name in COMPUTING:
            patch.setattr(importlib.import_module(f"jaxnas.{module}"), name, refuse)
        patch.setattr(pooch, "retrieve", refuse)
        yield


@contextlib.contextmanager
def world() -> Iterator[Path]:
    """A folder in which there are good and bad things, the current one; see `fill`."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            fill(Path(folder))
            yield Path(folder)
        finally:
            os.chdir(before)


def fill(folder: Path) -> None:
    """Writes a scored folder, a table of accuracies and images, and things that are no files."""
    cells = representatives(12)
    write_run(folder / "run", {(cell, 0): float(n) for n, cell in enumerate(cells)}, tuple(cells))
    chance = np.random.default_rng(0)
    write_table(read_table(folder / "run"), folder / "run" / SCORES_FILE)
    accuracies = {
        f"cifar10_{split}_{epochs}": chance.uniform(10, 90, 15625).round(2)
        for split in ("valid", "test")
        for epochs in (12, 200)
    }
    seconds = {"cifar10_seconds_12": np.full(15625, 100.0)}
    np.savez(folder / "table.npz", cell=np.arange(15625), **accuracies, **seconds)
    pixels, labels = chance.integers(0, 256, (400, 8, 8, 3), np.uint8), np.arange(400) % 10
    np.savez(folder / "images.npz", x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)
    (folder / "empty").touch()
    (folder / "empty folder").mkdir()
    (folder / "text").write_text("one\ntwo\n")
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    (folder / "zeros").symlink_to("/dev/zero")
    (folder / "\x1b]0;owned\x07").write_text("\x1b[2J")
