"""Results on disk: records, the folder they are kept in, the finished table, joining runs."""

from jaxnas.results.files import ResultsError
from jaxnas.results.finished import SCORES_FILE, median_seconds, read_finished
from jaxnas.results.folder import Folder
from jaxnas.results.identity import JSON
from jaxnas.results.manifest import Manifest, Request
from jaxnas.results.ranking import Ranked, best
from jaxnas.results.records import Record
from jaxnas.results.table import settings_of, space_of, used_constant

__all__ = [
    "JSON",
    "SCORES_FILE",
    "Folder",
    "Manifest",
    "Ranked",
    "Record",
    "Request",
    "ResultsError",
    "best",
    "median_seconds",
    "read_finished",
    "settings_of",
    "space_of",
    "used_constant",
]
