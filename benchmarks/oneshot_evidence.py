"""What the searches on a supernet find on real images, with the true accuracy of every cell.

    python benchmarks/oneshot_evidence.py --dataset ../shared/data/cifar10_small.npz \\
        --accuracies ../shared/data/nb201.npz --runs runs/oneshot --out benchmarks/results/oneshot

Every condition is searched with three seeds, each into a folder of its own below `--runs`; what was
stopped goes on, what is done stays. Without `--dataset` nothing is searched, and the folders that
are there are reported. A condition is in the table once all of its seeds are done.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from oneshot_picture import draw, save_small
from oneshot_searches import (
    CONDITIONS,
    EPOCHS,
    SEEDS,
    SHARED,
    Condition,
    Course,
    Courses,
    counted,
    halved,
    read_all,
    search_all,
)
from scipy.stats import kendalltau, ttest_ind

from jaxnas import data, oracle
from jaxnas.engine.devices import keep_compiled_programs
from jaxnas.results.files import write_atomically
from jaxnas.spaces import nb201


class Truth(NamedTuple):
    """Accuracies after 200 epochs [15625], percent."""

    test: NDArray[np.float64]
    valid: NDArray[np.float64]

    def better(self, cells: Any) -> NDArray[np.float64]:
        """Percent of all cells with a higher test accuracy than each of these."""
        ordered = np.sort(self.test)
        above = len(ordered) - np.searchsorted(ordered, self.test[cells], side="right")
        return 100 * above / len(ordered)


def chance(truth: NDArray[np.float64], mean: float, count: int, draws: int = 100_000) -> float:
    """How often so many uniformly random cells are on average at least as good."""
    cells = np.random.default_rng(0).integers(len(truth), size=(draws, count))
    return float((truth[cells].mean(1) >= mean - 1e-9).mean())


def plus_minus(values: Sequence[float] | NDArray[np.float64], digits: int = 2) -> str:
    """Mean ± deviation (of a sample)."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def row(condition: Condition, courses: Sequence[Course], truth: Truth) -> dict[str, str]:
    cells = [course.cell for course in courses]
    test = truth.test[cells]
    entropy = [np.mean([course.entropy[i] for course in courses]) for i in (0, -1)]
    none, skip = (np.mean([course.mass[i] for course in courses]) for i in (0, 1))
    skips, nones = (counted(courses, op) for op in (nb201.Op.SKIP, nb201.Op.NONE))
    return {
        "search": condition.name,
        "beside the preset": condition.deviations(),
        "test, %": plus_minus(test),
        "of the seeds": ", ".join(f"{one:.2f}" for one in test),
        "validation, %": plus_minus(truth.valid[cells]),
        "better cells, %": f"{truth.better(cells).mean():.0f}",
        "random as good, %": f"{100 * chance(truth.test, test.mean(), len(cells)):.2g}",
        "skips": f"{np.mean(skips):.1f} ({', '.join(map(str, skips))})",
        "nones": f"{np.mean(nones):.1f}",
        "P(skip)": "" if np.isnan(skip) else f"{skip:.2f}",
        "P(none)": "" if np.isnan(none) else f"{none:.2f}",
        "entropy": "" if np.isnan(entropy[0]) else f"{entropy[0]:.2f} → {entropy[1]:.2f}",
        "with shared weights, %": plus_minus([course.found_shared for course in courses], 1),
        "evaluations": f"{courses[0].evaluations[-1]:,}",
        "seconds": f"{min(course.seconds for course in courses):.0f}",
    }


PAIRS = (
    ("relax", "sf"),
    ("ram", "sf"),
    ("ram", "relax"),
    ("ram, one edge", "sf"),
    ("ram, one edge", "relax"),
    ("ram, short", "sf"),
    ("ram, short", "relax"),
    ("relax, faster control", "relax"),
    ("sf", "darts"),
    ("relax", "darts"),
    ("ram", "darts"),
    ("sf", "rsps"),
    ("relax", "rsps"),
    ("ram", "rsps"),
    ("darts", "rsps"),
    ("pr-darts", "rsps"),
    ("pr-darts", "darts"),
    ("pr-darts", "relax"),
    ("darts, preset rate", "darts"),
    ("pr-darts, preset rate", "darts, preset rate"),
    ("pr-darts, released", "darts"),
)
"""Of which the difference is of interest."""


def welch(first: Sequence[float], second: Sequence[float], digits: int) -> str:
    """The difference of the means with Welch's 95 % interval; bare where nothing varies."""
    difference = f"{np.mean(first) - np.mean(second):+.{digits}f}"
    if np.ptp(first) == np.ptp(second) == 0:
        return difference
    low, high = ttest_ind(first, second, equal_var=False).confidence_interval()
    return f"{difference} [{low:+.{digits}f}, {high:+.{digits}f}]"


def differences(courses: Courses, truth: Truth) -> Iterator[dict[str, str]]:
    for first, second in PAIRS:
        if first in courses and second in courses:
            both = courses[first], courses[second]
            test = [truth.test[[course.cell for course in some]] for some in both]
            skips = [counted(some, nb201.Op.SKIP) for some in both]
            shared = [[course.found_shared for course in some] for some in both]
            mass = [[course.mass[1] for course in some] for some in both]
            yield {
                "search": first,
                "less": second,
                "test, points": welch(*test, 1),
                "skips": welch(*skips, 1),
                "P(skip)": "" if np.isnan(mass).any() else welch(*mass, 2),
                "with shared weights, points": welch(*shared, 1),
            }


def agreement(courses: Sequence[Course], truth: Truth) -> list[float]:
    """Kendall's τ_b of candidates' accuracies with shared weights and true ones, by seed."""
    pairs = [list(zip(*course.candidates, strict=True)) for course in courses]
    return [float(kendalltau(percent, truth.test[list(cells)])[0]) for cells, percent in pairs]


def shared_weights(courses: Courses, truth: Truth) -> Iterator[str]:
    """What the supernet of random search knows of its candidates."""
    if "rsps" in courses:
        taus = ", ".join(f"{tau:.2f}" for tau in agreement(courses["rsps"], truth))
        yield ""
        yield (
            "Kendall's τ_b of accuracy with shared weights (a batch each) and test accuracy, of "
            f"the {len(courses['rsps'][0].candidates)} random cells that rsps scores at the end, "
            f"by seed: {taus}."
        )


def table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    if not rows:
        return []
    lines = [f"| {' | '.join(rows[0])} |", f"|{'---|' * len(rows[0])}"]
    return lines + [f"| {' | '.join(one.values())} |" for one in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, help="images; without, nothing is searched")
    parser.add_argument("--accuracies", type=Path, required=True, help="table of NAS-Bench-201")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the searches")
    parser.add_argument("--out", type=Path, required=True, help="folder of table and figure")
    args = parser.parse_args()
    known = oracle.read(args.accuracies)
    every = range(nb201.NUM_CELLS)
    truth = Truth(*(known.require(every, "cifar10", split, 200) for split in ("test", "valid")))
    if args.dataset:
        keep_compiled_programs(None)
        search_all(halved(data.load(args.dataset)), args.runs)
    courses = read_all(args.runs)
    if not courses:
        raise SystemExit(f"{args.runs}: expected folders of searches; give --dataset to search")
    rows = [row(one, courses[one.name], truth) for one in CONDITIONS if one.name in courses]
    title = (
        f"Reduced NAS-Bench-201 supernet: {SHARED['channels']} channels, one cell a stage, 5,000 "
        f"CIFAR-10 images at 16x16, {EPOCHS} epochs, α rate {SHARED['alpha_rate']:g}"
    )
    best, same = truth.test.argmax(), nb201.ops_to_index((int(nb201.Op.SKIP),) * 6)
    lines = [
        "# Searches on a supernet, and what their cells are worth",
        "",
        f"{title} but where the table says otherwise; seeds "
        f"{', '.join(map(str, SEEDS))}. Accuracies are those on CIFAR-10 of the cell found, "
        "trained for 200 epochs in full size; mean ± deviation over seeds.",
        "",
        f"A uniformly random cell: {plus_minus(truth.test)} % test, {plus_minus(truth.valid)} % "
        f"validation, {len(nb201.EDGES) / len(nb201.OPS):.1f} skips, as many nones; median "
        f"{np.median(truth.test):.2f} %. The best: {truth.test[best]:.2f} %. Skips alone: "
        f"{truth.test[same]:.2f} %.",
        "",
        *table(rows),
        "",
        "better cells: of all 15,625, by test accuracy, mean of the seeds. random as good: how "
        "often the mean of three uniformly random cells is. skips, nones: edges of six. P: mean "
        "over edges at the end. entropy: nats an edge, after the first epoch and the last. with "
        "shared weights: of the cell found, on the images held out. evaluations: networks on a "
        "batch, for α and the weights. seconds: of the epochs, were all as fast as the fastest, "
        "beside other work on two cores that slowed some methods more than others: do not compare.",
        *shared_weights(courses, truth),
        "",
        "Differences of means, with 95 % intervals (Welch, three seeds against three; they assume "
        "normal values, which accuracies of cells are not):",
        "",
        *table(list(differences(courses, truth))),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    args.out.mkdir(parents=True, exist_ok=True)
    write_atomically(args.out / "table.md", text.encode())
    save_small(lambda: draw(courses, truth.test, title), args.out / "curves.png")


if __name__ == "__main__":
    main()
