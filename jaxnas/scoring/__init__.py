"""Scores architectures before any training: compiled, spread over devices, resumed.

`score` needs JAX, which is imported when it is first used; reading and joining tables does not.
"""

from typing import TYPE_CHECKING

from jaxnas import lazy

if TYPE_CHECKING:
    from jaxnas.scoring.planning import Plan, plan
    from jaxnas.scoring.run import score
    from jaxnas.scoring.settings import Settings
    from jaxnas.scoring.tables import merge, read_table

__all__ = ["Plan", "Settings", "merge", "plan", "read_table", "score"]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "Plan": "jaxnas.scoring.planning",
        "Settings": "jaxnas.scoring.settings",
        "merge": "jaxnas.scoring.tables",
        "plan": "jaxnas.scoring.planning",
        "read_table": "jaxnas.scoring.tables",
        "score": "jaxnas.scoring.run",
    },
)
