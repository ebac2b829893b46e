"""The scores of NAS-Bench-201's cells as they were when the table beside this was made.

`golden_nb201.parquet` is of `jaxnas score` on digits, float64, with the settings in its metadata,
by the code before spaces had a protocol. A change that moves these numbers changes what a score is.
"""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import jaxnas
from jaxnas.results import settings_of
from jaxnas.results.table import score_columns

GOLDEN = pq.read_table(Path(__file__).with_name("golden_nb201.parquet"))


@pytest.fixture(scope="module")
def found():
    settings = settings_of(GOLDEN)
    return jaxnas.score(
        sorted(set(GOLDEN["cell"].to_pylist())),
        score_columns(GOLDEN),
        dataset="digits",
        seeds=sorted(set(GOLDEN["seed"].to_pylist())),
        **{
            name: settings[name]
            for name in ("channels", "depth", "batch_size", "dtype", "bn", "init", "merge")
        },
    )


def test_counts_statuses_and_functions_are_the_same(found):
    for name in ("cell", "arch", "function", "seed", "status", "params", "flops"):
        assert found[name].to_pylist() == GOLDEN[name].to_pylist(), name
    assert set(found["status"].to_pylist()) == {"ok", "disconnected"}


@pytest.mark.parametrize("name", [n for n in score_columns(GOLDEN) if n not in ("params", "flops")])
def test_scores_are_the_same_to_a_millionth(found, name):
    np.testing.assert_allclose(found[name].to_numpy(), GOLDEN[name].to_numpy(), rtol=1e-6)


def test_the_settings_are_those_of_the_golden_table(found):
    assert settings_of(found) == settings_of(GOLDEN)
