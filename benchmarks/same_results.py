"""Whether two checkouts of jaxnas give the same numbers for the same settings, on one machine.

    python benchmarks/same_results.py OLD NEW --accuracies nb201.npz --out /tmp/same

Each command is run in both, in a folder of its own, and what it leaves behind is compared value by
value: scores, statuses, accuracies, weights' accuracies, what searches find. OLD is a checkout from
before spaces had a protocol (its commands are spelt as they were then), NEW one from after it.
Commands that were run before are not run again.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

SMALL_OLD = ["--stem-channels", "4", "--cells-per-stage", "1"]
SMALL = ["--channels", "4", "--depth", "1"]
MORE = "all,pjs_nz,wpjs_nz,wpjsi_nz,gradient_kernel_sampled"
OTHER = "js,pjs,gradient_kernel,params"


class Task(NamedTuple):
    """A command in both spellings, without its --out.

    Attributes:
        name: of the folder it leaves behind.
        old: arguments as OLD has them.
        new: arguments as NEW has them.
        old_suffix: what OLD's --out ends in, where it is a file.
    """

    name: str
    old: list[str]
    new: list[str]
    old_suffix: str = ""


def tasks(accuracies: str) -> Iterator[Task]:
    """Every command that is compared; `accuracies` is a table of NAS-Bench-201."""
    score = ["score", "--cells", "random:30", "--proxies", MORE, "--dtype", "float64"]
    yield Task("score-f64", [*score, *SMALL_OLD], [*score, *SMALL])
    modes = ["--bn", "batch", "--init", "he", "--weights", "shared", "--no-merge"]
    score = ["score", "--cells", "random:12", "--proxies", OTHER, *modes]
    yield Task("score-other", [*score, *SMALL_OLD], [*score, *SMALL])
    table = ["--oracle", accuracies, "--dataset", "cifar10"]
    for method in ("random", "rea", "reinforce", "bohb", "gt-nas"):
        rest = [method, *table, "--runs", "20", *(["--by", "params"] if method == "gt-nas" else [])]
        yield Task(f"simulate-{method}", ["search", *rest], ["simulate", *rest], ".csv")
    for method in ("sf", "relax", "ram", "snas", "st", "gdas", "darts"):
        rest = [method, *table, "--runs", "5", "--queries", "200"]
        yield Task(f"simulate-{method}", ["search", *rest], ["simulate", *rest])
    train = ["train", "--cells", "855,3", "--epochs", "1", "--channels", "4", "--seeds", "0,1"]
    yield Task("train", [*train, "--cells-per-stage", "1"], [*train, "--depth", "1"])
    for method, space, depth, epochs in (
        ("gdas", "nb201", "1", "2"),
        ("pr-darts", "darts", "3", "1"),
    ):
        rest = ["search", method, "--space", space, "--dataset", "digits", "--channels", "4"]
        rest += ["--epochs", epochs]
        yield Task(f"search-{method}", [*rest, "--cells", depth], [*rest, "--depth", depth])
    gt_nas = ["-s", "12", "-k", "2", "--epochs", "1", "--channels", "4"]
    yield Task(
        "search-gt-nas",
        ["search", "gt-nas", "--train", "digits", *gt_nas, "--cells-per-stage", "1"],
        ["search", "gt-nas", "--dataset", "digits", *gt_nas, "--depth", "1"],
    )

    # The longest comes last.
    score = ["score", "--cells", "random:12", "--proxies", MORE, "--seeds", "0,1"]
    yield Task("score-f32", score, score)


def run(checkout: Path, arguments: list[str], out: Path, log: Path) -> None:
    """Runs a command of a checkout, unless it has left `out` behind."""
    if out.exists() and not (out.is_dir() and (out / ".running").exists()):
        return
    command = [sys.executable, "-m", "jaxnas", *arguments, "--out", str(out.resolve())]
    with log.open("a") as file:
        subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": str(checkout.resolve())},
            cwd=log.parent,
            stdout=file,
            stderr=file,
            check=True,
        )


# Columns that say how long something took, or that only one side has.
_TIMES = ("seconds", "seconds_per_cell")


def values(folder: Path) -> dict[str, list[Any]]:
    """Every value that a command left behind, by file and column; times are left out."""
    found: dict[str, list[Any]] = {}
    for path in sorted([folder] if folder.is_file() else folder.iterdir()):
        if path.suffix == ".parquet":
            columns = pq.read_table(path).to_pydict()
        elif path.suffix == ".csv":
            rows = list(csv.DictReader(path.open()))
            columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
        elif path.name == "found.json":
            content = json.loads(path.read_text())
            # As it was called before spaces had a protocol.
            content["constants"] = {
                "depth" if name == "cells" else name: value
                for name, value in content["constants"].items()
            }
            columns = {name: [value] for name, value in content.items()}
        else:
            continue
        stem = "table" if folder.is_file() else path.stem
        found |= {f"{stem}.{n}": v for n, v in columns.items() if n not in _TIMES}
    return found


def difference(old: list[Any], new: list[Any]) -> float:
    """Largest relative difference, 0 where all values are the same, infinite where they are not."""
    if len(old) != len(new):
        return float("inf")
    try:
        a, b = np.array(old, np.float64), np.array(new, np.float64)
    except (TypeError, ValueError):
        return 0.0 if list(map(str, old)) == list(map(str, new)) else float("inf")
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return 0.0
    return float(np.max(np.abs(a - b)[~same] / np.maximum(np.abs(a), np.abs(b))[~same]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--accuracies", required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of all results")
    args = parser.parse_args()
    worst = 0.0
    for task in tasks(str(Path(args.accuracies).resolve())):
        outs = [args.out / "old" / (task.name + task.old_suffix), args.out / "new" / task.name]
        for out, checkout, arguments in zip(
            outs, (args.old, args.new), (task.old, task.new), strict=True
        ):
            out.parent.mkdir(parents=True, exist_ok=True)
            run(checkout, arguments, out, args.out / "log.txt")
        old, new = map(values, outs)
        shared = [name for name in old if name in new]
        differ = {name: difference(old[name], new[name]) for name in shared}
        differ = {name: by for name, by in differ.items() if by}
        worst = max(worst, *differ.values(), 0.0)
        said = ", ".join(f"{name} {by:.2g}" for name, by in differ.items()) or "the same"
        print(f"{task.name:<20} {len(shared):>3} columns compared: {said}", flush=True)
    print(f"largest relative difference: {worst:.2g}")


if __name__ == "__main__":
    main()
