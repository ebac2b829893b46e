"""jaxnas: scores neural architectures before any training, in JAX.

`jaxnas.score` scores architectures of a search space; `jaxnas.proxies` scores any model. Importing
the library changes nothing in the process.
"""

from jaxnas import lazy as _lazy

# As in `typing`, which takes longer to import than all that a command needs to listen to signals.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from jaxnas import (
        data,
        estimators,
        evaluation,
        networks,
        oneshot,
        oracle,
        pipelines,
        plots,
        proxies,
        references,
        reports,
        results,
        scoring,
        search,
        spaces,
        training,
    )
    from jaxnas.evaluation import evaluate
    from jaxnas.results import best
    from jaxnas.scoring import Settings, merge, plan, read_table, score
    from jaxnas.version import __version__

__all__ = [
    "Settings",
    "__version__",
    "best",
    "data",
    "estimators",
    "evaluate",
    "evaluation",
    "merge",
    "networks",
    "oneshot",
    "oracle",
    "pipelines",
    "plan",
    "plots",
    "proxies",
    "read_table",
    "references",
    "reports",
    "results",
    "score",
    "scoring",
    "search",
    "spaces",
    "training",
]

_MODULES = (
    "data",
    "estimators",
    "evaluation",
    "networks",
    "oneshot",
    "oracle",
    "pipelines",
    "plots",
    "proxies",
    "references",
    "reports",
    "results",
    "scoring",
    "search",
    "spaces",
    "training",
)

__getattr__, __dir__ = _lazy.attach(
    __name__,
    {
        **{name: f"jaxnas.{name}" for name in _MODULES},
        "Settings": "jaxnas.scoring.settings",
        "__version__": "jaxnas.version",
        "best": "jaxnas.results",
        "evaluate": "jaxnas.evaluation",
        "merge": "jaxnas.scoring.tables",
        "plan": "jaxnas.scoring.planning",
        "read_table": "jaxnas.scoring.tables",
        "score": "jaxnas.scoring.run",
    },
)
