"""Genotypes of the DARTS space scored by the engine, against the plain call on their networks."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain_genotype import plain_params
from scoring_cases import assert_close

import jaxnas
from jaxnas import proxies
from jaxnas.networks.darts import EvaluationNetwork
from jaxnas.proxies import usage
from jaxnas.results import ResultsError
from jaxnas.scoring import Settings
from jaxnas.spaces import SPACES, Sizes
from jaxnas.spaces.darts import parse_genotype
from jaxnas.types import Tensor

SPACE = SPACES["darts"]
SIZES = Sizes(4, 3)
NAMES = ("js", "pjs", "wpjs", "wpjsi_nz")
OPTIONS: dict[str, Any] = {"space": "darts", "channels": 4, "depth": 3, "batch_size": 6}
ARCHS = SPACE.draw(2, 1)


def score(images, cells, names, **options):
    return jaxnas.score(cells, names, dataset=images, **(OPTIONS | options))


@pytest.fixture(scope="module")
def table(tiny):
    return score(tiny, ARCHS, [*NAMES, "params", "flops"], dtype="float64")


@pytest.mark.slow
def test_equals_the_plain_call(table, tiny):
    row = 1
    arch = table["arch"][row].as_py()
    settings = Settings(**OPTIONS, dtype="float64")
    genotype = parse_genotype(SPACE.functions([arch])[0])
    with jax.enable_x64(True):
        network = settings.network(10, 8, "batch")
        draw = network.initial(jax.devices()[0])
        code = network.code(str(genotype))
        params = plain_params(genotype, SIZES, draw(0, SPACE.stream(str(genotype)), code))
        plain = EvaluationNetwork(genotype, 10, *SIZES, dtype=jnp.float64)
        stats = plain.init(jax.random.key(0), jnp.zeros((2, 8, 8, 3)))["batch_stats"]

        def apply(params, x):
            return plain.apply({**params, "batch_stats": stats}, x, train=True)[0]

        x, y = tiny.batch(6, 0, dtype=np.float64)
        first = ("pointwise", "depthwise", "even", "odd")
        order = usage.tensors(apply, params, x)
        assert order == tuple(
            Tensor(path, output_axis=0 if path[-1].startswith(first) else -1) for path, *_ in order
        )
        wanted = proxies.score(list(NAMES), apply, params, x, y)
        leaves = sum(leaf.size for leaf in jax.tree.leaves(params))
    for name in NAMES:
        np.testing.assert_allclose(table[name][row].as_py(), wanted[name], rtol=1e-5, err_msg=name)
    assert table["params"][row].as_py() == leaves


def test_columns_of_a_space_without_indices(table):
    assert table["cell"].to_pylist() == [None, None]
    assert table["function"].to_pylist() == list(SPACE.functions(table["arch"].to_pylist()))
    assert sorted(table["arch"].to_pylist()) == sorted(ARCHS)
    assert set(table["status"].to_pylist()) == {"ok"}


def test_scores_do_not_depend_on_neighbours_and_folders_go_on(table, tiny, tmp_path):
    ask = [*NAMES, "params"]
    score(tiny, ARCHS[:1], ask, dtype="float64", out=tmp_path)
    totals = []
    whole = score(
        tiny, ARCHS, ask, dtype="float64", out=tmp_path, progress=lambda _, n: totals.append(n)
    )
    assert set(totals) == {1}
    columns = ["arch", "seed", "status", "js", "params"]
    assert_close(whole.select(columns), table.select(columns), keys=("arch", "seed"))
    assert [one.cell for one in jaxnas.best(whole, "js+params")] == [None, None]
    with pytest.raises(ResultsError, match='space "darts"; this run asks for'):
        jaxnas.score([3], "params", dataset=tiny, out=tmp_path, batch_size=6)
