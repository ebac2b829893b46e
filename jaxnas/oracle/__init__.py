"""Accuracies of trained cells: the only part of the library that knows them.

`read` opens the official NATS-Bench archive or a table, `from_api` an open `nats_bench` API;
both give an `Oracle`.
"""

from jaxnas.oracle.reading import from_api, read
from jaxnas.oracle.table import DATASETS, EPOCHS, SPLITS, Oracle, OracleError

__all__ = ["DATASETS", "EPOCHS", "SPLITS", "Oracle", "OracleError", "from_api", "read"]
