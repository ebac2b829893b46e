"""The engine against the plain call, and what it promises about runs that stop and go on."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from conftest import SMALL

import jaxnas
from jaxnas import proxies
from jaxnas.engine.threads import run_on_workers
from jaxnas.networks.nb201.initial import InitialParameters
from jaxnas.networks.nb201.network import CellNetwork, Network, cell_parameters
from jaxnas.proxies import CATALOGUE
from jaxnas.results import Record, ResultsError
from jaxnas.scoring import COLUMNS, Settings
from jaxnas.scoring import run as scoring
from jaxnas.scoring.programs import Programs, group_proxies
from jaxnas.spaces import nb201

NAMES = list(CATALOGUE)
QUICK = ("js", "pjs", "gradient_value")
PARTS = "parts/*.parquet"


def index(*ops: int) -> int:
    return nb201.ops_to_index(ops)


DISCONNECTED = index(0, 3, 0, 0, 0, 0)
PLAIN = index(3, 0, 0, 2, 4, 0)
OTHER = index(2, 1, 0, 0, 1, 4)
# Node 3 is one convolution of the input, by three ways.
EQUAL = (index(3, 0, 0, 0, 1, 0), index(0, 0, 0, 3, 0, 0), index(0, 3, 0, 0, 2, 1))
CELLS = (PLAIN, OTHER, *EQUAL, DISCONNECTED)


@pytest.fixture(scope="module")
def images(make_images):
    return make_images(size=16, number=60)


@pytest.fixture(scope="module")
def tiny(make_images):
    return make_images(size=8)


def rows(table: pa.Table, columns: Sequence[str] = ()) -> dict[tuple[int, int], dict[str, Any]]:
    chosen = table.select(["cell", "seed", *columns]) if columns else table
    return {(row["cell"], row["seed"]): row for row in chosen.to_pylist()}


def score(images, cells, names, batch_size=6, **options) -> pa.Table:
    return jaxnas.score(
        cells, names, dataset=images, **(SMALL | {"batch_size": batch_size} | options)
    )


def assert_close(found: pa.Table, wanted: pa.Table, rtol=1e-6):
    found, wanted = rows(found), rows(wanted)
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


# --- Equal to the plain call ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(images):
    """Every score of the catalogue and every derived one, in float64, with the paper's modes."""
    return score(images, CELLS, COLUMNS, batch_size=50, dtype="float64", seeds=(0, 3))


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
                CATALOGUE[name].make(together=True)
                if bn == "batch" and CATALOGUE[name].paper == "GT-NAS"
                else proxies.make(name)
                for name in of_mode
            ]
            apply = CellNetwork(ops=ops, bn=bn, dtype=jnp.float64, **SMALL).apply
            found |= proxies.score(asked, apply, params, x, y, seed=seed)
    return found


@pytest.mark.parametrize(
    ("cell", "seed", "names"),
    [(PLAIN, 3, NAMES), (OTHER, 0, ["js", "jsc_n10", "wpjsi", "pjsc", "gradient_correlation"])],
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
    [{"bn": "batch"}, {"bn": "frozen", "init": "he", "weights": "shared"}],
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


SCRIPT = """
import json, sys
import numpy as np
import jax, jaxnas
from jaxnas.data import Images
from jaxnas.engine import scoring

random = np.random.default_rng(0)
x = random.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
images = Images.from_arrays("noise8", x, random.integers(0, 10, 24), num_classes=10)
options = json.loads(sys.argv[1])
scoring._SECONDS_A_PART = options.pop("seconds_a_part", 10.0)
totals = []
table = jaxnas.score(dataset=images, progress=lambda done, total: totals.append(total), **options)
print(json.dumps([len(jax.devices()), max(totals, default=0), table.to_pylist()]))
"""


def in_process(options, cache: str, flags: str = "") -> subprocess.Popen:
    env = os.environ | {
        "XLA_FLAGS": flags,
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_PLATFORMS": "cpu",
    }
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(SMALL | {"batch_size": 6} | options)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def finished(process: subprocess.Popen) -> Any:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out)


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


def test_bn_is_part_of_a_score(tiny):
    found = {
        bn: rows(score(tiny, [OTHER], ["js", "gradient_kernel"], bn=bn))[OTHER, 0]
        for bn in ("paper", "batch")
    }
    assert found["paper"]["js"] == pytest.approx(found["batch"]["js"], rel=1e-3)
    assert found["paper"]["gradient_kernel"] != pytest.approx(found["batch"]["gradient_kernel"])


def test_compilations_do_not_grow_with_cells(tiny):
    settings = Settings(**SMALL, batch_size=6)
    programs = Programs(group_proxies(QUICK, settings), settings, tiny, jax.devices()[0])
    assert programs.compilations() == 0
    counts = []
    with jax.enable_x64(True):
        for cell in scoring.networks(range(0, 3000, 250), merge=True):
            record = programs.score((cell, 0))
            assert record.scores.keys() == set(QUICK)
            counts.append(programs.compilations())
        programs.score((cell, 1))
    # Gradients and reductions of two backward passes.
    assert {*counts, programs.compilations()} == {4}


# --- Folders --------------------------------------------------------------------------------------


def test_only_what_is_missing_is_scored(tiny, tmp_path):
    totals: list[int] = []

    def ask(cells, names, **options):
        totals.clear()
        score(
            tiny,
            cells,
            names,
            out=tmp_path,
            progress=lambda _, total: totals.append(total),
            **options,
        )
        return set(totals)

    assert ask([PLAIN, EQUAL[0]], ["js"]) == {2}
    assert ask([PLAIN, EQUAL[0]], ["js"]) == {0}
    assert ask([PLAIN, *EQUAL, DISCONNECTED], ["js"]) == {0}  # equal to what is known
    assert ask([PLAIN, OTHER], ["js"]) == {1}
    assert ask([PLAIN], ["js"], seeds=(0, 1)) == {1}
    assert ask([PLAIN], ["js", "jsc", "params"]) == {1}
    assert ask([PLAIN, OTHER], ["jsc"]) == {1}
    table = jaxnas.read_table(tmp_path)
    at_once = score(tiny, [PLAIN, OTHER], ["js"])
    for at, row in rows(at_once).items():
        assert rows(table)[at]["js"] == pytest.approx(row["js"], rel=1e-3)
    assert same_bytes(table, jaxnas.read_table(tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 5}, "batch_size 6.*5"),
        ({"bn": "frozen"}, "bn .*paper.*frozen"),
        ({"dtype": "float64"}, "dtype .*float32.*float64"),
        ({"init": "he"}, "init .*pytorch.*he"),
        ({"merge": False}, "merge true.*false"),
        ({"weights": "shared"}, "weights .*independent.*shared"),
    ],
)
def test_other_settings_are_refused(tiny, tmp_path, change, words):
    score(tiny, [DISCONNECTED], ["js"], out=tmp_path)
    with pytest.raises(ResultsError, match=words):
        score(tiny, [DISCONNECTED], ["js"], out=tmp_path, **change)


def test_other_data_are_refused(tiny, make_images, tmp_path):
    score(tiny, [DISCONNECTED], ["js"], out=tmp_path)
    with pytest.raises(ResultsError, match="data"):
        score(make_images(size=8, seed=1), [DISCONNECTED], ["js"], out=tmp_path)


def test_a_damaged_part_is_scored_again(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "_SECONDS_A_PART", 0.0)
    ask = partial(score, tiny, [PLAIN, OTHER, EQUAL[0]], ["js"], out=tmp_path)
    ask()
    wanted = (tmp_path / "scores.parquet").read_bytes()
    parts = sorted(tmp_path.glob(PARTS))
    assert len(parts) == 3
    (tmp_path / "scores.parquet").unlink()
    data = bytearray(parts[1].read_bytes())
    data[len(data) // 2] ^= 1
    parts[1].write_bytes(data)
    totals = []
    with pytest.warns(UserWarning, match="damaged"):
        ask(progress=lambda _, total: totals.append(total))
    assert set(totals) == {1}
    assert (tmp_path / "scores.parquet").read_bytes() == wanted
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ask()


def test_killed_and_started_again_ends_with_the_same_bytes(tmp_path, cache):
    cells = np.random.default_rng(0).choice(nb201.NUM_CELLS, 150, replace=False).tolist()
    asked = {"cells": cells, "proxies": ["js", "params"], "seeds": [0, 1], "merge": False}
    asked |= {"seconds_a_part": 0.05}
    stopped, never = tmp_path / "stopped", tmp_path / "never"
    process = in_process(asked | {"out": str(stopped)}, cache)
    deadline = time.monotonic() + 240
    while len(list(stopped.glob(PARTS))) < 3:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (stopped / "scores.parquet").exists()
    before = len(list(stopped.glob(PARTS)))
    assert before >= 3
    known = jaxnas.read_table(stopped)["js"].null_count
    assert known > 0

    _, total, resumed = finished(in_process(asked | {"out": str(stopped)}, cache))
    _, whole, straight = finished(in_process(asked | {"out": str(never)}, cache))
    assert 0 < total == known < whole
    assert json.dumps(resumed) == json.dumps(straight)
    assert (stopped / "scores.parquet").read_bytes() == (never / "scores.parquet").read_bytes()


def test_a_workers_exception_stops_the_run_and_keeps_what_was_done(tiny, tmp_path, monkeypatch):
    cells = scoring.networks(range(40), merge=False)
    scored = []

    def fails_on_the_fourth(self, job):
        if len(scored) == 3:
            raise RuntimeError("out of memory")
        scored.append(job)
        return Record(*job, {"js": 1.0})

    monkeypatch.setattr(Programs, "score", fails_on_the_fourth)
    with pytest.raises(RuntimeError, match="out of memory"):
        score(tiny, cells, ["js"], out=tmp_path, merge=False)
    assert len(scored) == 3
    assert jaxnas.read_table(tmp_path)["js"].null_count == len(cells) - 3
    assert not (tmp_path / "scores.parquet").exists()


def test_a_float32_cell_network_is_scored_by_the_plain_call(tiny):
    """With pooling, in the 64-bit scope that correlations need."""
    network = CellNetwork(ops=(4, 0, 0, 0, 3, 0), **SMALL)
    x, y = tiny.batch(6, 0)
    params = jax.jit(network.init)(jax.random.key(0), x)
    assert np.isfinite(
        list(proxies.score(["js", "pjs"], network.apply, params, x, y).values())
    ).all()


# --- Arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"proxies": ["pjss"]}, 'no proxy "pjss": did you mean "pjs'),
        ({"proxies": []}, "at least one proxy"),
        ({"cells": []}, "at least one cell"),
        ({"cells": [15625]}, "15625"),
        ({"cells": "|nor_conv_3x3~0|"}, "3 nodes"),
        ({"batch_size": 25}, "24 training images"),
        ({"batch_size": 1}, "at least 2"),
        ({"bn": "running"}, "bn must be one of paper, batch"),
        ({"dtype": "bfloat16"}, "dtype must be one of"),
        ({"seeds": (-1,)}, "negative"),
        ({"settings": Settings(), "bn": "batch"}, "either settings or bn"),
        ({"settings": None, "seeds": ()}, "seeds"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tiny, tmp_path, arguments, words):
    out = tmp_path / "out"
    asked = {"cells": [PLAIN], "proxies": ["js"]} | arguments
    with pytest.raises(ValueError, match=words):
        jaxnas.score(dataset=tiny, out=out, **asked)
    assert not out.exists()


def test_images_must_fit_the_network(make_images):
    with pytest.raises(ValueError, match=r"multiple of 4.*10x10"):
        score(make_images(size=10), [PLAIN], ["js"])


def test_cells_in_every_spelling(tiny):
    arch = nb201.index_to_arch(DISCONNECTED)
    for cells in (DISCONNECTED, arch, [DISCONNECTED, arch], [np.int64(DISCONNECTED)]):
        assert score(tiny, cells, "params")["cell"].to_pylist() == [DISCONNECTED]
    assert score(tiny, "all", "params").num_rows == nb201.NUM_CELLS


# --- Workers --------------------------------------------------------------------------------------


def test_a_slow_job_does_not_hold_up_the_other_worker():
    release = threading.Event()
    results = []

    def work(name, job):
        if job == 0:
            assert release.wait(60)
        return name, job

    for name, job in run_on_workers([partial(work, "a"), partial(work, "b")], range(20)):
        results.append((name, job))
        if len(results) == 19:
            assert all(done != 0 for _, done in results)
            release.set()
    assert [job for _, job in results][-1] == 0
    assert sorted(job for _, job in results) == list(range(20))
    slow = results[-1][0]
    assert all(name != slow for name, _ in results[:-1])


def test_a_workers_error_is_raised_and_the_others_stop():
    done = []

    def fails(job):
        raise KeyError(job)

    def slow(job):
        time.sleep(0.01)
        done.append(job)
        return job

    before = threading.active_count()
    with pytest.raises(KeyError):
        list(run_on_workers([fails, slow], range(500)))
    assert len(done) < 500
    assert threading.active_count() == before


def test_closing_early_stops_the_workers():
    done = []
    results = run_on_workers([lambda job: done.append(job) or time.sleep(0.01)], range(500))
    next(results)
    before = len(done)
    results.close()
    assert before <= len(done) < 500
    finished_jobs = len(done)
    time.sleep(0.05)
    assert len(done) == finished_jobs


def test_no_jobs_give_no_results():
    assert list(run_on_workers([lambda job: job], [])) == []
