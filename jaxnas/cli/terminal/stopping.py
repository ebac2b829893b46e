"""How a signal ends a command: with one line and 128 + its number, wherever it finds the process.

While a command is at work, `Stopped` is raised in the main thread, so that files are closed and
what was done is kept; but only where the library's own code is running or waiting. C++ that calls
Python ends the process when that raises (an import of JAX does), and what raises inside a callback
of the garbage collector is lost. A timer looks until there is such a place, and goes on looking in
case `Stopped` is lost all the same. Where there is none for a while, the process is left at once,
as it is at a second signal, or where no command is at work yet: what is on disk is whole at every
moment. A thread sees to that, for the main thread may be inside a long compilation.

Nothing else is imported here: the sooner a signal is listened to the better.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BROKEN_PIPE = 128 + signal.SIGPIPE

# How often a place is looked for, and how long.
_INTERVAL = 0.02
_PATIENCE = 1.0

_OWN = "jaxnas"
_WAITING = ("threading", "queue")

_SHOW_CURSOR = "\x1b[?25h"  # a bar hides it


class Stopped(BaseException):
    """A signal asked the process to stop; raised in the main thread wherever it is."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class _Process:
    """What this process does about signals."""

    at_work = False
    signum = 0  # the first that came while at work
    raised = False
    last_words = "stopped"
    said = threading.Lock()  # held by who says them, for they are said once


def listen() -> None:
    """Makes Ctrl-C and SIGTERM end this process, unless it was started to ignore them.

    Signals that were held back while the process started itself again are let in at the end.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, signal.SIGALRM))
    pipe, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    for signum in SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, _hear)
    signal.signal(signal.SIGALRM, _raise_in_own_code)
    sys.unraisablehook = _without_stopped(sys.unraisablehook)
    # With the signals blocked, so that they go to the main thread alone.
    threading.Thread(target=_watch, args=(pipe,), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*SIGNALS, signal.SIGALRM))


def until_stopped(work: Callable[[], int], last_words: str) -> int:
    """The exit status of some work, or 128 + N with the last words where signal N stopped it."""
    _Process.last_words = last_words
    _Process.said = threading.Lock()
    try:
        try:
            _Process.at_work = True
            status = work()
        finally:
            _Process.at_work = False
    except Stopped as stopped:
        return _stopped(stopped.signum)
    except Exception:
        # A library that meets `Stopped` in a callback raises an error of its own instead.
        if not _Process.signum:
            raise
        return _stopped(_Process.signum)
    return _stopped(_Process.signum) if _Process.signum else status


def raise_if_asked() -> None:
    """Raises `Stopped` if a signal has come for which there has been no place yet."""
    if _Process.at_work and _Process.signum:
        _Process.raised = True
        raise Stopped(_Process.signum)


def leave(status: int) -> None:
    """Ends the process; after a signal without waiting for threads, which may compile for long."""
    flushed = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            flushed = False
    # What cannot be flushed now, Python would try once more and complain about.
    if status > 128 or not flushed:
        os._exit(status)
    sys.exit(status)


def _hear(signum: int, frame: FrameType | None) -> None:
    """The handler of a signal; the second one is the thread's."""
    if _Process.signum:
        return
    if not _Process.at_work:
        _leave_at_once(signum)
    _Process.signum = signum
    if _is_terminal():
        _write("stopping after the cells in hand (once more: at once)")
    _raise_in_own_code(signum, frame)


def _raise_in_own_code(_: int, frame: FrameType | None) -> None:
    """Raises `Stopped`, unless it is on its way up already or this is no place for it."""
    error = sys.exception()
    while error is not None:
        if isinstance(error, Stopped):
            return
        error = error.__context__
    if _is_own_code(frame):
        raise_if_asked()


def _is_own_code(frame: FrameType | None) -> bool:
    """Whether the library's code is running, or waits for a thread, and imports nothing."""
    modules = []
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return False
        if frame.f_globals is not globals():  # this may have been interrupted itself
            modules.append(str(frame.f_globals.get("__name__", "")).partition(".")[0])
        frame = frame.f_back
    return next((name for name in modules if name not in _WAITING), "") == _OWN


def _without_stopped(hook: Callable[[Any], Any]) -> Callable[[Any], None]:
    """A hook for errors that nobody can catch, which is silent about `Stopped`: it comes again."""

    def told(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, Stopped):
            hook(unraisable)

    return told


def _watch(pipe: int) -> None:
    """Leaves at once at the second signal, or where the first has had no effect for a while.

    Args:
        pipe: from where the numbers of all signals are read as they come, the timer's too.
    """
    heard: list[int] = []
    deadline = math.inf
    while len(heard) < 2 and (_Process.raised or time.monotonic() < deadline):
        new = [number for number in os.read(pipe, 64) if number in SIGNALS]
        if new and not heard:
            deadline = time.monotonic() + _PATIENCE
            signal.setitimer(signal.ITIMER_REAL, _INTERVAL, _INTERVAL)
        heard += new
    _leave_at_once(heard[0])


def _leave_at_once(signum: int) -> None:
    """Ends the process with the last words, from any thread."""
    if _Process.said.acquire(blocking=False):
        _write((_SHOW_CURSOR if _is_terminal() else "") + _Process.last_words)
    else:
        time.sleep(_PATIENCE)  # another thread is saying them, and leaves
    os._exit(128 + signum)


def _stopped(signum: int) -> int:
    """Says the last words, the work being cleared up; the exit status."""
    _Process.at_work = False
    if _Process.said.acquire(blocking=False) and sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(_Process.last_words, file=sys.stderr, flush=True)
    return 128 + signum


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _write(line: str) -> None:
    """Writes a line to stderr past Python's buffer, which the signal may have come in the midst of.

    Where the process has no stderr, descriptor 2 may be any file.
    """
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            os.write(2, f"{line}\n".encode())
