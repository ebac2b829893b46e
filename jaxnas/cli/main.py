"""How the command `jaxnas` begins and ends.

Signals are listened to first: what a command needs is imported after that, and until then Python's
own handler is there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

USAGE = 2


def main() -> None:
    """Runs the command of this process, and ends it with its exit status."""
    try:
        from jaxnas.cli.terminal import stopping

        stopping.listen()
    except KeyboardInterrupt:
        os.write(2, b"stopped\n")
        os._exit(130)
    stopping.leave(run(sys.argv[1:], start=_restart))


def run(arguments: Sequence[str], start: Callable[[int | None], None] | None = None) -> int:
    """Runs a command, with errors as one line.

    Args:
        arguments: those of the command line, without the program's name.
        start: it is called before JAX is imported, and may replace the process.

    Returns:
        The exit status: 0, 2 on bad usage or input, 128 + N after signal N, 141 where nobody reads
        what is printed any more.
    """
    import click

    from jaxnas.cli import renamed
    from jaxnas.cli.group import RESUMED, jaxnas
    from jaxnas.cli.terminal import messages, stopping

    def work() -> int:
        renamed.check(arguments)
        with messages.one_line_warnings():
            status = jaxnas.main(
                list(arguments) or ["--help"], prog_name="jaxnas", standalone_mode=False, obj=start
            )
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk is an error of the command
        return status if isinstance(status, int) else 0

    resumed = bool(arguments) and arguments[0] in RESUMED
    onward = "; the same command goes on from here" if resumed else ""
    try:
        return stopping.until_stopped(work, f"stopped{onward}")
    except (BrokenPipeError, SystemExit):  # click and rich exit where stdout is closed
        return stopping.BROKEN_PIPE
    except (click.ClickException, ValueError, OSError, MemoryError) as error:
        if os.environ.get("JAXNAS_TRACEBACK", "") not in ("", "0"):
            raise
        messages.show_error(error)
        return USAGE


def _restart(devices: int | None) -> None:
    """Starts the process again as computing needs it, unless it was asked to stop."""
    from jaxnas.cli.terminal import stopping
    from jaxnas.engine import environment

    environment.restart(devices, stopping.raise_if_asked)
