"""Kills runs at random moments, and compares what they end with to runs that nothing disturbed.

Each of `score`, `merge`, `train` and a search (`search gdas`) is run once undisturbed, and then in
rounds: a round starts the command in an empty folder, kills it with SIGKILL after a random part of
the time that it takes alone, starts the same command again, and so on until one ends by itself.
Then the files of `COMPARED` have to be the same bytes (tables of what took time: the same without
their column of seconds). Tiny networks and images; what counts is the moments.

    python benchmarks/kills.py --kills 25 --out benchmarks/results/kills.csv

25 kills of each of the four are a hundred. The table has a row for each round: how many kills, how
many of them after the folder was begun, and whether all was the same. It is written after each
round; the same command goes on where it was stopped. It exits with 1 if anything was not the same.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

SEED = 2026
SMALL = ("--channels", "4", "--depth", "1")


class Subject(NamedTuple):
    """A command that is killed.

    Attributes:
        arguments: without --out.
        compared: the files that have to be the same, and what gives their bytes.
    """

    arguments: tuple[str, ...]
    compared: dict[str, Callable[[Path], bytes]]


def table_without_seconds(path: Path) -> bytes:
    """The rows of a table, without the time that they took."""
    table = pq.read_table(path)
    return repr(table.drop_columns("seconds").to_pylist()).encode()


def rows_without_seconds(path: Path) -> bytes:
    """The rows of a CSV file, without the time that they took."""
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    return repr([{**row, "seconds": ""} for row in rows]).encode()


def subjects() -> dict[str, Subject]:
    """Every command that is killed, by its name."""
    whole = Path.read_bytes
    trained = {name: table_without_seconds for name in ("accuracies.parquet", "curves.parquet")}
    score = ("score", "--proxies", "js,params", *SMALL, "--batch-size", "4", "--devices", "2")
    train = ("train", "--cells", "5,11", *SMALL, "--batch-size", "16", "--epochs", "6")
    search = ("search", "gdas", *SMALL, "--batch-size", "16", "--epochs", "6")
    return {
        "score": Subject((*score, "--cells", "0:400"), {"scores.parquet": whole}),
        "merge": Subject(("merge", "first", "second"), {"scores.parquet": whole}),
        "train": Subject((*train, "--dataset", "images.npz"), trained),
        "search": Subject(
            (*search, "--dataset", "images.npz"),
            {"found.json": whole, "log.csv": rows_without_seconds},
        ),
    }


class Kills:
    """Runs in a folder of their own."""

    def __init__(self, work: Path) -> None:
        self._work = work
        work.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(0).integers(0, 256, (160, 8, 8, 3), np.uint8)
        labels = np.arange(160) % 10
        np.savez(work / "images.npz", x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)

    def start(self, arguments: Sequence[str], out: str) -> subprocess.Popen[bytes]:
        """Starts a command whose --out is a folder of that name."""
        cache = () if arguments[0] == "merge" else ("--cache-dir", "cache")
        command = [sys.executable, "-m", "jaxnas", *arguments, *cache, "--out", out]
        return subprocess.Popen(
            command, cwd=self._work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def finish(self, arguments: Sequence[str], out: str) -> float:
        """Runs a command to its end; seconds.

        Raises:
            RuntimeError: it has failed.
        """
        began = time.monotonic()
        self._ended(self.start(arguments, out))
        return time.monotonic() - began

    def prepare(self, arguments: Sequence[str]) -> None:
        """Makes the two folders that are merged, where they are not there yet."""
        for out, cells in (("first", "0:150"), ("second", "100:300")):
            self.finish([*arguments[:-1], cells], out)

    def undisturbed(self, name: str, subject: Subject) -> float:
        """Runs a command alone, once to compile what it needs; seconds of the second time."""
        for out in ("compiled", "whole"):
            shutil.rmtree(self._work / f"{name}-{out}", ignore_errors=True)
            seconds = self.finish(subject.arguments, f"{name}-{out}")
        shutil.rmtree(self._work / f"{name}-compiled")
        return seconds

    def round(
        self, name: str, subject: Subject, most: int, seconds: float, chance: random.Random
    ) -> dict[str, Any]:
        """Kills one run until it has ended by itself, or so many times; what came of it."""
        out = self._work / f"{name}-killed"
        shutil.rmtree(out, ignore_errors=True)
        kills = begun = 0
        while kills < most:
            process = self.start(subject.arguments, out.name)
            try:
                process.wait(chance.uniform(0, 1.1 * seconds))
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
                begun += out.exists()
        else:
            process = self.start(subject.arguments, out.name)
        self._ended(process)
        different = [
            file
            for file, content in subject.compared.items()
            if content(out / file) != content(self._work / f"{name}-whole" / file)
        ]
        return {"kills": kills, "begun": begun, "different": " ".join(different)}

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        _, err = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{process.args}: {process.returncode}, {err.decode()}")


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rounds of a table, none where there is no table yet."""
    return list(csv.DictReader(io.StringIO(path.read_text()))) if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=25, help="of each command")
    parser.add_argument("--only", nargs="*", help="these commands alone")
    parser.add_argument("--work", type=Path, default=Path("/tmp/jaxnas-kills"))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    everything = subjects()
    rows: list[dict[str, Any]] = [*read_rows(args.out)]
    runs = Kills(args.work)
    for name in args.only or everything:
        done = [row for row in rows if row["command"] == name]
        left = args.kills - sum(int(row["kills"]) for row in done)
        if left <= 0:
            continue
        if name == "merge":
            runs.prepare(everything["score"].arguments)
        seconds = runs.undisturbed(name, everything[name])
        while left > 0:
            chance = random.Random(f"{SEED} {name} {len(done)}")
            found = runs.round(name, everything[name], left, seconds, chance)
            row = {"command": name, "round": len(done), "seconds": f"{seconds:.1f}", **found}
            print(row, flush=True)
            done.append(row)
            rows.append(row)
            left -= found["kills"]
            partial = args.out.with_suffix(".tmp")
            with partial.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            partial.replace(args.out)
    sys.exit(any(row["different"] for row in rows))


if __name__ == "__main__":
    main()
