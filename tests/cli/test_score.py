"""`jaxnas score`: what it writes and prints, and that it goes on where it was stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from commands import DARTS, DISCONNECTED, NB201, Call, assert_refused, process_call, ranks

from jaxnas.results import Folder, settings_of
from jaxnas.spaces import nb201

COUNTS = ["--proxies", "params,flops", "--no-cache"]
SMALL = ["--proxies", "js", "--channels", "4", "--depth", "1", "--batch-size", "4"]


def test_counts(call: Call) -> None:
    cells = (0, 1, 2, DISCONNECTED)
    status, out, err = call("score", *COUNTS, "--cells", ",".join(map(str, cells)))
    assert status == 0
    assert err == "nothing is left to score\n"
    table = pq.read_table("runs/nb201-digits/scores.parquet")
    assert table["cell"].to_pylist() == sorted(cells)
    ops = nb201.cell_ops()[sorted(cells)]
    assert table["params"].to_pylist() == nb201.num_params(ops).tolist()
    best = sorted(cells)[int(np.argmax(nb201.num_params(ops)))]
    assert out.splitlines()[1].split()[:3] == ["1", str(best), NB201.arch(best)]
    assert "3 ok, 1 disconnected, 0 nonfinite" in out
    assert "table    runs/nb201-digits/scores.parquet" in out
    assert "picture  runs/nb201-digits/scores.png" in out
    assert Path("runs/nb201-digits/scores.png").read_bytes().startswith(b"\x89PNG")


def test_counts_of_another_space(call: Call) -> None:
    arguments = ["--space", "darts", "--cells", "random:3", "--depth", "3", "--seeds", "2"]
    status, out, _ = call("score", *COUNTS, *arguments)
    assert status == 0
    table = pq.read_table("runs/darts-digits/scores.parquet")
    archs = DARTS.draw(3, 2)
    assert set(table["arch"].to_pylist()) == set(archs)
    assert table["cell"].null_count == 3
    settings = settings_of(table)
    assert (settings["space"], settings["channels"], settings["depth"]) == ("darts", 16, 3)
    assert out.splitlines()[0].split() == ["rank", "arch", "params"]


def test_it_writes_nothing_else(call: Call) -> None:
    assert call("score", *COUNTS, "--out", "run", "--cells", "0:3")[0] == 0
    assert {path.name for path in Path().iterdir()} == {"run"}
    names = {path.name for path in Path("run").iterdir()}
    assert names == {".lock", "manifest.json", "parts", "scores.parquet", "scores.png"}


def test_a_folder_of_another_space_is_refused(call: Call) -> None:
    assert call("score", *COUNTS, "--cells", "0:2", "--out", "run")[0] == 0
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    arguments = ["--space", "darts", "--cells", "darts-v1", "--out", "run"]
    assert_refused(call("score", *COUNTS, *arguments), "run", 'space "nb201"', 'space "darts"')
    assert before == {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}


def test_a_plan_computes_and_writes_nothing(call: Call) -> None:
    status, out, err = call("score", *SMALL, "--no-cache", "--cells", "0,1,2", "--plan")
    assert (status, err) == (0, "")
    assert list(Path().iterdir()) == []
    lines = out.splitlines()
    assert lines[0] == "nothing is computed: this is what the run would take"
    assert any(line.split() == ["networks", "to", "score", "3"] for line in lines)
    assert any(line.startswith("time ") and "about" in line for line in lines)
    assert any(line.startswith("memory a device") and line.rstrip().endswith("B") for line in lines)


def test_help_has_what_each_option_takes(call: Call) -> None:
    text = " ".join(call("score", "--help")[1].split())
    for words in ("START:STOP", "random:N", "@FILE", "runs/SPACE-DATASET", "--noise-range LOW HIGH",
                  "16 for nb201, 16 for darts", "5 for nb201, 8 for darts"):  # fmt: skip
        assert words in text


@pytest.mark.slow
def test_it_stops_and_goes_on(tmp_path: Path) -> None:
    settings = [*SMALL, "--cache-dir", "cache", "--devices", "1"]
    first = process_call("score", *settings, "--cells", "0,1,2", "--out", "one", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "3 of 3 cells scored" in first.stderr
    assert len(ranks(first.stdout)) == 3
    table = pq.read_table(tmp_path / "one" / "scores.parquet")
    assert table["status"].to_pylist() == ["ok"] * 3
    assert np.isfinite(table["js"].to_numpy()).all()
    assert any((tmp_path / "cache").iterdir())
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert len(manifest["sessions"][0]["devices"]) == 1

    # Another folder, stopped while it scores the whole space.
    command = [sys.executable, "-m", "jaxnas", "score", *settings, "--cells", "all", "--no-merge"]
    with subprocess.Popen(
        [*command, "--out", "two"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as running:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("two/parts/*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.1)
        # A test run that a shell has put in the background ignores Ctrl-C, and so does its child.
        ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        chosen = signal.SIGTERM if ignored else signal.SIGINT
        running.send_signal(chosen)
        err = running.communicate(timeout=60)[1]
    assert running.returncode == 128 + chosen
    assert err.splitlines()[-1] == "stopped; the same command goes on from here"
    assert "Traceback" not in err
    with Folder.load(tmp_path / "two") as folder:
        kept = len(folder.records())
    assert kept > 0
    shown = process_call("top", "two", "-k", "3", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert f"{15625 - 341 - kept:,} not scored" in shown.stdout
    assert not (tmp_path / "two" / "scores.parquet").exists()
