"""Results on disk: records, the folder they are kept in, the finished table, joining folders."""

from jaxnas.proxies.derived import REQUIRES, with_bases
from jaxnas.results.finished import SCORES_FILE, median_seconds, read_finished, settings_of
from jaxnas.results.folder import Folder
from jaxnas.results.manifest import JSON, Manifest, Request
from jaxnas.results.merge import Merged, merge
from jaxnas.results.records import Record, ResultsError, to_table
from jaxnas.results.table import assemble, used_noise_range, write_table

__all__ = [
    "JSON",
    "REQUIRES",
    "SCORES_FILE",
    "Folder",
    "Manifest",
    "Merged",
    "Record",
    "Request",
    "ResultsError",
    "assemble",
    "median_seconds",
    "merge",
    "read_finished",
    "settings_of",
    "to_table",
    "used_noise_range",
    "with_bases",
    "write_table",
]
