"""jaxnas: scores neural architectures before any training, in JAX.

`jaxnas.score` scores cells of NAS-Bench-201; `jaxnas.proxies` scores any model.
Importing the library changes nothing in the process.
"""

from jaxnas import proxies
from jaxnas.engine import Settings, read_table, score
from jaxnas.version import __version__

__all__ = ["Settings", "__version__", "proxies", "read_table", "score"]
