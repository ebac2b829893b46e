"""What the study says beyond `jaxnas evaluate`: differences, draws of 1,000 cells, settings.

    python benchmarks/study.py --accuracies nb201.npz --runs runs --out benchmarks/results/study

`--runs` holds the folders that the study's commands made: `c10-b64` and, where they are there,
`c10-b256`, `c10-seeds`, `c10-bn-batch`, `c10-bn-example`, `c10-bn-frozen`. Kendall's τ_b with
CIFAR-10 validation accuracy after 200 epochs; intervals of 95 % by a bootstrap over functions, of
differences resample by resample.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jaxnas import oracle
from jaxnas.evaluation import FIGURES, best_percentile, counts, scores_of
from jaxnas.evaluation.bootstrap import bootstrap
from jaxnas.evaluation.scores import Score
from jaxnas.spaces import DEFAULT

PAIRS = (
    ("pjs", "js"),
    ("pjs_nz", "js"),
    ("pjs_nz", "pjs"),
    ("wpjs_nz", "js"),
    ("wpjsi_nz", "js"),
    ("wpjsi_nz", "pjs"),
    ("pjs", "params"),
    ("pjs_nz", "params"),
    ("wpjsi_nz", "params"),
    ("gradient_kernel", "params"),
    ("gradient_kernel", "gradient_trace"),
)
COUNTS = ("params", "flops")
MODES = ("batch", "example", "frozen")
KERNEL, TRACE, OFF_DIAGONAL = "gradient_kernel", "gradient_trace", "kernel without its diagonal"
SAMPLE, CLAIMED = 1000, 1.6
KENDALL = FIGURES.index("kendall_all")


class Scored(NamedTuple):
    """Scores of cells: values [seeds, n] by name, the cells and their functions [n]."""

    values: dict[str, NDArray[np.float64]]
    cells: NDArray[np.int64]
    function: NDArray[np.int64]


def read(folder: Path, least: int = 0) -> Scored | None:
    """The table of a folder, its first `least` cells if given; None if it is not there."""
    path = folder / "scores.parquet"
    if not path.exists():
        return None
    table = pq.read_table(path)
    if least:
        table = table.filter(np.asarray(table["cell"]) < least)
    cells, first = np.unique(table["cell"].to_numpy().astype(np.int64), return_index=True)
    values = {name: score.values for name, score in scores_of(table).items()}
    values["params"] = counts([DEFAULT.arch(cell) for cell in cells.tolist()])["params"][None]
    return Scored(values, cells, table["function"].to_numpy()[first])


class Taus(NamedTuple):
    """τ_b of scores, and of 1,000 resamples of the functions which they share."""

    value: dict[str, float]
    resamples: dict[str, NDArray[np.float64]]

    def of(self, name: str) -> str:
        return interval(self.value[name], self.resamples[name], signed=False)

    def less(self, name: str, other: str) -> str:
        difference = self.value[name] - self.value[other]
        return interval(difference, self.resamples[name] - self.resamples[other], signed=True)


def interval(value: float, resamples: NDArray[np.float64], *, signed: bool) -> str:
    low, high = np.nanpercentile(resamples, [2.5, 97.5])
    sign = "+" if signed else ""
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def taus(values: dict[str, NDArray[np.float64]], scored: Scored, accuracy: NDArray) -> Taus:
    """Over the cells that have every one of these scores."""
    rows = np.all([np.isfinite(v).all(0) for v in values.values()], axis=0)
    _, function = np.unique(scored.function[rows], return_inverse=True)
    truth = accuracy[scored.cells[rows]]
    scores = [Score(n, v[:, rows], np.ones_like(v[:, rows], bool)) for n, v in values.items()]
    found, samples = bootstrap(scores, truth, scored.values["params"][0, rows], function, 1000, 0)
    return Taus(
        {n: float(v[:, KENDALL].mean()) for n, v in zip(values, found, strict=True)},
        {n: s[:, :, KENDALL].mean(0) for n, s in zip(values, samples, strict=True)},
    )


def differences(scored: Scored, accuracy: NDArray) -> Iterator[str]:
    """Which score is better than which, on the same cells."""
    names = {name for pair in PAIRS for name in pair} & scored.values.keys()
    found = taus({name: scored.values[name] for name in sorted(names)}, scored, accuracy)
    yield "| score | τ_b | less that of | difference |"
    yield "|---|---|---|---|"
    for name, other in PAIRS:
        if {name, other} <= names:
            yield f"| {name} | {found.of(name)} | {other} | {found.less(name, other)} |"


def best_of_draws(scored: Scored, accuracy: NDArray) -> Iterator[str]:
    """Where the best cell is in the ranking of 1,000 random cells, over 500 draws."""
    rng = np.random.default_rng(0)
    draws = [rng.choice(len(scored.cells), SAMPLE, replace=False) for _ in range(500)]
    yield f"| score | rank of the best, median (quartiles), % | draws within the top {CLAIMED} % |"
    yield "|---|---|---|"
    for name, (values, *_) in scored.values.items():
        ranks = []
        for draw in draws:
            ok = draw[np.isfinite(values[draw])]
            ranks.append(best_percentile(values[ok], accuracy[scored.cells[ok]]))
        low, middle, high = np.percentile(ranks, [25, 50, 75])
        within = 100 * np.mean(np.array(ranks) <= CLAIMED)
        yield f"| {name} | {middle:.1f} ({low:.1f}–{high:.1f}) | {within:.0f} % |"


def diagonal(scored: Scored, accuracy: NDArray, batch_size: int) -> Iterator[str]:
    """The mean of the gradients' Gram matrix, its diagonal, and the rest of it."""
    kernel, trace = scored.values[KERNEL], scored.values[TRACE]
    # The mean over B² entries holds the B of the diagonal once.
    values = {KERNEL: kernel, TRACE: trace, OFF_DIAGONAL: kernel - trace / batch_size}
    found = taus(values, scored, accuracy)
    yield "| part of the kernel | τ_b | less that of the whole |"
    yield "|---|---|---|"
    for name in values:
        yield f"| {name} | {found.of(name)} | {found.less(name, KERNEL)} |"


def modes(runs: Path, accuracy: NDArray) -> Iterator[str]:
    """A score under another batch normalisation, against the same under its paper's."""
    yield "| score | normalisation | cells with a score | τ_b | as in its paper | difference |"
    yield "|---|---|---|---|---|---|"
    for mode in MODES:
        other = read(runs / f"c10-bn-{mode}")
        paper = read(runs / "c10-b64", other.cells[-1] + 1) if other else None
        if other is None or paper is None:
            continue
        for name in other.values:
            if name not in paper.values or name in COUNTS:
                continue
            pair = {"paper": paper.values[name][:1], mode: other.values[name][:1]}
            found = taus(pair, paper, accuracy)
            cells = np.isfinite(other.values[name][0]).sum()
            yield (
                f"| {name} | {mode} | {cells} | {found.of(mode)} | {found.of('paper')} | "
                f"{found.less(mode, 'paper')} |"
            )


def seeds(scored: Scored, accuracy: NDArray) -> Iterator[str]:
    """Each seed alone, and the mean of the score over all."""
    yield "| score | τ_b by seed | of the mean score | less one seed's, on average |"
    yield "|---|---|---|---|"
    for name, values in scored.values.items():
        if len(values) > 1 and name not in COUNTS:
            found = taus({"one": values, "mean": values.mean(0, keepdims=True)}, scored, accuracy)
            each = [taus({"it": v[None]}, scored, accuracy).value["it"] for v in values]
            by_seed = ", ".join(f"{tau:.3f}" for tau in each)
            yield f"| {name} | {by_seed} | {found.of('mean')} | {found.less('mean', 'one')} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accuracies", required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for settings.md")
    args = parser.parse_args()
    accuracy = oracle.read(args.accuracies).accuracy("cifar10", "valid", 200)

    lines = ["# Differences, draws and settings", ""]

    def add(title: str, rows: Iterator[str]) -> None:
        lines.extend([f"## {title}", "", *rows, ""])

    for name, batch_size in (("c10-b64", 64), ("c10-b256", 256)):
        scored = read(args.runs / name)
        if scored is None:
            continue
        where = f"{len(scored.cells):,} cells, batch {batch_size}"
        add(f"Differences ({where})", differences(scored, accuracy))
        if len(scored.cells) > SAMPLE:
            add(f"The best of 1,000 ({where})", best_of_draws(scored, accuracy))
        add(f"The diagonal ({where})", diagonal(scored, accuracy, batch_size))
    add("Batch normalisation (500 cells, batch 64)", modes(args.runs, accuracy))
    scored = read(args.runs / "c10-seeds", 500)
    if scored is not None:
        add("Seeds (500 cells, batch 64)", seeds(scored, accuracy))
    text = "\n".join(lines)
    print(text)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "settings.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
