"""Scoring against the plain call, network by network."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scoring_cases import (
    CELLS,
    DISCONNECTED,
    EQUAL,
    OTHER,
    PLAIN,
    QUICK,
    assert_close,
    rows,
    same_bytes,
    score,
)
from scoring_process import finished, in_process
from small import SMALL

from jaxnas import proxies, spaces
from jaxnas.networks.nb201.initial import InitialParameters
from jaxnas.networks.nb201.network import CellNetwork, Network, cell_parameters
from jaxnas.proxies import catalogue
from jaxnas.results import settings_of
from jaxnas.scoring import Settings
from jaxnas.scoring.jobs import networks
from jaxnas.scoring.programs import ScoringPrograms, _program, _reduction, scoring_passes
from jaxnas.spaces import nb201

NAMES = [name for name in catalogue.names("proxy")]
COLUMNS = catalogue.names()
ARCHS = spaces.DEFAULT.arch


@pytest.fixture(scope="module")
def whole(images):
    """Every score of the catalogue and every derived one, in float64, with the paper's modes."""
    return score(images, CELLS, COLUMNS, batch_size=50, dtype="float64", seeds=(0, 3))


GOLDEN = pq.read_table(Path(__file__).with_name("golden_nb201.parquet"))
"""What the code before spaces had a protocol made of `whole`; what moves it changes a score."""


def test_the_golden_table_has_these_settings_counts_and_statuses(whole):
    assert settings_of(whole) == settings_of(GOLDEN)
    assert whole.column_names == GOLDEN.column_names
    for name in ("cell", "arch", "function", "seed", "status", "params", "flops"):
        assert whole[name].to_pylist() == GOLDEN[name].to_pylist(), name


@pytest.mark.parametrize("name", [name for name in COLUMNS if name not in ("params", "flops")])
def test_scores_are_the_golden_ones_to_a_millionth(whole, name):
    np.testing.assert_allclose(whole[name].to_numpy(), GOLDEN[name].to_numpy(), rtol=1e-6)


def plainly(images, cell, seed, names, batch_size, **options) -> dict[str, float]:
    """The scores of one cell by `proxies.score` on its own network."""
    settings = Settings(**(SMALL | {"batch_size": batch_size, "dtype": "float64"} | options))
    cell = int(nb201.representatives()[cell])
    ops = tuple(nb201.live_ops(nb201.cell_ops()[cell]).tolist())
    stream = cell if settings.weights == "independent" else 0
    size = images.x_train.shape[1]
    with jax.enable_x64(True):
        network = Network(dtype=jnp.float64, init_scheme=settings.init, **SMALL)
        draw = InitialParameters(network, size, jax.devices()[0])
        params = cell_parameters(draw(seed, stream, np.asarray(ops)), ops)
        x, y = images.batch(batch_size, seed, dtype=np.float64)
        found = {}
        for bn in {settings.bn_of(name) for name in names}:
            of_mode = [name for name in names if settings.bn_of(name) == bn]
            asked = [
                catalogue.make(name, together=True)
                if bn == "batch" and catalogue.entry(name).bn == "example"
                else proxies.make(name)
                for name in of_mode
            ]
            apply = CellNetwork(ops=ops, bn=bn, dtype=jnp.float64, **SMALL).apply
            found |= proxies.score(asked, apply, params, x, y, seed=seed)
    return found


@pytest.mark.parametrize(
    ("cell", "seed", "names"),
    [
        (PLAIN, 3, NAMES),
        pytest.param(
            *(OTHER, 0, ["js", "jsc_n10", "wpjsi", "pjsc", "gradient_correlation"]),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_equals_the_plain_call(whole, images, cell, seed, names):
    wanted = plainly(images, cell, seed, names, 50)
    row = rows(whole)[cell, seed]
    for name in names:
        np.testing.assert_allclose(row[name], wanted[name], rtol=1e-5, err_msg=name)
    assert row["status"] == "ok"
    assert row["function"] == nb201.representatives()[cell]


@pytest.mark.parametrize(
    "options",
    [
        {"bn": "batch"},
        pytest.param({"bn": "frozen", "init": "he", "weights": "shared"}, marks=pytest.mark.slow),
    ],
    ids=["batch", "frozen"],
)
def test_equals_the_plain_call_with_other_settings(tiny, options):
    names = ["gradient_trace", "gradient_kernel", "pjs"]
    table = score(tiny, [OTHER], names, dtype="float64", **options)
    wanted = plainly(tiny, OTHER, 0, names, 6, **options)
    for name in names:
        np.testing.assert_allclose(rows(table)[OTHER, 0][name], wanted[name], rtol=1e-6)


def test_disconnected_and_merged_rows(whole):
    found, ops = rows(whole), nb201.cell_ops()[DISCONNECTED]
    for seed in (0, 3):
        row = found[DISCONNECTED, seed]
        assert row["status"] == "disconnected"
        assert row["params"] == nb201.num_params(ops, **SMALL)
        assert row["flops"] == nb201.num_flops(ops, image_size=16, **SMALL)
        assert all(np.isnan(row[name]) for name in COLUMNS if name not in ("params", "flops"))
        equal = [found[cell, seed] for cell in EQUAL]
        for name in COLUMNS:
            if name not in ("params", "flops"):
                assert len({row[name] for row in equal}) == 1, name
        function = nb201.representatives()[EQUAL[0]]
        assert {row["function"] for row in equal} == {function}
    # Seeds and functions differ in every score.
    for name in NAMES:
        values = [found[cell, seed][name] for cell in (PLAIN, OTHER, EQUAL[0]) for seed in (0, 3)]
        assert len(set(values)) == 6, name
        assert np.isfinite(values).all(), name


def test_order_and_neighbours_do_not_matter(whole, images):
    alone = score(
        images,
        [DISCONNECTED, *reversed(EQUAL), OTHER, PLAIN],
        [*COLUMNS],
        batch_size=50,
        dtype="float64",
        seeds=(3, 0),
    )
    assert same_bytes(alone, whole)
    one = score(images, OTHER, ["js", "pjs"], batch_size=50, dtype="float64", seeds=(3,))
    row = rows(one)[OTHER, 3]
    for name in ("js", "pjs"):
        assert row[name] == pytest.approx(rows(whole)[OTHER, 3][name], rel=1e-6)


def test_devices_do_not_matter(tiny, cache):
    cells, names = [PLAIN, OTHER, *EQUAL], ["js"]
    asked = {"cells": cells, "proxies": names, "dtype": "float64", "merge": False}
    flags = "--xla_force_host_platform_device_count=2"
    devices, total, table = finished(in_process(asked, cache, flags))
    assert (devices, total) == (2, 5)
    assert_close(
        pa.Table.from_pylist(table), score(tiny, cells, names, dtype="float64", merge=False)
    )


def test_float32_gives_the_same_bytes(tiny):
    cells = [PLAIN, OTHER, *EQUAL]
    asked = partial(score, tiny, cells, QUICK, merge=False, seeds=(0, 1))
    first = asked()
    assert same_bytes(first, asked())


def test_unmerged_cells_have_keys_of_their_own(tiny):
    found = rows(score(tiny, EQUAL[:2], QUICK, merge=False))
    assert found[EQUAL[0], 0]["js"] != found[EQUAL[1], 0]["js"]
    shared = rows(score(tiny, [*EQUAL[:2], OTHER], QUICK, weights="shared"))
    assert shared[EQUAL[0], 0]["js"] == shared[EQUAL[1], 0]["js"] != shared[OTHER, 0]["js"]


def test_shared_weights_are_those_of_one_stream():
    network = Network(**SMALL)
    draw = InitialParameters(network, 8, jax.devices()[0])
    a, b = (draw(0, 0, np.array(ops)) for ops in ((3, 3, 3, 3, 3, 3), (3, 2, 0, 3, 1, 4)))
    edges_a, edges_b = a["params"]["stage1_cell0"], b["params"]["stage1_cell0"]
    kernel = lambda edges, e, conv="conv3x3": np.asarray(edges[f"edge{e}"][conv]["kernel"])  # noqa: E731
    np.testing.assert_array_equal(kernel(edges_a, 0), kernel(edges_b, 0))
    np.testing.assert_array_equal(kernel(edges_a, 3), kernel(edges_b, 3))
    assert not kernel(edges_b, 1).any()
    assert kernel(edges_b, 1, "conv1x1").any()
    assert not np.array_equal(kernel(edges_a, 0), kernel(edges_a, 1))
    for other in (draw(0, 1, np.full(6, 3)), draw(1, 0, np.full(6, 3))):
        assert not np.array_equal(kernel(edges_a, 0), kernel(other["params"]["stage1_cell0"], 0))


@pytest.mark.slow
def test_bn_is_part_of_a_score(tiny):
    found = {
        bn: rows(score(tiny, [OTHER], ["js", "gradient_kernel"], bn=bn))[OTHER, 0]
        for bn in ("paper", "batch")
    }
    assert found["paper"]["js"] == pytest.approx(found["batch"]["js"], rel=1e-3)
    assert found["paper"]["gradient_kernel"] != pytest.approx(found["batch"]["gradient_kernel"])


def test_compilations_do_not_grow_with_cells(tiny):
    # What other tests have compiled is forgotten.
    _program.cache_clear()
    _reduction.cache_clear()
    settings = Settings(**SMALL, batch_size=6)
    programs = ScoringPrograms(scoring_passes(QUICK, settings), settings, tiny, jax.devices()[0])
    assert programs.compilations() == 0
    counts = []
    with jax.enable_x64(True):
        for cell in networks([ARCHS(i) for i in range(0, 3000, 250)], spaces.DEFAULT, merge=True):
            record = programs.score((cell, 0))
            assert record.scores.keys() == set(QUICK)
            counts.append(programs.compilations())
        programs.score((cell, 1))
    # Gradients and reductions of two backward passes.
    assert {*counts, programs.compilations()} == {4}
