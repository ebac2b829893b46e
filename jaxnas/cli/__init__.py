"""The command line: `jaxnas score`, `top`, `merge`, `oracle`, `evaluate`, `proxies`."""

from jaxnas.cli.entry import main

__all__ = ["main"]
