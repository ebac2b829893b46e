"""The command line, as a user calls it, and the picture."""

from __future__ import annotations

import errno
import io
import json
import os
import platform
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jax
import matplotlib as mpl
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import scipy.stats  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jaxnas import plots
from jaxnas.cli import showing
from jaxnas.cli.commands import score as scoring
from jaxnas.cli.terminal import messages as errors
from jaxnas.cli.terminal.progress import RunProgress
from jaxnas.engine import environment as process
from jaxnas.engine import memory
from jaxnas.networks.initialisers import Initialisation
from jaxnas.plots import distributions
from jaxnas.results import Folder, Record, ranking
from jaxnas.scoring import settings as engine_settings
from jaxnas.scoring.run import ALL, COLUMNS
from jaxnas.spaces import nb201, selection

COUNTS = ["--proxies", "params,flops", "--no-cache"]
SMALL = ["--proxies", "js", "--stem-channels", "4", "--cells-per-stage", "1", "--batch-size", "4"]
DISCONNECTED = int(np.flatnonzero(~nb201.is_connected(nb201.cell_ops()))[0])

Call = Callable[..., tuple[int, str, str]]


def process_call(*arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process of its own."""
    clean = {k: v for k, v in os.environ.items() if k not in (process.PLAIN, process.MARKER)}
    command = [sys.executable, "-m", "jaxnas", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=clean | env, capture_output=True, text=True, check=False, timeout=300
    )


def assert_refused(result: tuple[int, str, str], *words: str) -> None:
    status, out, err = result
    assert status == 2
    assert out == ""
    assert err.startswith("jaxnas: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


# SPEC, LIST and seeds.


def test_cells_all_in_order() -> None:
    assert selection.parse_cells("all", 0) == tuple(range(15625))


@given(st.integers(0, 15624), st.integers(1, 15625))
def test_cells_range_is_half_open(start: int, stop: int) -> None:
    if start < stop:
        assert selection.parse_cells(f"{start}:{stop}", 0) == tuple(range(start, stop))
    else:
        with pytest.raises(ValueError, match="START < STOP"):
            selection.parse_cells(f"{start}:{stop}", 0)


@given(st.lists(st.tuples(st.integers(0, 15624), st.booleans()), min_size=1, max_size=8))
def test_cells_indices_and_arch_strings(cells: list[tuple[int, bool]]) -> None:
    items = [nb201.index_to_arch(cell) if as_arch else str(cell) for cell, as_arch in cells]
    expected = tuple(dict.fromkeys(cell for cell, _ in cells))
    assert selection.parse_cells(",".join(items), 0) == expected
    assert selection.parse_cells(" , ".join(items), 7) == expected


@given(st.integers(1, 15625), st.integers(0, 2**63 - 1))
def test_cells_random_are_distinct_and_nested(count: int, seed: int) -> None:
    drawn = selection.parse_cells(f"random:{count}", seed)
    assert len(set(drawn)) == count
    assert set(drawn) <= set(range(15625))
    assert drawn[: count // 2] == selection.draw(max(count // 2, 1), seed)[: count // 2]


def test_cells_random_by_its_definition() -> None:
    raw = np.random.PCG64(3).random_raw(15625).tolist()
    expected = sorted(range(15625), key=lambda cell: raw[cell])[:5]
    assert selection.draw(5, 3) == tuple(expected)
    assert selection.draw(5, 3) != selection.draw(5, 4)


def test_cells_random_never_change() -> None:
    assert selection.draw(5, 0) == (6037, 855, 921, 3697, 12977)


def test_cells_from_file(tmp_path: Path) -> None:
    file = tmp_path / "cells.txt"
    file.write_text(f"# mine\n\n7\n  {nb201.index_to_arch(42)}  # good\n7\n9#\n")
    assert selection.parse_cells(f"@{file}", 0) == (7, 42, 9)


@pytest.mark.parametrize(
    "item", ["12x", "99999", "|nor_conv_3x4~0|+|none~0|none~1|+|none~0|none~1|none~2|"]
)
def test_cells_file_error_names_the_line(tmp_path: Path, item: str) -> None:
    file = tmp_path / "cells.txt"
    file.write_text(f"1\n\n{item}\n")
    with pytest.raises(ValueError, match=r"cells\.txt, line 3: "):
        selection.parse_cells(f"@{file}", 0)


@pytest.mark.parametrize("content", [b"", b"\n# none\n", b"\xff\xfe\n"])
def test_cells_file_without_cells(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "cells.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"cells\.txt: expected"):
        selection.parse_cells(f"@{file}", 0)


@pytest.mark.parametrize(
    "spec", ["", "foo", "1,", "1.5", "-1", "15625", "5:", ":5", "3:3", "-1:4", "0:15626", "1:2:3",
             "random:", "random:0", "random:15626", "random:x", "random:-3", "１２"],
)  # fmt: skip
def test_cells_malformed(spec: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        selection.parse_cells(spec, 0)


def test_seeds() -> None:
    assert selection.parse_seeds("3,1, 3,0") == (3, 1, 0)
    for text in ("", "x", "-1", "1,", "0.5", str(2**63)):
        with pytest.raises(ValueError, match="seeds"):
            selection.parse_seeds(text)


def test_options_are_the_engines() -> None:
    assert set(scoring.BN) == {"paper", *engine_settings.BN_MODES}
    assert get_args(Initialisation) == scoring.INIT
    assert get_args(engine_settings.DType) == scoring.DTYPE
    assert get_args(engine_settings.Weights) == scoring.WEIGHTS


# Bad input: one line, exit status 2, nothing written.


def save_npz(path: Path, **changes: Any) -> Path:
    arrays = {"x_train": np.zeros((8, 8, 8, 3), np.uint8), "y_train": np.arange(8) % 2}
    np.savez(path, **(arrays | changes))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--proxies", "jss"], ['"js"']),
        (["--proxies", "params,,js"], ["proxies"]),
        (["--cells", "|nor_conv_3x4~0|+|none~0|none~1|+|none~0|none~1|none~2|"],
         ["edge 0->1", "nor_conv_3x3"]),
        (["--cells", "15625"], ["15624"]),
        (["--cells", "@none.txt"], ["none.txt", "No such file"]),
        (["--batch-size", "1501"], ["1501", "1,500"]),
        (["--batch-size", "1"], ["--batch-size"]),
        (["--seeds", "a"], ["seeds"]),
        (["--dataset", "cifar11"], ["cifar11", "cifar10"]),
        (["--dataset", "none.npz"], ["none.npz"]),
        (["--dataset", "imagenet16-120", "--data-dir", "nowhere"], ["nowhere"]),
        (["--noise-range", "3", "1"], ["noise-range"]),
        (["--bn", "x"], ["--bn", "score --help"]),
        (["--devices", "0"], ["--devices"]),
        (["--nonsense"], ["--nonsense", "score --help"]),
        (["extra"], ["extra"]),
    ],
)  # fmt: skip
def test_bad_input(call: Call, arguments: list[str], words: list[str]) -> None:
    assert_refused(call("score", *COUNTS, "--out", "runs/new", *arguments), *words)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_train": np.zeros((8, 8, 8, 3), np.float32)}, ["x_train", "uint8"]),
        ({"x_train": np.full((8, 8, 8, 3), np.nan)}, ["NaN"]),
        ({"x_train": np.zeros((8, 3, 8, 8), np.uint8)}, ["channels last"]),
        ({"x_train": np.zeros((8, 6, 6, 3), np.uint8)}, ["multiple of 4", "6x6"]),
        ({"y_train": np.arange(7)}, ["y_train"]),
    ],
)
def test_bad_images(call: Call, changes: dict[str, Any], words: list[str]) -> None:
    save_npz(Path("x.npz"), **changes)
    result = call("score", *COUNTS, "--dataset", "x.npz", "--batch-size", "4")
    assert_refused(result, *words)
    assert [path.name for path in Path().iterdir()] == ["x.npz"]


def test_corrupt_images(call: Call) -> None:
    file = save_npz(Path("x.npz"))
    file.write_bytes(file.read_bytes()[:-100])
    assert_refused(call("score", *COUNTS, "--dataset", file), "x.npz")
    assert not Path("runs").exists()


@pytest.mark.parametrize("option", ["--out", "--cache-dir"])
def test_folder_that_is_a_file(call: Call, option: str) -> None:
    Path("file").write_text("mine")
    assert_refused(call("score", "--proxies", "params", option, "file"), "file is a file")
    assert Path("file").read_text() == "mine"
    assert len(list(Path().iterdir())) == 1


def test_folder_below_a_file(call: Call) -> None:
    Path("file").write_text("mine")
    assert_refused(call("score", *COUNTS, "--out", "file/run"), "file/run")


def test_full_disk(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert_refused(call("score", *COUNTS, "--out", "run"), "No space left")
    assert [
        path for path in Path("run").rglob("*") if path.is_file() and path.name != ".lock"
    ] == []


def test_other_settings_are_refused(call: Call) -> None:
    assert call("score", *COUNTS, "--out", "run", "--cells", "0:3")[0] == 0
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    result = call("score", *COUNTS, "--out", "run", "--cells", "0:4", "--batch-size", "32")
    assert_refused(result, "batch_size 64", "32")
    assert before == {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}


def test_unknown_command(call: Call) -> None:
    assert_refused(call("scores"), "scores", "jaxnas --help")


def test_traceback_on_request(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXNAS_TRACEBACK", "1")
    with pytest.raises(ValueError, match="15624"):
        call("score", "--cells", "20000")


def test_messages_have_one_line() -> None:
    assert errors.sentence(ValueError("a\n  b")) == "a b"
    assert errors.sentence(OSError(errno.ENOENT, "gone", "x")) == "x: gone"
    assert errors.sentence(ValueError()) == "ValueError"


# score, top, merge, proxies.


def test_score_counts(call: Call) -> None:
    cells = (0, 1, 2, DISCONNECTED)
    status, out, err = call("score", *COUNTS, "--cells", ",".join(map(str, cells)))
    assert status == 0
    assert err == "nothing is left to score\n"
    table = pq.read_table("runs/nb201-digits/scores.parquet")
    assert table["cell"].to_pylist() == sorted(cells)
    ops = nb201.cell_ops()[sorted(cells)]
    assert table["params"].to_pylist() == nb201.num_params(ops).tolist()
    best = int(np.argmax(nb201.num_params(ops)))
    assert out.splitlines()[1].split()[:3] == [
        "1", str(sorted(cells)[best]), nb201.index_to_arch(sorted(cells)[best])
    ]  # fmt: skip
    assert "3 ok, 1 disconnected, 0 nonfinite" in out
    assert "table    runs/nb201-digits/scores.parquet" in out
    assert "picture  runs/nb201-digits/scores.png" in out
    assert Path("runs/nb201-digits/scores.png").read_bytes().startswith(b"\x89PNG")


def test_score_writes_nothing_else(call: Call) -> None:
    assert call("score", *COUNTS, "--out", "run", "--cells", "0:3")[0] == 0
    assert {path.name for path in Path().iterdir()} == {"run"}
    names = {path.name for path in Path("run").iterdir()}
    assert names == {".lock", "manifest.json", "parts", "scores.parquet", "scores.png"}


def test_default_folder() -> None:
    assert scoring.default_folder("cifar10") == Path("runs/nb201-cifar10")
    assert scoring.default_folder("some/where/my.npz") == Path("runs/nb201-my")


def write_run(path: Path, scores: dict[tuple[int, int], float], cells: tuple[int, ...]) -> None:
    """A results folder with some js: (cell, seed) -> value."""
    settings: dict[str, Any] = {
        "merge": True, "num_classes": 10, "image_size": 32, "batch_size": 4, "bn": "batch",
        "init": "he", "dtype": "float32", "stem_channels": 16, "cells_per_stage": 5,
    }  # fmt: skip
    with Folder.open(path, settings) as folder:
        folder.request(cells, sorted({seed for _, seed in scores}), ["js", "params"])
        folder.append(Record(cell, seed, {"js": js}) for (cell, seed), js in scores.items())


def representatives(count: int) -> list[int]:
    """The first connected cells that represent their functions."""
    all_cells = np.arange(nb201.NUM_CELLS)
    connected = nb201.is_connected(nb201.cell_ops())
    return [int(c) for c in all_cells[(nb201.representatives() == all_cells) & connected][:count]]


def ranks(out: str) -> list[tuple[int, str]]:
    """Cell and score of each printed rank."""
    lines = [line.split() for line in out.splitlines()]
    return [(int(words[1]), words[3]) for words in lines if words[0].isdigit() and "|" in words[2]]


def test_top_orders_and_averages(call: Call) -> None:
    a, b, c, d = representatives(4)
    js = {(a, 0): 1.0, (a, 1): 5.0, (b, 0): 4.0, (b, 1): 0.0, (c, 0): np.nan, (c, 1): 9.0}
    write_run(Path("run"), js | {(d, 0): -3.5}, (a, b, c, d, DISCONNECTED))
    status, out, _ = call("top", "run")
    assert status == 0
    assert ranks(out) == [(a, "3"), (b, "2"), (d, "-3.5")]
    assert out.splitlines()[-1] == "6 ok, 2 disconnected, 1 nonfinite, 1 not scored"
    assert ranks(call("top", "run", "--by", "js", "-k", 1, "--seed", 0)[1]) == [(b, "4")]
    assert ranks(call("top", "run", "--by", "js", "-k", 2, "--seed", 1)[1]) == [(c, "9"), (a, "5")]
    by_params = ranks(call("top", "run", "--by", "params", "-k", 5)[1])
    params = {cell: int(nb201.num_params(nb201.cell_ops()[cell])) for cell, _ in by_params}
    assert [score for _, score in by_params] == [f"{params[cell]:,}" for cell, _ in by_params]
    assert list(params.values()) == sorted(params.values(), reverse=True)


def test_top_prints_a_function_once(call: Call) -> None:
    groups = nb201.representatives()
    first = next(cell for cell in representatives(50) if (groups == cell).sum() > 2)
    cells = tuple(int(cell) for cell in np.flatnonzero(groups == first)[:3])
    write_run(Path("run"), {(first, 0): 2.0}, cells)
    out = call("top", "run")[1]
    assert ranks(out) == [(first, "2")]
    assert "3 ok" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--by", "pjs"], ["no scores pjs", "js"]),
        (["--by", "pjz"], ["did you mean"]),
        (["--seed", "4"], ["seed 4", "seed 0"]),
        (["-k", "0"], ["-k"]),
    ],
)
def test_top_bad_input(call: Call, arguments: list[str], words: list[str]) -> None:
    write_run(Path("run"), {(0, 0): 1.0}, (0,))
    assert_refused(call("top", "run", *arguments), *words)


def test_top_of_no_folder(call: Call) -> None:
    assert_refused(call("top", "run"), "run", "manifest.json")
    assert not Path("run").exists()


@pytest.mark.filterwarnings("default::UserWarning")
def test_merge(call: Call) -> None:
    a, b = representatives(2)
    write_run(Path("one"), {(a, 0): 1.0}, (a,))
    write_run(Path("two"), {(b, 0): 2.0, (a, 0): 1.5}, (a, b))
    status, out, err = call("merge", "one", "two", "--out", "both")
    assert status == 0
    assert "jaxnas: warning: 1 scores have different values" in err
    assert ranks(out) == [(b, "2"), (a, "1")]
    table = pq.read_table("both/scores.parquet")
    assert table["js"].to_pylist() == [1.0, 2.0]
    assert Path("both/scores.png").exists()
    assert_refused(call("merge", "one", "--out", "both"), "both is not empty")
    assert_refused(call("merge", "--out", "more"), "DIR")


def test_proxies_lists_every_score(call: Call) -> None:
    status, out, _ = call("proxies")
    assert status == 0
    rows = {line.split()[0]: line for line in out.split("\n\n")[0].splitlines()[1:]}
    assert tuple(rows) == COLUMNS
    assert {name for name, row in rows.items() if row.rstrip().endswith("yes")} == set(ALL)
    for row in rows.values():
        assert sum(paper in row for paper in showing.PAPERS) == 1
    assert showing.PAPERS["GT-NAS"] in out


def test_default_score() -> None:
    def table(*names: str) -> pa.Table:
        return pa.table(
            {name: [1] for name in ("cell", "arch", "function", "seed", "status", *names)}
        )

    assert ranking.default_score(table("params", "flops", "gradient_kernel", "js", "pjs")) == "pjs"
    assert ranking.default_score(table("params", "gradient_value", "js")) == "js"
    assert ranking.default_score(table("params", "jsc", "gradient_trace")) == "jsc"
    assert ranking.default_score(table("params", "flops")) == "params"


def test_help(call: Call) -> None:
    status, out, _ = call("--help")
    assert status == 0
    assert all(command in out for command in ("score", "top", "merge", "proxies"))
    assert call()[:2] == (0, out)
    status, out, _ = call("score", "--help")
    for text in ("START:STOP", "random:N", "@FILE", "runs/nb201-DATASET", "--noise-range LOW HIGH"):
        assert text in out


# Stopping and progress.


def test_stopped(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from jaxnas.scoring import run as engine_scoring

    def stop(*_: object, **__: object) -> None:
        raise errors.Stopped(signal.SIGTERM)

    monkeypatch.setattr(engine_scoring, "score", stop)
    status, out, err = call("score", *COUNTS)
    assert (status, out) == (143, "")
    assert err == "stopped; the same command goes on from here\n"


def test_progress_is_two_lines_without_a_terminal() -> None:
    stream = io.StringIO()
    with RunProgress("1 device (cpu)", Console(file=stream)) as progress:
        for done in range(4):
            progress(done, 3)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("scoring 3 cells on 1 device (cpu); compiling")
    assert lines[1].startswith("3 of 3 cells scored in")
    assert "cells/s" in lines[1]


def test_progress_in_a_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    with RunProgress("2 devices (cpu)", console) as progress:
        progress(0, 30)
        time.sleep(0.3)
        assert "compiling, once" in stream.getvalue()
        assert "0/30" in stream.getvalue()
        for done in (1, 2, 3):
            time.sleep(0.2)
            progress(done, 30)
        time.sleep(0.4)
    shown = stream.getvalue()
    assert "3/30" in shown
    assert "cells/s" in shown
    assert "left" in shown


# The process.


def test_environment_is_added() -> None:
    env = process.environment({"HOME": "/x"}, 3, (0, 10), glibc=True)
    assert env["HOME"] == "/x"
    assert env["XLA_FLAGS"].split() == [
        "--xla_force_host_platform_device_count=3",
        "--xla_cpu_multi_thread_eigen=false",
        "--xla_disable_hlo_passes=cpu-parallel-task-assigner",
        "--xla_cpu_copy_insertion_use_region_analysis=true",
    ]
    assert env["GLIBC_TUNABLES"] == (
        "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:"
        "glibc.malloc.trim_threshold=100000000000:glibc.malloc.arena_max=1"
    )
    assert "GLIBC_TUNABLES" not in process.environment({}, 2, (0, 10), glibc=False)


def test_environment_of_the_user_stays() -> None:
    given = "--xla_cpu_multi_thread_eigen=true --xla_dump_to=/x"
    flags = process.xla_flags(given, 2, (0, 10))
    assert flags.startswith(given + " ")
    assert flags.count("xla_cpu_multi_thread_eigen") == 1
    assert "device_count=2" in flags
    assert process.xla_flags("flags.txt", 2, (0, 10)) == "flags.txt"
    tunables = process.glibc_tunables("glibc.malloc.arena_max=4:glibc.malloc.check=1")
    assert tunables.startswith("glibc.malloc.arena_max=4:glibc.malloc.check=1:")
    assert tunables.count("arena_max") == 1
    assert "mmap_max=0" in tunables


def test_older_jaxlib_gets_no_unusual_flags() -> None:
    flags = process.xla_flags("", 2, (0, 9))
    assert len(flags.split()) == 2
    assert "region_analysis" not in flags
    assert len(process.xla_flags("", 2, (1, 0)).split()) == 4


def test_environment_is_added_once() -> None:
    assert process.wanted({})
    assert not process.wanted(process.environment({}, 2, (0, 10), glibc=True))
    assert not process.wanted({process.PLAIN: "1"})
    again = process.environment({}, 2, (0, 10), glibc=True)
    assert process.environment(again, 2, (0, 10), glibc=True) == again


def test_accelerator_by_platform() -> None:
    assert not process.accelerator({"JAX_PLATFORMS": "cpu"})
    assert not process.accelerator({"JAX_PLATFORMS": "cpu,cuda"})
    assert process.accelerator({"JAX_PLATFORMS": "cuda,cpu"})


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc_trim")
def test_memory_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    trims: list[int] = []
    reports: list[tuple[int, int]] = []
    libc = types.SimpleNamespace(malloc_trim=trims.append)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: libc)
    add, x = jax.jit(lambda x: x + 1), np.zeros(3)
    with memory.memory_trimmed(lambda *counts: reports.append(counts)) as progress:
        add(x)
        assert trims
        assert set(trims) == {0}
        trims.clear()
        add(x)
        assert not trims
        after = []
        for done in range(70):
            progress(done, 70)
            if len(trims) > len(after):
                after.append(done + 1)
        assert after == [1, 2, 4, 8, 16, 32, 64]
        assert reports == [(done, 70) for done in range(70)]
        trims.clear()
    jax.jit(lambda x: x + 2)(x)
    assert not trims


def test_process_starts_itself_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "from jaxnas.engine import environment as process\n"
        "print('start', flush=True)\n"
        "process.restart(1)\n"
        "print(sys.argv[1:], os.environ['XLA_FLAGS'], os.environ.get('GLIBC_TUNABLES'))\n"
    )
    env = {k: v for k, v in os.environ.items() if k not in (process.PLAIN, process.MARKER)}
    env |= {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=true"}
    done = subprocess.run(
        [sys.executable, script, "a b"], env=env, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["start", "start"]
    assert len(lines) == 3
    assert lines[2].startswith("['a b'] --xla_cpu_multi_thread_eigen=true --xla_force")
    assert "device_count=1" in lines[2]
    env[process.PLAIN] = "1"
    plain = subprocess.run(
        [sys.executable, script], env=env, capture_output=True, text=True, check=True
    )
    assert plain.stdout.splitlines() == ["start", "[] --xla_cpu_multi_thread_eigen=true None"]


# In processes of their own.


def test_version_and_bad_input_as_called(tmp_path: Path) -> None:
    version = process_call("--version", cwd=tmp_path)
    assert version.returncode == 0
    assert version.stdout.startswith("jaxnas, version ")
    bad = process_call("score", "--proxies", "jss", cwd=tmp_path)
    assert_refused((bad.returncode, bad.stdout, bad.stderr), 'did you mean "js"?')
    assert list(tmp_path.iterdir()) == []


def test_scores_stops_and_goes_on(tmp_path: Path) -> None:
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


# The picture.


def scores_table(count: int, **scores: Any) -> pa.Table:
    cells = np.arange(count)
    connected = nb201.is_connected(nb201.cell_ops()[cells])
    status = ["ok" if ok else "disconnected" for ok in connected]
    rows = {
        "cell": cells, "arch": [""] * count, "function": nb201.representatives()[cells],
        "seed": np.zeros(count, np.int64), "status": status,
    }  # fmt: skip
    return pa.table({**rows, **scores})


@pytest.mark.parametrize("count", [1, 5, 400])
def test_picture_of_any_scores(tmp_path: Path, count: int) -> None:
    random = np.random.default_rng(0)
    wide = np.exp(5 * random.normal(size=count))
    table = scores_table(
        count,
        params=np.arange(count),
        rises=wide,
        falls=-wide,
        both=wide * random.choice([-1, 1], count),
        same=np.ones(count),
        zero=np.zeros(count),
        few=np.where(np.arange(count) % 2, np.inf, 1e300),
        none=np.full(count, np.nan),
        absent=pa.nulls(count, pa.float64()),
        tails=np.r_[random.normal(size=count - 1), 1e9],
    )
    before = dict(mpl.rcParams)
    plots.plot_scores(table, tmp_path / "a.png", "title")
    plots.plot_scores(table, tmp_path / "b.png", "title")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert dict(mpl.rcParams) == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}


def test_function_scores_average_the_seeds_of_the_lowest_cell() -> None:
    table = pa.table(
        {
            "cell": [4, 4, 9, 9, 7, 8],
            "function": [4, 4, 4, 4, 7, 8],
            "seed": [0, 1, 0, 1, 0, 0],
            "js": pa.array([1.0, 3.0, 50.0, 60.0, float("inf"), None]),
        }
    )
    scores = plots.function_scores(table, "js")
    assert scores.functions.tolist() == [4, 7]
    assert scores.values.tolist() == [2.0, np.inf]


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=30))
def test_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, np.float64).T
    functions = np.arange(len(x))
    a = plots.Scores(np.r_[functions, 100, 101], np.r_[x, np.nan, 5])
    b = plots.Scores(np.r_[functions, 100], np.r_[y, 3])
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(plots.rank_correlation(a, b))
    else:
        expected = scipy.stats.spearmanr(x, y).statistic
        np.testing.assert_allclose(plots.rank_correlation(a, b), expected, atol=1e-12)


def test_headline_counts_cells_functions_and_disconnected() -> None:
    count = 200
    table = scores_table(count, js=np.zeros(count))
    connected = nb201.is_connected(nb201.cell_ops()[:count])
    functions = len(set(nb201.representatives()[:count][connected].tolist()))
    left_out = count - int(connected.sum())
    shown = distributions._counted(table, table.filter(pa.array(connected)))
    assert shown == (
        f"200 cells: {functions} functions shown, {left_out} disconnected cells left out"
    )
