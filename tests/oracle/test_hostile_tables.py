"""Files of every kind that must be refused: in one sentence, within seconds and within 1 GB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hostile import KINDS, TABLE, hostile

from jaxnas import oracle
from jaxnas.oracle import OracleError, archive

# In a process of its own, as the failures are a hang, a crash, or all of the memory.
CHILD = """
import json, signal, sys, warnings
from pathlib import Path
from hostile import SUFFIX, hostile
from hostile_pickles import PICKLES
from jaxnas import data, oracle
from jaxnas.oracle import archive
check_meta = archive._check_meta
folder, (_, *kinds) = Path.cwd(), sys.argv
for kind in kinds:
    for number, (name, write) in enumerate(hostile(kind)):
        if kind == "archive" and name in PICKLES and "tuple" not in name:
            continue  # all of them are read in tests/data/test_pickles.py
        path = folder / f"{kind}{number}{SUFFIX[kind]}"
        write(path)
        # The list of cells takes half a second; most are about a cell.
        archive._check_meta = check_meta if "list" in name else lambda folder: None
        signal.alarm(10)
        try:
            (data.load if kind == "images" else oracle.read)(path)
            said = None
        except (ValueError, OSError) as error:
            said = str(error)
        signal.alarm(0)
        # Not by getrusage, which counts what was there before the program was started.
        peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
        print(json.dumps([kind, name, said, peak]), flush=True)
"""


def test_every_hostile_file_is_refused_in_one_sentence_within_bounds(tmp_path: Path) -> None:
    paths = os.pathsep.join(path for path in sys.path if path)
    env = os.environ | {"PYTHONPATH": paths, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *KINDS],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    done = [json.loads(line) for line in child.stdout.splitlines()]
    assert child.returncode == 0, (done[-1:], child.stderr[-2000:])
    counts = {kind: len(hostile(kind)) for kind in KINDS if kind != "archive"}
    assert {kind: sum(row[0] == kind for row in done) for kind in counts} == counts
    for kind, name, said, peak in done:
        assert said is not None, (kind, name)
        assert said.isprintable(), (kind, name, said)
        assert len(said) < 700, (kind, name, said)
        assert peak < 1_000_000, (kind, name, peak)
        assert f"/{kind}" in said or said.startswith(kind), (kind, name, said)


EXPECTED = [
    ("npz", "renamed in its head only", "is damaged: .*File name in directory.*; get or save"),
    ("npz", "flipped byte", "is damaged: .*Bad CRC-32 .*; get or save the file again"),
    ("npz", "unknown packing", r"is damaged: .*np.savez never does \(99\); get or save the file"),
    ("npz", "encrypted", "is encrypted: expected plain arrays, got a password .*; unpack it"),
    ("npz", "claim of terabytes", "is damaged: .*got one of 80 TB by its head in 0 bytes"),
    ("npz", "member that is no array", "is damaged: expected in 'cifar10_valid_200' an array"),
    ("npz", "head of code", "is damaged: .*by its head"),
    ("csv", "percent signs", "row 1: expected in column cifar10_valid_200 a number, got '10%'"),
    ("csv", "words", "row 2: expected in column cifar10_valid_200 a number, got 'n.a.'"),
    ("csv", "semicolons", "separate the columns by commas, not by ';'"),
    ("csv", "too many columns", "expected at most 10,000 columns, got 120,000"),
    ("parquet", "structs", "column 'cifar10_valid_200' to hold numbers or text, got 'struct<a"),
    ("parquet", "key with nothing", "row 2: expected as cell an integer"),
    ("parquet", "column twice", "got 'cifar10_valid_200', which comes more than once"),
    ("parquet", "rows without end", "at most 15,625 rows, one an architecture, got 3,000,000"),
    ("parquet", "flipped byte", "is damaged: expected a parquet table, got .*CRC"),
    ("npz", "named pipe", "expected a regular file, got a named pipe; give the path of a file"),
]


@pytest.mark.parametrize(("kind", "name", "message"), EXPECTED)
def test_what_is_wrong_is_said(kind: str, name: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / f"table.{kind}"
    dict(hostile(kind))[name](path)
    with pytest.raises(OracleError, match=message) as error:
        oracle.read(path)
    assert str(error.value).startswith(str(path))


def write(path: Path, **columns: object) -> Path:
    np.savez(path, **({"cell": TABLE["cell"]} | columns))
    return path


UNITS = [
    {"cifar10_valid_200_seed1": [93.0, 91.0], "cifar10_valid_200_seed2": [0.93, 0.91]},
    {"cifar10_valid_200": [93.0, 91.0], "imagenet16-120_test_12": [0.4, 0.3]},
    {"cifar100_valid_200": [73.0, 1.0], "cifar100_valid_12": [0.6, 0.01]},
    {"cifar100_test_200": [0.7, 0.5], "cifar10_test_200": [93.0, np.nan]},
]


@pytest.mark.parametrize("columns", UNITS)
def test_a_column_of_fractions_among_percentages_is_named(
    columns: dict[str, list[float]], tmp_path: Path
) -> None:
    with pytest.raises(OracleError, match="accuracies.* in percent like the others, got none") as e:
        oracle.read(write(tmp_path / "table.npz", **columns))
    wrong = min(columns, key=lambda name: np.nanmax(columns[name]))
    dataset, split, epochs = wrong.split("_")[:3]
    assert f"{dataset} {split} {epochs}-epoch accuracies" in str(e.value)
    # The remedies work.
    mended = columns | {wrong: [100 * value for value in columns[wrong]]}
    assert oracle.read(write(tmp_path / "table.npz", **mended)).cells.size
    del mended[wrong]
    assert oracle.read(write(tmp_path / "table.npz", **mended)).cells.size


@pytest.mark.parametrize(
    "columns",
    [
        # Cells that cannot be trained are at chance in every column: 10, 1 and 0.83 %.
        {"cifar10_test_200": [10.0, 10.0], "imagenet16-120_test_200": [0.83, 0.83]},
        {"cifar10_test_200": [10.0, 10.0], "cifar100_test_200": [1.0, 1.0]},
        {"cifar10_test_200": [93.0, 90.0], "cifar100_test_200": [0.9, 40.0]},
        {"cifar10_test_200": [93.0, np.nan], "cifar100_test_200": [np.nan, 1.0]},
    ],
)
def test_accuracies_by_chance_are_percentages(
    columns: dict[str, list[float]], tmp_path: Path
) -> None:
    table = oracle.read(write(tmp_path / "table.npz", **columns))
    for name, values in columns.items():
        found = table.accuracy(name.rsplit("_", 2)[0], "test", 200)[TABLE["cell"]]
        np.testing.assert_array_equal(found, values)


def test_text_of_numbers_is_said_to_be_text(tmp_path: Path) -> None:
    path = write(tmp_path / "table.npz", cifar10_valid_200=["93.5", " 9.1e1 "])
    with pytest.raises(OracleError, match=r"got them as <U7; save them as numbers, such as with"):
        oracle.read(path)


BENCHMARK_FILES = [
    (
        "meta.pickle.pbz2",
        "is the archive's list of cells, which has no accuracies: .*give {folder}",
    ),
    ("000012.pickle.pbz2", "is one cell of the archive: .*; give {folder}"),
    ("NATS-tss-v1_0-3ffb9.pickle.pbz2", "benchmark in one file.* 12 GB or more: .*-simple"),
    ("NATS-sss-v1_0-50262.pickle.pbz2", "is of NATS-Bench's size space"),
    ("NATS-tss-v1_0-3ffb9-simple.tar", "is packed: expected .*; unpack it and give the folder"),
    ("NAS-Bench-201-v1_1-096897.pth", "is a file of PyTorch, as NAS-Bench-201 was published"),
    ("table.xlsx", "is of no known kind: expected a .csv, .parquet or .npz table"),
]


@pytest.mark.parametrize(("name", "message"), BENCHMARK_FILES)
def test_a_file_of_the_benchmark_is_called_what_it_is(
    name: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.touch()
    with pytest.raises(OracleError, match=message.format(folder=tmp_path)):
        oracle.read(path)


def test_parts_of_the_cache_that_are_no_files_are_made_anew(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "part.parquet")
    assert archive._saved(tmp_path / "part.parquet") is None
    (tmp_path / "part").write_bytes(b"PAR1")
    assert archive._saved(tmp_path / "part") is None


def test_cells_are_asked_for_by_whole_numbers(tmp_path: Path) -> None:
    table = oracle.read(write(tmp_path / "table.npz", cifar10_valid_200=[50.0, 60.0]))
    assert table.require([6, 5], "cifar10", "valid", 200).tolist() == [60, 50]
    assert table.require([], "cifar10", "valid", 200).tolist() == []
    for wrong in ([1.7], [5.0], ["5"], [True], [None], [2**70], "5"):
        with pytest.raises(OracleError, match="^cells: expected official ind"):
            table.require(wrong, "cifar10", "valid", 200)  # type: ignore[arg-type]


def test_paths_that_no_file_has_are_refused_in_a_short_line() -> None:
    with pytest.raises(FileNotFoundError, match="does not exist: expected a .csv"):
        oracle.read("~nobody-of-that-name/x.npz")
    for path in ("x" * 5000, "a\0b.npz"):
        with pytest.raises(OracleError, match="^oracle: expected a path ") as error:
            oracle.read(path)
        assert len(str(error.value)) < 700
    with pytest.raises(OracleError, match="^oracle: expected a path, got 5"):
        oracle.read(5)  # type: ignore[arg-type]
