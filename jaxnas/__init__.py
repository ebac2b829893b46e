"""jaxnas: scores neural architectures before any training, in JAX.

`jaxnas.score` scores cells of NAS-Bench-201; `jaxnas.proxies` scores any model.
Importing the library changes nothing in the process.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxnas import estimators, evaluation, oracle, proxies, search, training
    from jaxnas.scoring import Settings, read_table, score
    from jaxnas.version import __version__

__all__ = [
    "Settings",
    "__version__",
    "estimators",
    "evaluation",
    "oracle",
    "proxies",
    "read_table",
    "score",
    "search",
    "training",
]

_MODULES = ("estimators", "evaluation", "oracle", "proxies", "search", "training")
_HOME = {
    "Settings": "jaxnas.scoring",
    "read_table": "jaxnas.scoring",
    "score": "jaxnas.scoring",
    "__version__": "jaxnas.version",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used: `jaxnas --help` need not wait for JAX."""
    if name in _MODULES:
        return importlib.import_module(f"jaxnas.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'jaxnas' has no attribute {name!r}")
