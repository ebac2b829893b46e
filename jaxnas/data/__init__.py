"""Image data: read once, checked once, served as one fixed batch per seed."""

from jaxnas.data.datasets import SOURCES, Source, data_folder, digits, load, names, read_npz
from jaxnas.data.images import (
    DataError,
    Images,
    channel_statistics,
    check_side,
    normalise,
    random_order,
)
from jaxnas.data.naming import named
from jaxnas.data.pickles import UnsafePickleError, read_batch

__all__ = [
    "SOURCES",
    "DataError",
    "Images",
    "Source",
    "UnsafePickleError",
    "channel_statistics",
    "check_side",
    "data_folder",
    "digits",
    "load",
    "named",
    "names",
    "normalise",
    "random_order",
    "read_batch",
    "read_npz",
]
