"""The command line, `jaxnas`: one file a command, and what they share."""

from jaxnas.cli.entry import main

__all__ = ["main"]
