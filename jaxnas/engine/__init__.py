"""How networks are compiled, spread over devices, resumed and kept: a function on functions."""

from jaxnas.engine.scoring import ALL, COLUMNS, COUNTS, read_table, score
from jaxnas.engine.settings import Settings
from jaxnas.results import SCORES_FILE

__all__ = ["ALL", "COLUMNS", "COUNTS", "SCORES_FILE", "Settings", "read_table", "score"]
