"""The command line, `jaxnas`: one file a command, and what they share."""

from jaxnas.cli.main import main

__all__ = ["main"]
