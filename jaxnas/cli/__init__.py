"""The command line: `jaxnas score`, `top`, `merge`, `proxies`, `search`."""

from jaxnas.cli.entry import main

__all__ = ["main"]
