"""What the oracle says, compared with what the benchmark's own package says of the same archive."""

from __future__ import annotations

import bz2
import csv
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nats_bench  # type: ignore[import-untyped]
import numpy as np
import pooch  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from nats_bench.api_utils import ArchResults, ResultsCount, pickle_save  # type: ignore[import-untyped]

from jaxnas import oracle
from jaxnas.cli.main import run
from jaxnas.oracle import Oracle, OracleError, archive
from jaxnas.spaces import SPACES, nb201

SHARED = Path(__file__).parents[3] / "shared/data/nb201.npz"

# What the benchmark evaluates after training on each of its sets.
EVALUATED = {
    "cifar10-valid": ["x-valid", "ori-test"],
    "cifar10": ["ori-test"],
    "cifar100": ["x-valid", "x-test", "ori-test"],
    "ImageNet16-120": ["x-valid", "x-test", "ori-test"],
}
# (oracle's data set and split, the benchmark's data set, the key of its answer).
NAMES = [
    ("cifar10", "valid", "cifar10-valid", "valid-accuracy"),
    ("cifar10", "test", "cifar10", "test-accuracy"),
    ("cifar100", "valid", "cifar100", "valid-accuracy"),
    ("cifar100", "test", "cifar100", "test-accuracy"),
    ("imagenet16-120", "valid", "ImageNet16-120", "valid-accuracy"),
    ("imagenet16-120", "test", "ImageNet16-120", "test-accuracy"),
]
CELLS = (0, 11, 284, 857, 6111, 9930, 15624)
ONLY_12 = 857  # a cell without 200 epochs


def seeds_of(cell: int, trained_on: str, epochs: int) -> list[int]:
    """As in the official files: few seeds of 12 epochs, two or three of 200."""
    if epochs == 12:
        return [777, 111] if trained_on == "cifar10-valid" else [111]
    return [777, 888, 999] if cell % 2 == 0 else [777, 888]


def one_run(cell: int, trained_on: str, epochs: int, seed: int) -> ResultsCount:
    """A training run as the benchmark records it, with random figures."""
    draw = random.Random(f"{cell} {trained_on} {epochs} {seed}")
    config = {"channel": 16, "num_cells": 5, "arch_str": nb201.index_to_arch(cell)}
    latency = [np.float64(draw.uniform(0.01, 0.02))]
    result = ResultsCount(
        trained_on, None, {}, {}, np.float64(0.8), 113.9, config, f"{seed:04d}", epochs, latency
    )
    curve = [draw.uniform(0, 100) for _ in range(epochs)]
    by_epoch = OrderedDict((epoch, draw.uniform(5, 15)) for epoch in range(epochs))
    result.update_train_info(dict(enumerate(curve)), None, dict(enumerate(curve)), by_epoch)
    keys = [f"{name}@{epoch}" for name in EVALUATED[trained_on] for epoch in range(epochs)]
    result.update_eval(
        {key: draw.uniform(0, 100) for key in keys},
        {key: draw.uniform(0, 3) for key in keys},
        {key: draw.uniform(1, 4) for key in keys},
    )
    return result


def cell_states(cell: int) -> dict[str, Any]:
    """What the archive's file of a cell holds."""
    states: dict[str, Any] = OrderedDict()
    for epochs in (12,) if cell == ONLY_12 else (12, 200):
        results = ArchResults(cell, nb201.index_to_arch(cell))
        for trained_on in EVALUATED:
            for seed in seeds_of(cell, trained_on, epochs):
                results.update(trained_on, seed, one_run(cell, trained_on, epochs, seed))
        states[str(epochs)] = results.state_dict()
    return states


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small archive, written by the benchmark's own package."""
    folder = tmp_path_factory.mktemp("benchmark") / archive.FOLDER
    folder.mkdir()
    archs = [nb201.index_to_arch(cell) for cell in range(nb201.NUM_CELLS)]
    meta = {"meta_archs": archs, "total_archs": len(archs), "evaluated_indexes": set()}
    pickle_save(meta, str(folder / "meta.pickle"))
    for cell in CELLS:
        pickle_save(cell_states(cell), str(folder / f"{cell:06d}.pickle"))
    return folder


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's cache, empty."""
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "jaxnas" / "oracle"


@pytest.fixture
def folder(original: Path, cache: Path, tmp_path: Path) -> Path:
    """A copy of the archive to be changed, and an empty cache."""
    return Path(shutil.copytree(original, tmp_path / archive.FOLDER))


@pytest.fixture(scope="module")
def api(original: Path) -> Any:
    return nats_bench.create(str(original), "tss", fast_mode=True, verbose=False)


@pytest.fixture(scope="module")
def table(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("cache")
        patch.setattr(pooch, "os_cache", lambda name: home / name)
        return oracle.read(original)


def cells_with(epochs: int) -> list[int]:
    return [cell for cell in CELLS if epochs == 12 or cell != ONLY_12]


def assert_same(one: Oracle, other: Oracle) -> None:
    assert one.tasks == other.tasks
    assert one.times.keys() == other.times.keys()
    for task in one.tasks:
        assert one.seeds(*task) == other.seeds(*task)
        for seed in (None, *one.seeds(*task)):
            np.testing.assert_array_equal(
                one.accuracy(*task, seed=seed), other.accuracy(*task, seed=seed)
            )
    for key, seconds in one.times.items():
        np.testing.assert_array_equal(seconds, other.times[key])


def one_line(error: pytest.ExceptionInfo[ValueError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


# ---- the archive, against nats_bench


@pytest.mark.parametrize("epochs", [12, 200])
@pytest.mark.parametrize(("dataset", "split", "trained_on", "key"), NAMES)
def test_accuracies_are_those_of_the_package(
    table: Oracle, api: Any, dataset: str, split: str, trained_on: str, key: str, epochs: int
) -> None:
    mean = table.accuracy(dataset, split, epochs)
    assert mean.shape == (15625,) and mean.dtype == np.float64
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(mean)), cells_with(epochs))
    for cell in cells_with(epochs):
        info = api.get_more_info(cell, trained_on, hp=str(epochs), is_random=False)
        assert mean[cell] == info[key]
        for seed in seeds_of(cell, trained_on, epochs):
            info = api.get_more_info(cell, trained_on, hp=str(epochs), is_random=seed)
            assert table.accuracy(dataset, split, epochs, seed)[cell] == info[key]
    seeds = sorted({s for cell in CELLS for s in seeds_of(cell, trained_on, epochs)})
    assert table.seeds(dataset, split, epochs) == seeds


def test_a_seed_that_a_cell_has_not_is_nan(table: Oracle) -> None:
    of_999 = table.accuracy("cifar100", "test", 200, seed=999)
    expected = [cell for cell in cells_with(200) if cell % 2 == 0]
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(of_999)), expected)


@pytest.mark.parametrize("epochs", [12, 200])
@pytest.mark.parametrize(("dataset", "trained_on"), [(d, b) for d, s, b, _ in NAMES if s[0] == "v"])
def test_seconds_are_those_of_simulated_training(
    table: Oracle,
    api: Any,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    trained_on: str,
    epochs: int,
) -> None:
    seconds = table.seconds(dataset, epochs)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(seconds)), cells_with(epochs))
    name = trained_on.removesuffix("-valid")
    for cell in cells_with(epochs):
        seeds = seeds_of(cell, trained_on, epochs)
        costs = []
        for seed in seeds:  # the package draws one
            monkeypatch.setattr(random, "choice", lambda drawn, seed=seed: seed)
            costs.append(api.simulate_train_eval(cell, name, hp=str(epochs))[2])
        assert seconds[cell] == pytest.approx(np.mean(costs), rel=1e-13)


def test_cells_and_description(table: Oracle) -> None:
    assert table.cells.tolist() == list(CELLS)
    lines = table.describe().splitlines()
    assert lines[0] == "cifar10 valid 12-epoch accuracy: seeds 111, 777, 7 cells"
    assert "imagenet16-120 test 200-epoch accuracy: seeds 777, 888, 999, 6 cells" in lines
    assert "cifar100 200 epochs: seconds, 6 cells" in lines
    assert len(lines) == 12 + 6


def test_open_api_gives_the_same(table: Oracle, api: Any, cache: Path) -> None:
    assert_same(oracle.from_api(api), table)
    content = {
        "meta_archs": list(api.meta_archs),
        "arch2infos": {cell: cell_states(cell) for cell in CELLS},
        "evaluated_indexes": set(CELLS),
    }
    whole = nats_bench.create(content, "tss", fast_mode=False, verbose=False)
    seen: list[tuple[int, int]] = []
    assert_same(oracle.from_api(whole, progress=lambda *done: seen.append(done)), table)
    assert seen == [(number, len(CELLS)) for number in range(1, len(CELLS) + 1)]
    with pytest.raises(OracleError, match="topology"):
        oracle.from_api(object())  # type: ignore[arg-type]


def test_records_may_lack_times_and_evaluations(folder: Path) -> None:
    states = cell_states(11)
    for result in states["12"]["all_results"].values():
        result["train_times"] = None
    for result in states["200"]["all_results"].values():
        result["eval_times"] = {}
    for seed in (777, 888):
        del states["200"]["all_results"]["cifar100", seed]["eval_acc1es"]["x-test@199"]
    pickle_save(states, str(folder / "000011.pickle"))
    table = oracle.read(folder)
    assert np.isnan([table.seconds(d, e)[11] for d in oracle.DATASETS for e in oracle.EPOCHS]).all()
    assert np.isnan(table.accuracy("cifar100", "test", 200)[11])
    assert np.isfinite(table.accuracy("cifar100", "valid", 200)[11])


# ---- the cache


def test_second_open_reads_no_cell(
    folder: Path, cache: Path, table: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    oracle.read(folder, progress=lambda *done: seen.append(done))
    assert seen == [(number, len(CELLS)) for number in range(len(CELLS) + 1)]
    assert [path.suffix for path in cache.iterdir()] == [".parquet"]
    monkeypatch.setattr(archive, "read_dict", None)
    assert_same(oracle.read(folder, progress=lambda *_: pytest.fail("reads again")), table)
    (kept,) = cache.iterdir()
    assert_same(oracle.read(kept), table)


def test_changed_archive_or_damaged_cache_is_read_again(folder: Path, cache: Path) -> None:
    first = oracle.read(folder)
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[:-20], whole[:50] + bytes([whole[50] ^ 1]) + whole[51:]):
        kept.write_bytes(damaged)
        assert_same(oracle.read(folder), first)
        assert kept.read_bytes() == whole
    os.utime(folder / "000011.pickle.pbz2", (1, 1))  # as after a download of the same size
    assert archive.cached_table(folder) != kept
    shutil.copy(folder / "000011.pickle.pbz2", folder / "11.pickle.pbz2")  # nats_bench's other name
    (folder / "000011.pickle.pbz2").unlink()
    (folder / "000000.pickle.pbz2").unlink()
    assert oracle.read(folder).cells.tolist() == list(CELLS[1:])


KILLED = """
import os, signal, sys
from jaxnas import oracle
from jaxnas.oracle import archive
archive._CELLS_PER_PART = 2
def progress(done, total):
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)
oracle.read(sys.argv[1], progress=progress)
"""


def test_killed_run_goes_on(
    original: Path, tmp_path: Path, table: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", KILLED, original], env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    cache = Path(pooch.os_cache("jaxnas")) / "oracle"
    parts = sorted(cache.iterdir())
    assert len(parts) == 2
    parts[1].write_bytes(parts[1].read_bytes()[:-9])  # damaged on top: made again

    seen: list[int] = []
    loaded: list[str] = []
    unpacked = archive._unpacked
    monkeypatch.setattr(archive, "_CELLS_PER_PART", 2)
    monkeypatch.setattr(
        archive, "_unpacked", lambda p, what: loaded.append(p.name) or unpacked(p, what)
    )
    assert_same(oracle.read(original, progress=lambda done, _: seen.append(done)), table)
    assert loaded == ["meta.pickle.pbz2", *(f"{cell:06d}.pickle.pbz2" for cell in CELLS[2:])]
    assert seen == [2, 3, 4, 5, 6, 7]
    assert len(list(cache.iterdir())) == 1


# ---- archives that are not right


class Calls:
    """Pickles into a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def test_pickle_that_asks_for_more_is_refused_and_not_run(folder: Path, cache: Path) -> None:
    mark = folder.parent / "mark"
    content = {"12": Calls(os.system, f"touch {mark}")}
    pickle_save(content, str(folder / "000284.pickle"))
    with pytest.raises(ValueError, match="refused and not run") as error:
        oracle.read(folder)
    assert "000284.pickle.pbz2" in one_line(error) and f"{os.name}.system" in one_line(error)
    assert not mark.exists()
    assert not list(cache.glob("*.parquet"))


def pack(content: object) -> bytes:
    return bz2.compress(pickle.dumps(content, protocol=4))


def with_run(**changes: object) -> bytes:
    """Cell 284 with the state of one training run changed."""
    states = cell_states(284)
    states["200"]["all_results"]["cifar100", 888].update(changes)
    return pack(states)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pack(cell_states(284))[:-100], "is damaged: .*get the file again"),
        (b"", "is damaged: .*get the file again"),
        (b"<html>not found</html>", "is damaged: .*get the file again"),
        (bz2.compress(pickle.dumps(cell_states(284))[:-100]), "is damaged: .*again"),
        (pack([1, 2]), "got a pickled list"),
        (pack({"12": {}}), "not laid out as a cell of NATS-Bench .*KeyError"),
        (pack({"12": 3}), "not laid out as a cell of NATS-Bench"),
        (pack(cell_states(11)), "number 284 of the topology space, got .*none~0.*tss"),
        (with_run(epochs=90), "90 epochs where 200 were expected"),
        (
            with_run(eval_acc1es={"x-valid@199": 130.0}),
            "000284.*cifar100_valid_200_seed888: expected .* from 0 up to 100, got 130.0",
        ),
        (with_run(eval_acc1es={"x-valid@199": float("inf")}), "000284.*from 0 up to 100, got inf"),
        (
            with_run(train_times=dict.fromkeys(range(200), -1e3)),
            "200-epoch time seconds.* for cell 284",
        ),
    ],
)
def test_wrong_cell_file_is_named(folder: Path, content: bytes, message: str) -> None:
    (folder / "000284.pickle.pbz2").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        oracle.read(folder)
    assert archive.FOLDER in one_line(error)


def test_bomb_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MOST_BYTES", 2_000_000)
    (folder / "000284.pickle.pbz2").write_bytes(bz2.compress(bytes(3_000_000)))
    with pytest.raises(ValueError, match="000284.pickle.pbz2 is damaged: .*got more than 2 MB"):
        oracle.read(folder)


def test_other_folders_and_files_are_refused(folder: Path) -> None:
    (folder / "015625.pickle.pbz2").write_bytes(b"")
    with pytest.raises(OracleError, match="15625.pickle.pbz2 is of no cell"):
        oracle.read(folder)
    (folder / "015625.pickle.pbz2").unlink()
    pickle_save({"meta_archs": ["64:64:64:64:64"]}, str(folder / "meta.pickle"))
    with pytest.raises(OracleError, match="meta.pickle.pbz2 lists other cells"):
        oracle.read(folder)
    (folder / "meta.pickle.pbz2").unlink()
    with pytest.raises(OracleError, match="is not the NATS-Bench topology archive: expected"):
        oracle.read(folder)
    single = folder / "NATS-tss-v1_0-3ffb9.pickle.pbz2"
    single.touch()
    with pytest.raises(OracleError, match="12 GB or more: expected the unpacked folder .*-simple"):
        oracle.read(single)
    (folder / "notes.txt").touch()
    with pytest.raises(OracleError, match="expected a .csv, .parquet or .npz"):
        oracle.read(folder / "notes.txt")
    with pytest.raises(FileNotFoundError, match="nowhere.npz does not exist"):
        oracle.read(folder / "nowhere.npz")


# ---- tables of one's own

ROWS = 50
KEYED = {
    "cell": lambda cells: {"cell": cells},
    "index": lambda cells: {"index": cells},
    "arch": lambda cells: {"arch": np.array([nb201.index_to_arch(cell) for cell in cells])},
    "both": lambda cells: {
        "cell": cells,
        "arch": np.array([nb201.index_to_arch(cell) for cell in cells]),
    },
}


def write_npz(path: Path, columns: dict[str, Any]) -> None:
    np.savez(path, **columns)


def write_parquet(path: Path, columns: dict[str, Any]) -> None:
    pq.write_table(pa.table({name: pa.array(list(c)) for name, c in columns.items()}), path)


def write_csv(path: Path, columns: dict[str, Any]) -> None:
    """As spreadsheets do: nothing where there is no value."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow("" if str(value) == "nan" else value for value in row)


WRITERS = {".npz": write_npz, ".parquet": write_parquet, ".csv": write_csv}


def own_table() -> tuple[np.ndarray, dict[str, Any]]:
    draw = np.random.default_rng(5)
    cells = draw.permutation(nb201.NUM_CELLS)[:ROWS]
    one, two = draw.uniform(0, 100, (2, ROWS))
    two[7] = one[9] = two[9] = np.nan
    seconds = draw.uniform(0, 1e3, ROWS)
    return cells, {
        "cifar100_valid_12_seed777": one,
        "cifar100_valid_12_seed3": two,
        "imagenet16-120_test_200": two,
        "cifar10_seconds_200": seconds,
        "remark": np.array(["x"] * ROWS),
        "cifar10_valid_13": one,
    }


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("key", KEYED)
def test_tables_are_read(tmp_path: Path, key: str, suffix: str) -> None:
    cells, columns = own_table()
    path = tmp_path / f"table{suffix}"
    WRITERS[suffix](path, columns | KEYED[key](cells))
    table = oracle.read(str(path))
    one, two = columns["cifar100_valid_12_seed777"], columns["cifar100_valid_12_seed3"]
    valid = table.accuracy("cifar100", "valid", 12)
    ok = ~np.isnan(two)
    np.testing.assert_array_equal(valid[cells[ok]], (one[ok] + two[ok]) / 2)
    assert valid[cells[7]] == one[7] and np.isnan(valid[cells[9]])
    assert np.isnan(np.delete(valid, cells)).all()
    np.testing.assert_array_equal(table.accuracy("cifar100", "valid", 12, seed=3)[cells], two)
    np.testing.assert_array_equal(table.accuracy("imagenet16-120", "test", 200)[cells], two)
    np.testing.assert_array_equal(
        table.seconds("cifar10", 200)[cells], columns["cifar10_seconds_200"]
    )
    assert table.tasks == [("cifar100", "valid", 12), ("imagenet16-120", "test", 200)]
    assert table.seeds("cifar100", "valid", 12) == [3, 777]
    assert table.cells.tolist() == sorted(np.delete(cells, 9).tolist())


def test_own_mean_goes_before_the_mean_of_seeds(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    np.savez(path, cell=[4], cifar10_valid_12_seed1=[50.0], cifar10_valid_12=[60.0])
    table = oracle.read(path)
    assert table.accuracy("cifar10", "valid", 12)[4] == 60
    assert table.accuracy("cifar10", "valid", 12, seed=1)[4] == 50


def test_answers_are_the_callers_own(table: Oracle) -> None:
    for seed in (None, 777):
        table.accuracy("cifar10", "valid", 200, seed)[:] = 0
        assert table.accuracy("cifar10", "valid", 200, seed)[0] > 0
    table.seconds("cifar10", 200)[:] = 0
    assert table.seconds("cifar10", 200)[0] > 0


def test_names_of_the_projects_own_file(tmp_path: Path) -> None:
    path = tmp_path / "nb201.npz"
    np.savez(
        path,
        index=[3, 1],
        arch=[nb201.index_to_arch(3), nb201.index_to_arch(1)],
        cifar10valid_val_200=[80.0, 70.0],
        cifar10valid_val_200_per_seed=[[79.0, 81.0, np.nan], [70.0, 69.0, 71.0]],
        cifar10_test_200=[90.0, 85.0],
        cifar10valid_test_200=[1.0, 2.0],  # trained on half the images: not what test means
        cifar100_valtest_200=[3.0, 4.0],
        cifar100_val_12=[30.0, 40.0],
        imagenet16_test_12=[20.0, 10.0],
        train_sec_per_epoch_cifar10valid=[7.0, 10.0],
        train_sec_per_epoch_cifar10=[14.0, 20.0],
        train_sec_per_epoch_imagenet16=[40.0, 60.0],
        imagenet16_120_seconds_12=[1.0, 1.0],
        **{"imagenet16-120_seconds_12": [500.0, 800.0]},
    )
    table = oracle.read(path)
    assert table.accuracy("cifar10", "valid", 200)[[1, 3]].tolist() == [70, 80]
    assert table.accuracy("cifar10", "valid", 200, seed=0)[[1, 3]].tolist() == [70, 79]
    assert np.isnan(table.accuracy("cifar10", "valid", 200, seed=2)[3])
    assert table.accuracy("cifar10", "test", 200)[[1, 3]].tolist() == [85, 90]
    assert table.accuracy("cifar100", "valid", 12)[[1, 3]].tolist() == [40, 30]
    assert table.accuracy("imagenet16-120", "test", 12)[[1, 3]].tolist() == [10, 20]
    assert len(table.tasks) == 4
    assert table.seconds("cifar10", 12)[[1, 3]].tolist() == [120, 84]
    assert table.seconds("cifar10", 200)[[1, 3]].tolist() == [2000, 1400]
    assert table.seconds("imagenet16-120", 12)[[1, 3]].tolist() == [800, 500]
    assert table.seconds("imagenet16-120", 200)[[1, 3]].tolist() == [12000, 8000]
    with pytest.raises(OracleError, match="no training times of cifar100 .*it has cifar10 12"):
        table.seconds("cifar100", 12)


GOOD = {"cell": [5, 6], "cifar10_valid_200": [10.0, 90.0]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": None}, "which row is which cell: expected a column cell.*got cifar10_valid_200"),
        ({"cell": [5, 5]}, "1 cells in more than one row, e.g. cell 5"),
        ({"cell": [5, 15625]}, "row 2: expected as cell an integer 0 to 15624, got 15625"),
        ({"cell": [-1, 3]}, "row 1: expected as cell .* got -1"),
        ({"cell": [1.5, 3]}, "row 1: expected as cell .* got 1.5"),
        ({"cell": [np.nan, 3]}, "row 1: expected as cell .* got nan"),
        ({"cell": ["a", "b"]}, "expected column cell to hold official cell indices, got 'a'"),
        ({"cell": []}, "at least one row"),
        ({"cell": None, "arch": ["|none~0|", "x"]}, "row 1: Arch string .*expected 3 nodes"),
        ({"arch": [nb201.index_to_arch(5), nb201.index_to_arch(7)]}, "row 2: cell says cell 6.*7"),
        ({"arch": [nb201.index_to_arch(5)]}, "columns cell, arch differ in length"),
        ({"cifar10_valid_200": None}, "no accuracies: expected a column such as"),
        ({"cifar10_valid_200": [np.nan, np.nan]}, "no accuracies: expected a column such as"),
        ({"cifar10_valid_200": [10.0, 101.0]}, "0 to 100, got 101 for cell 6"),
        ({"cifar10_valid_200": [10.0, -1.0]}, "0 to 100, got -1 for cell 6"),
        ({"cifar10_valid_200": [np.inf, 5.0]}, "0 to 100, got inf for cell 5"),
        ({"cifar10_valid_200": [0.1, 0.9]}, "no accuracy above 0.9 %.*multiply them by 100"),
        (
            {"cifar10_valid_200": ["a", "b"]},
            "row 1: expected in column cifar10_valid_200 a number, got 'a'",
        ),
        ({"cifar10_valid_200": [1.0]}, "column cifar10_valid_200 to hold 2 numbers"),
        ({"cifar10_valid_200": np.array([{}, {}])}, "Python objects in cifar10_valid_200"),
        ({"cifar10valid_val_200": [1.0, 2.0]}, "two columns of the same accuracies"),
        ({"cifar10_test_200_per_seed": [1.0, 2.0]}, r"an array \[cells, seeds\], got shape \(2,\)"),
        ({"cifar10_seconds_12": [-1.0, 2.0]}, "12-epoch time seconds.* got -1 for cell 5"),
    ],
)
def test_wrong_tables_get_one_sentence(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "table.npz"
    np.savez(path, **{name: c for name, c in (GOOD | changes).items() if c is not None})
    with pytest.raises(OracleError, match=message) as error:
        oracle.read(path)
    assert str(path) in one_line(error)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize(
    "content", [b"", b"<html>\n<p>\n</html>, 3", b"PK\x03\x04 cut", b"\xff\xfe"]
)
def test_files_that_are_no_tables(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"table{suffix}"
    path.write_bytes(content)
    with pytest.raises(OracleError) as error:
        oracle.read(path)
    assert str(path) in one_line(error)


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("cell,cifar10_valid_12,cifar10_valid_12\n1,50,60\n")
    with pytest.raises(OracleError, match="'cifar10_valid_12', which comes more than once"):
        oracle.read(path)


# ---- questions it cannot answer


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (("cifar11", "valid", 12), "expected one of cifar10, cifar100, imagenet16-120.*cifar11"),
        (("cifar10", "train", 12), "split: expected one of valid, test, got 'train'"),
        (("cifar10", "valid", 90), "epochs: expected one of 12, 200, got 90"),
        (("cifar10", "valid", 200, 111), r"of seed 111: it has .*12-epoch \(seeds 111, 777\)"),
    ],
)
def test_wrong_questions(table: Oracle, question: tuple[Any, ...], message: str) -> None:
    with pytest.raises(OracleError, match=message) as error:
        table.accuracy(*question)
    one_line(error)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    np.savez(path, **GOOD)
    table = oracle.read(path)
    with pytest.raises(OracleError, match=r"has no cifar10 test .*it has cifar10 valid.*\(mean ov"):
        table.accuracy("cifar10", "test", 200)
    with pytest.raises(OracleError, match="no training times .*it has no times at all"):
        table.seconds("cifar10", 12)


def test_required_cells_must_be_there(table: Oracle) -> None:
    asked = [6111, 0, 11]
    expected = table.accuracy("cifar10", "test", 200)[asked]
    np.testing.assert_array_equal(table.require(asked, "cifar10", "test", 200), expected)
    with pytest.raises(OracleError, match="200-epoch accuracy of 2 of the 4 cells .*e.g. cell 17"):
        table.require([0, 17, 857, 11], "cifar10", "test", 200)
    with pytest.raises(OracleError, match="of seed 999 of 1 of the 2 cells .*e.g. cell 11"):
        table.require([0, 11], "cifar10", "test", 200, seed=999)
    for wrong in (-1, 15625):
        with pytest.raises(OracleError, match=f"indices 0 to 15624, got {wrong}"):
            table.require([0, wrong], "cifar10", "test", 200)


def test_architectures_are_looked_up_by_their_arch(table: Oracle) -> None:
    asked = [6111, 0, 11]
    archs = [nb201.index_to_arch(cell) for cell in asked]
    expected = table.accuracy("cifar10", "test", 200)[asked]
    np.testing.assert_array_equal(table.look_up(archs, "cifar10", "test", 200), expected)
    with pytest.raises(OracleError, match="1 of the 1 cells .*e.g. cell 17"):
        table.look_up([nb201.index_to_arch(17)], "cifar10", "test", 200)
    with pytest.raises(ValueError, match="Arch string 'x': expected 3 nodes"):
        table.look_up(["x"], "cifar10", "test", 200)


def test_a_space_without_indices_has_no_table(tmp_path: Path, original: Path) -> None:
    path = tmp_path / "table.npz"
    np.savez(path, **GOOD)
    assert oracle.read(path).space is SPACES["nb201"]
    for source in (path, original):
        with pytest.raises(
            OracleError, match="space darts: expected one .* which has none"
        ) as error:
            oracle.read(source, space="darts")
        one_line(error)
    with pytest.raises(ValueError, match="space 'nb20': .*did you mean 'nb201'"):
        oracle.read(path, space="nb20")


# ---- command line


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str, str]]]:
    def called(*arguments: object) -> tuple[int, str, str]:
        return run([str(argument) for argument in arguments]), *capsys.readouterr()

    yield called


def test_command_shows_what_an_archive_holds(
    folder: Path, cache: Path, table: Oracle, call: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, err = call("oracle", folder)
    assert status == 0
    assert err == "reading the archive, once: 7 cells\n"
    (kept,) = cache.iterdir()
    assert str(kept) in out and "7 of 15,625 cells" in out
    values = table.accuracy("cifar100", "test", 200)
    best = int(np.nanargmax(values))
    words = ["cifar100", "test", "200", "777,", "888,", "999", "6", f"{values[best]:.3f}"]
    assert [*words, str(best), nb201.index_to_arch(best)] in [
        line.split() for line in out.split("\n")
    ]
    seconds = table.seconds("imagenet16-120", 12)
    mean = f"{np.nanmean(seconds):,.1f}"
    assert ["imagenet16-120", "12", "7", mean] in [line.split()[:4] for line in out.split("\n")]
    again = call("oracle", folder)
    assert again == (0, out, "")
    assert call("oracle", kept)[1].splitlines()[1:] == out.splitlines()[1:-2]


def test_command_says_what_is_wrong_in_one_line(
    folder: Path, call: Callable[..., tuple[int, str, str]]
) -> None:
    path = folder / "000284.pickle.pbz2"
    path.write_bytes(path.read_bytes()[:1000])
    status, out, err = call("oracle", folder)
    assert (status, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith("jaxnas: error: ") and str(path) in last
    status, out, err = call("oracle", folder / "nowhere")
    assert (status, out, err.count("\n")) == (2, "", 1)


# ---- the whole space


@pytest.mark.skipif(not SHARED.exists(), reason="no shared data here")
def test_whole_space() -> None:
    table = oracle.read(SHARED)
    assert len(table.cells) == nb201.NUM_CELLS
    best = {"cifar10": (6111, 94.373), "cifar100": (9930, 73.513), "imagenet16-120": (857, 47.311)}
    for dataset, (cell, accuracy) in best.items():
        values = table.accuracy(dataset, "test", 200)
        assert values.argmax() == cell
        assert values[cell] == pytest.approx(accuracy, abs=5e-4)
    seeds = [table.accuracy("cifar10", "valid", 200, seed) for seed in (0, 1, 2)]
    np.testing.assert_allclose(
        np.nanmean(seeds, axis=0), table.accuracy("cifar10", "valid", 200), rtol=1e-12
    )
    # The official record of cell 0: 7.221092998981476 s a training epoch, 2.54897923696609 s a
    # validation pass, which is what this table lacks.
    assert table.seconds("cifar10", 12)[0] == pytest.approx(12 * 7.221092998981476, rel=1e-9)
