"""The commands of `jaxnas`: each is imported when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from jaxnas.checks import unknown
from jaxnas.version import __version__

# Each command with one line about it, so that the help need not import the commands.
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Score architectures before training": {
        "score": "Score architectures before any training.",
        "top": "Show the best architectures of a scored folder.",
        "merge": "Join folders that were scored on several machines.",
        "cite": "Print BibTeX of exactly what a folder's run used.",
    },
    "Search and train on images": {
        "search": "Search for an architecture on images.",
        "train": "Train architectures on images.",
    },
    "Compare with a benchmark's accuracies": {
        "oracle": "Show what a table of accuracies holds.",
        "evaluate": "Say how well scores rank architectures.",
        "simulate": "Run searches whose trainings are looked up in a table.",
    },
    "See what there is": {
        "proxies": "List every score.",
        "spaces": "List the search spaces.",
        "draw": "Draw an architecture as a picture.",
    },
}

# Commands that go on where they were stopped.
RESUMED = ("score", "train", "oracle", "search")


class Commands(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of the help."""
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name, None where there is no such command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"jaxnas.cli.commands.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click's, with the nearest name in the error.

        Raises:
            ValueError: there is no such command.
        """
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            raise ValueError(unknown("command", args[0], known))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands into the help, by what they are for."""
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(section.items()))


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: jaxnas score --cells random:16",
)
@click.version_option(__version__, prog_name="jaxnas")
def jaxnas() -> None:
    """Scores neural architectures before any training.

    A score (a zero-shot proxy) is computed from an untrained network, in a fraction of a second,
    and is meant to rank architectures as training would. `jaxnas COMMAND --help` explains a
    command.
    """
