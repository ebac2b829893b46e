"""How networks are compiled, spread over devices, resumed and kept: a function on functions."""

from jaxnas.results import SCORES_FILE
from jaxnas.scoring.run import ALL, COLUMNS, COUNTS, read_table, score
from jaxnas.scoring.settings import Settings

__all__ = ["ALL", "COLUMNS", "COUNTS", "SCORES_FILE", "Settings", "read_table", "score"]
