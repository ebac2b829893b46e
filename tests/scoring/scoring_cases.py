"""What the tests of scoring share: some cells, a small network, and how tables are compared."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from small import SMALL

import jaxnas
from jaxnas.spaces import nb201

PARTS = "parts/*.parquet"
QUICK = ("js", "pjs", "gradient_value")


def index(*ops: int) -> int:
    return nb201.ops_to_index(ops)


DISCONNECTED = index(0, 3, 0, 0, 0, 0)
PLAIN = index(3, 0, 0, 2, 4, 0)
OTHER = index(2, 1, 0, 0, 1, 4)
# Node 3 is one convolution of the input, by three ways.
EQUAL = (index(3, 0, 0, 0, 1, 0), index(0, 0, 0, 3, 0, 0), index(0, 3, 0, 0, 2, 1))
CELLS = (PLAIN, OTHER, *EQUAL, DISCONNECTED)


def rows(
    table: pa.Table, columns: Sequence[str] = (), keys: Sequence[str] = ("cell", "seed")
) -> dict[tuple[Any, ...], dict[str, Any]]:
    chosen = table.select([*keys, *columns]) if columns else table
    return {tuple(row[key] for key in keys): row for row in chosen.to_pylist()}


def score(images, cells, names, batch_size=6, **options) -> pa.Table:
    return jaxnas.score(
        cells, names, dataset=images, **(SMALL | {"batch_size": batch_size} | options)
    )


def assert_close(found: pa.Table, wanted: pa.Table, rtol=1e-6, keys=("cell", "seed")):
    found, wanted = rows(found, keys=keys), rows(wanted, keys=keys)
    assert found.keys() == wanted.keys()
    for at, row in found.items():
        for name, value in row.items():
            if isinstance(value, float):
                np.testing.assert_allclose(
                    value, wanted[at][name], rtol=rtol, err_msg=f"{at} {name}"
                )
            else:
                assert value == wanted[at][name]


def same_bytes(a: pa.Table, b: pa.Table) -> bool:
    def to_bytes(table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        return sink.getvalue().to_pybytes()

    return to_bytes(a) == to_bytes(b)
