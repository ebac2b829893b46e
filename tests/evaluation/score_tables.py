"""Tables of scores with the metadata of a run, for the tests of evaluations."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]

from jaxnas import evaluation
from jaxnas.spaces import nb201

CELLS = np.arange(nb201.NUM_CELLS)
CONNECTED = nb201.is_connected(nb201.cell_ops())
ARCHS = np.array([nb201.index_to_arch(cell) for cell in CELLS])
SETTINGS = {"space": "nb201", "channels": 16, "depth": 5, "num_classes": 10, "image_size": 32}


def score_table(cells: Any, seeds: int = 1, **scores: Any) -> pa.Table:
    """A table of scores, each [n], or [S, n] where there are several seeds."""
    cells = np.asarray(cells)
    columns = {
        "cell": np.tile(cells, seeds),
        "arch": ARCHS[cells].tolist() * seeds,
        "function": np.tile(nb201.representatives()[cells], seeds),
        "seed": np.repeat(np.arange(seeds), len(cells)),
        "status": np.tile(np.where(CONNECTED[cells], "ok", "disconnected"), seeds),
    }
    scored = {name: np.ravel(values) for name, values in scores.items()}
    return with_settings(pa.table({**columns, **scored}))


def with_settings(table: pa.Table, **changes: Any) -> pa.Table:
    """The table with the metadata that a run leaves, as far as an evaluation reads them."""
    return table.replace_schema_metadata({"jaxnas.settings": json.dumps(SETTINGS | changes)})


def rows(found: evaluation.Evaluation) -> dict[str, dict[str, Any]]:
    return dict(zip(found.labels, found.table.to_pylist(), strict=True))


ACCURACY = 60 + 30 * np.random.default_rng(5).random(nb201.NUM_CELLS)
