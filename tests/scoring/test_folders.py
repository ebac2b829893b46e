"""What scoring promises about runs that stop and go on."""

import json
import os
import signal
import time
import warnings
from functools import partial

import jax
import numpy as np
import pytest
from scoring_cases import (
    DISCONNECTED,
    EQUAL,
    OTHER,
    PARTS,
    PLAIN,
    rows,
    same_bytes,
    score,
)
from scoring_process import finished, in_process
from small import SMALL

import jaxnas
from jaxnas import proxies, spaces
from jaxnas.networks.nb201.network import CellNetwork
from jaxnas.proxies import catalogue
from jaxnas.results import Record, ResultsError
from jaxnas.scoring import run as running
from jaxnas.scoring.jobs import networks
from jaxnas.scoring.programs import ScoringPrograms
from jaxnas.spaces import nb201

NAMES = [name for name in catalogue.names("proxy")]
COLUMNS = catalogue.names()
ARCHS = spaces.DEFAULT.arch


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
    monkeypatch.setattr(running, "_SECONDS_A_PART", 0.0)
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
    cells = networks([ARCHS(i) for i in range(40)], spaces.DEFAULT, merge=False)
    scored = []

    def fails_on_the_fourth(self, job):
        if len(scored) == 3:
            raise RuntimeError("out of memory")
        scored.append(job)
        return Record(*job, {"js": 1.0})

    monkeypatch.setattr(ScoringPrograms, "score", fails_on_the_fourth)
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
