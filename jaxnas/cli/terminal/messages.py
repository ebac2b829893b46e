"""How the command line speaks of what went wrong: one line, and an exit status."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from types import FrameType

import click

PREFIX = "jaxnas: error: "
USAGE = 2


class Stopped(BaseException):
    """A signal asked the process to stop; raised in the main thread wherever it is."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit_status = 128 + signum


def sentence(error: Exception) -> str:
    """An error in one line, without its type."""
    if isinstance(error, click.UsageError):
        text = error.format_message().rstrip(".")
        where = error.ctx.command_path if error.ctx else "jaxnas"
        text = f"{text}; see {where} --help"
    elif isinstance(error, click.ClickException):
        text = error.format_message()
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


@contextlib.contextmanager
def one_line_warnings() -> Iterator[None]:
    """Shows each warning as one line on stderr, without the line of code it came from."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        click.echo(f"jaxnas: warning: {' '.join(str(message).split())}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def stop_on_signals() -> None:
    """Makes Ctrl-C and SIGTERM raise `Stopped`, unless the process was started to ignore them."""

    def stop(signum: int, _: FrameType | None) -> None:
        if sys.stderr.isatty():
            click.echo("stopping after the cells in hand (once more: at once)", err=True)
        raise Stopped(signum)

    for signum in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, stop)


def leave_at_once(status: int) -> None:
    """Ends the process without waiting for threads that may be inside a long compilation."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
