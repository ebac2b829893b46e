"""Signals: whenever they come, one line and 128 + N; what is shown when nobody reads it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Call

from jaxnas.cli.terminal import stopping

# Work in a module of the library, where `Stopped` may be raised; "at work" says that it has begun.
LIBRARY = """
import sys, time
from jaxnas.cli.terminal import stopping
def at_work():
    print("at work", flush=True)
def work():
{work}
stopping.listen()
{before}
status = stopping.until_stopped(work, "stopped; that is all")
{after}
stopping.leave(status)
"""


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """What is started listens to SIGINT, which the tests themselves may be started to ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def process(work: str, before: str = "", after: str = "") -> subprocess.Popen[str]:
    """A process that does some work, which has said that it is at it."""
    code = LIBRARY.format(work=textwrap.indent(work, "    "), before=before, after=after)
    started = subprocess.Popen(
        [sys.executable, "-c", f"exec({code!r}, {{'__name__': 'jaxnas.work'}})"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "at work\n"
    return started


def ending(started: subprocess.Popen[str], *signals: signal.Signals) -> tuple[int, str, str]:
    """The exit status of a process after some signals, what it printed, and its last words."""
    for signum in signals:
        started.send_signal(signum)
    out, err = started.communicate(timeout=20)
    return started.returncode, out, err


SLEEP = "at_work()\ntime.sleep(15)\nreturn 0"


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_a_signal_ends_the_work_with_one_line_once_it_is_cleared_up(
    signum: signal.Signals, status: int
) -> None:
    work = "try:\n    at_work()\n    time.sleep(15)\nfinally:\n    print('kept')\nreturn 0"
    assert ending(process(work), signum) == (status, "kept\n", "stopped; that is all\n")


SWALLOWED = """
at_work()
try:
    time.sleep(15)
except BaseException:
    pass
time.sleep(15)
"""
CHANGED = SWALLOWED.replace("pass", "raise ValueError from None")
IN_A_DESTRUCTOR = """
class Callback:
    def __del__(self):
        at_work()
        time.sleep(15)
Callback()
time.sleep(15)
"""
IN_THE_COLLECTOR = IN_A_DESTRUCTOR.replace(
    "Callback()", "import gc; one = Callback(); one.itself = one; del one; gc.collect()"
)


@pytest.mark.parametrize("work", [SWALLOWED, CHANGED, IN_A_DESTRUCTOR, IN_THE_COLLECTOR])
def test_no_signal_is_lost(work: str) -> None:
    began = time.monotonic()
    assert ending(process(work), signal.SIGINT) == (130, "", "stopped; that is all\n")
    assert time.monotonic() - began < 10


def test_it_is_not_raised_in_other_code_which_is_left_at_once() -> None:
    # As C++ does that imports a module of Python: what is raised there ends the process.
    busy = "print('at work', flush=True)\nwhile time.monotonic() < end:\n    pass"
    other = "{'time': time, 'end': time.monotonic() + 15, '__name__': 'other'}"
    work = (
        f"try:\n    exec({busy!r}, {other})\nexcept BaseException:\n    print('raised')\nreturn 0"
    )
    assert ending(process(work), signal.SIGINT) == (130, "", "stopped; that is all\n")


def test_a_second_signal_does_not_wait_for_what_is_cleared_up() -> None:
    work = "try:\n    at_work()\n    time.sleep(15)\nfinally:\n    at_work()\n    time.sleep(15)"
    started = process(work)
    started.send_signal(signal.SIGINT)
    assert started.stdout is not None
    assert started.stdout.readline() == "at work\n"
    assert ending(started, signal.SIGINT) == (130, "", "stopped; that is all\n")
    status, _, err = ending(process(SLEEP), signal.SIGINT, signal.SIGTERM, signal.SIGINT)
    assert status in (130, 143)
    assert err == "stopped; that is all\n"


@pytest.mark.parametrize("where", ["before", "after"])
def test_where_no_command_is_at_work_it_leaves_at_once(where: str) -> None:
    waits = {where: "at_work()\ntime.sleep(15)"}
    words = "stopped\n" if where == "before" else "stopped; that is all\n"
    assert ending(process("return 0", **waits), signal.SIGINT) == (130, "", words)


def test_a_process_that_is_to_ignore_signals_does() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        started = process("at_work()\ntime.sleep(0.3)\nreturn 7")
    finally:
        signal.signal(signal.SIGINT, before)
    assert ending(started, signal.SIGINT) == (7, "", "")


def test_signals_are_held_back_while_the_process_starts_itself_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal\n"
        "from jaxnas.engine import environment\n"
        "from jaxnas.cli.terminal import stopping\n"
        "if environment.wanted(os.environ):\n"
        "    environment.restart(1)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "print('held back', flush=True)\n"
        "stopping.listen()\n"
        "print('not reached', flush=True)\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("JAXNAS")}
    done = subprocess.run(
        [sys.executable, script],
        env=env | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "held back\n", "stopped\n")


def test_a_process_that_was_asked_to_stop_does_not_start_itself_again() -> None:
    # The signal finds other code at work, and the process is replaced before that has ended.
    other = "{'os': os, 'signal': signal, 'at_work': at_work, '__name__': 'other'}"
    send = "at_work()\nos.kill(os.getpid(), signal.SIGINT)"
    work = f"""
import os, signal
from jaxnas.engine import environment
environment.wanted = lambda _: True
environment.accelerator = lambda _: False
environment.os.execve = lambda *_: print("replaced")
environment.jaxlib_version = lambda: exec({send!r}, {other}) or (0, 0)
environment.restart(1, stopping.raise_if_asked)
return 0
"""
    assert ending(process(work)) == (130, "", "stopped; that is all\n")


def test_nothing_of_this_happens_in_a_process_that_only_uses_the_library(call: Call) -> None:
    handlers = [signal.getsignal(signum) for signum in stopping.SIGNALS]
    assert call("proxies")[0] == 0
    assert [signal.getsignal(signum) for signum in stopping.SIGNALS] == handlers


# What is printed where it cannot be.


@pytest.mark.parametrize(
    ("shell", "status", "words"),
    [
        ("jaxnas proxies | true", 141, ""),
        ("jaxnas proxies >/dev/full", 2, "No space left on device"),
        ("jaxnas proxies >&-", 0, ""),
        ("jaxnas top nowhere 2>/dev/full", 2, ""),
        ("jaxnas top nowhere 2>&-", 2, ""),
    ],
)
def test_an_end_of_the_output_ends_the_command_without_a_traceback(
    tmp_path: Path, shell: str, status: int, words: str
) -> None:
    # The pipe's reader is gone long before anything is written.
    script = shell.replace("jaxnas", f"'{sys.executable}' -m jaxnas")
    script += "; exit ${PIPESTATUS[0]}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    assert done.stderr.count("\n") == bool(words)
    assert words in done.stderr
