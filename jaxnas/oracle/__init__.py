"""Accuracies of trained cells: the only part of the library that knows them.

`read` opens the official NATS-Bench archive or a table, `from_api` an open `nats_bench` API;
both give an `Oracle`.
"""

from typing import TYPE_CHECKING

from jaxnas import lazy as _lazy

if TYPE_CHECKING:
    from jaxnas.oracle.reading import from_api, read
    from jaxnas.oracle.table import DATASETS, EPOCHS, SPLITS, Oracle, OracleError

__all__ = ["DATASETS", "EPOCHS", "SPLITS", "Oracle", "OracleError", "from_api", "read"]

_HOMES = {
    "table": ("DATASETS", "EPOCHS", "SPLITS", "Oracle", "OracleError"),
    "reading": ("from_api", "read"),
}

__getattr__, __dir__ = _lazy.attach(
    __name__, {name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names}
)
