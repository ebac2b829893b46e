"""The command `jaxnas`: its commands, and how every one of them ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from jaxnas.cli.commands.draw import draw
from jaxnas.cli.commands.evaluate import evaluate
from jaxnas.cli.commands.merge import merge
from jaxnas.cli.commands.oracle import oracle
from jaxnas.cli.commands.score import score
from jaxnas.cli.commands.train import train
from jaxnas.cli.searching import search
from jaxnas.cli.showing import proxies, top
from jaxnas.cli.terminal import messages as errors
from jaxnas.engine import environment as process
from jaxnas.version import __version__

# Commands that go on where they were stopped.
RESUMED = ("score", "train", "oracle")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="jaxnas")
def jaxnas() -> None:
    """Scores neural architectures before any training.

    jaxnas score runs the main job: cells of NAS-Bench-201 by many zero-shot proxies. jaxnas
    evaluate says how well each proxy ranks them.
    """


for command in (score, top, merge, proxies, oracle, evaluate, search, train, draw):
    jaxnas.add_command(command)


def main() -> None:
    """Runs the command of this process, and ends it with its exit status."""
    errors.stop_on_signals()
    status = run(sys.argv[1:], start=process.restart)
    if status > 128:
        errors.leave_at_once(status)
    sys.exit(status)


def run(arguments: Sequence[str], start: process.Start | None = None) -> int:
    """Runs a command, with errors as one line.

    Args:
        arguments: of the command line, without the program's name.
        start: called before JAX is imported, may replace the process.

    Returns:
        The exit status: 0, 2 on bad usage or input, 128 + N after signal N.
    """
    try:
        with errors.one_line_warnings():
            status = jaxnas.main(
                list(arguments) or ["--help"], prog_name="jaxnas", standalone_mode=False, obj=start
            )
        return status if isinstance(status, int) else 0
    except errors.Stopped as stopped:
        onward = "; the same command goes on from here" if _resumed(arguments) else ""
        click.echo(f"stopped{onward}", err=True)
        return stopped.exit_status
    except (click.ClickException, ValueError, OSError, MemoryError) as error:
        if os.environ.get("JAXNAS_TRACEBACK", "") not in ("", "0"):
            raise
        click.echo(errors.PREFIX + errors.sentence(error), err=True)
        return errors.USAGE


def _resumed(arguments: Sequence[str]) -> bool:
    """Whether the command goes on where it was stopped; a search does if it trains."""
    trains = any(argument.split("=")[0] in ("--train", "--space") for argument in arguments)
    return arguments[0] in RESUMED or trains
