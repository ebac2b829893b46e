"""The searches of the evidence on real images: which there are, how they are run and read."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnas import oneshot
from jaxnas.data import Images
from jaxnas.oneshot.run import FOUND_FILE, LOG_FILE
from jaxnas.spaces import nb201

SEEDS = (0, 1, 2)
EPOCHS = 25
SHARED: dict[str, Any] = {"channels": 8, "depth": 1, "alpha_rate": 0.03}
"""Of all conditions, but where one says otherwise. Rate times steps, by how much Adam can move α,
is 29, as of GDAS's 250 epochs of 25,000 images at 0.0003; of DARTS's 50 epochs it is 5.9."""


class Condition(NamedTuple):
    """A method and the constants that are not its preset, beside the shared ones."""

    name: str
    method: str
    constants: Mapping[str, Any] = {}

    def recipe(self) -> oneshot.Recipe:
        constants = {"epochs": EPOCHS, **SHARED, **self.constants}
        return oneshot.make_recipe(self.method, "nb201", **constants)

    def folder(self, runs: Path, seed: int) -> Path:
        return runs / f"{self.name.replace(',', '').replace(' ', '-')}-seed{seed}"

    def deviations(self) -> str:
        """The constants that are neither the preset's nor those of all."""
        recipe = self.recipe().identity()
        preset = oneshot.make_recipe(self.method, "nb201", epochs=EPOCHS, **SHARED).identity()
        return ", ".join(f"{k} {v}" for k, v in recipe.items() if v != preset[k])


PRESET_RATE = {"alpha_rate": 3e-4}
CONDITIONS = (
    Condition("sf", "sf"),
    Condition("relax", "relax"),
    Condition("ram", "ram"),
    Condition("darts", "darts"),
    Condition("pr-darts", "pr-darts"),
    Condition("ram, one edge", "ram", {"epochs": round(EPOCHS * 2 / 6), "edges_per_step": 1}),
    Condition("ram, short", "ram", {"epochs": round(EPOCHS * 2 / 26)}),
    Condition("rsps", "rsps"),
    Condition("darts, preset rate", "darts", PRESET_RATE),
    Condition("relax, faster control", "relax", {"control_rate": 0.01}),
    Condition("enas", "enas", {"batch_size": 64, "alpha_estimates": 1}),
    Condition("gdas", "gdas"),
    Condition("sf, preset rate", "sf", PRESET_RATE),
    Condition("pr-darts, preset rate", "pr-darts", PRESET_RATE),
    Condition("ram, preset rate", "ram", PRESET_RATE),
    Condition("relax, preset rate", "relax", PRESET_RATE),
    Condition("snas", "snas"),
    Condition("st", "st"),
    Condition("pr-darts, released", "pr-darts", {"released": True}),
    Condition("darts, order 2", "darts", {"second_order": True}),
)
"""In the order in which they are searched."""

BY_NAME = {condition.name: condition for condition in CONDITIONS}

# A step of sf and relax evaluates 2 networks, of ram 26, or 6 if it takes one edge.
EQUAL_EVALUATIONS = ("sf", "relax", "ram, one edge", "ram, short")
COLUMNS = {
    "equal epochs": ("sf", "relax", "ram", "darts", "pr-darts", "rsps"),
    "equal epochs, others": (
        *("gdas", "enas", "snas", "st"),
        *("pr-darts, released", "darts, order 2", "relax, faster control"),
    ),
    "equal epochs, preset α rate": tuple(n for n in BY_NAME if n.endswith("preset rate")),
    "equal evaluations": EQUAL_EVALUATIONS,
}
"""What is drawn beside each other."""


def halved(images: Images) -> Images:
    """The training images at half the side, each pixel the mean of four."""
    n, height, width, channels = images.x_train.shape
    blocks = images.x_train.reshape(n, height // 2, 2, width // 2, 2, channels)
    x = np.rint(blocks.mean((2, 4))).astype(np.uint8)
    name = f"{images.name}, {height // 2}x{width // 2}"
    return Images.from_arrays(name, x, images.y_train, num_classes=images.num_classes)


def search_all(images: Images, runs: Path) -> None:
    """Searches what is not yet found, the conditions in their order."""
    for condition in CONDITIONS:
        for seed in SEEDS:
            folder = condition.folder(runs, seed)
            if (folder / FOUND_FILE).exists():
                continue
            try:
                found = oneshot.search(
                    condition.method,
                    space="nb201",
                    dataset=images,
                    out=folder,
                    seed=seed,
                    recipe=condition.recipe(),
                )
                print(f"{condition.name}, seed {seed}: {found.architecture}", flush=True)
            except oneshot.Diverged as error:
                print(f"{condition.name}, seed {seed}: {error}", flush=True)


class Course(NamedTuple):
    """What the folder of a search tells.

    Attributes:
        evaluations: networks on a batch, at the end of each epoch [epochs].
        entropy: nats an edge [epochs]; NaN of random search.
        cells: official index of the cell that the method has after each epoch [epochs].
        shared: accuracy of these on the images held out, with shared weights, percent [epochs].
        cell: that it finds.
        found_shared: its accuracy with shared weights.
        mass: probability of `none` and of the skip, the mean over edges, at the end; NaN where α
            are no logits of edges.
        candidates: (official index, percent of a batch with shared weights) of cells that were
            sampled at the end.
        seconds: of the epochs, were all as fast as the fastest; other work slows most.
    """

    evaluations: NDArray[np.int64]
    entropy: NDArray[np.float64]
    cells: NDArray[np.int64]
    shared: NDArray[np.float64]
    cell: int
    found_shared: float
    mass: tuple[float, float]
    candidates: tuple[tuple[int, float], ...]
    seconds: float


def read(folder: Path, recipe: oneshot.Recipe) -> Course | None:
    """The course of a finished search; None if it is not finished."""
    if not (folder / FOUND_FILE).exists():
        return None
    found = json.loads((folder / FOUND_FILE).read_text())
    if found["constants"] != recipe.identity():
        raise SystemExit(f"{folder} is of a search with other constants: move it away")
    rows = list(csv.DictReader(io.StringIO((folder / LOG_FILE).read_text())))
    seconds = [float(row["seconds"]) for row in rows]
    mass = (np.nan, np.nan)
    if np.shape(found["alpha"] if isinstance(found["alpha"], list) else ()) == (6, len(nb201.OPS)):
        odds = np.exp(np.array(found["alpha"]))
        shares = (odds / odds.sum(1, keepdims=True)).mean(0)
        mass = (float(shares[nb201.Op.NONE]), float(shares[nb201.Op.SKIP]))
    return Course(
        np.array([int(row["evaluations"]) for row in rows]),
        np.array([float(row["entropy"] or "nan") for row in rows]),
        np.array([nb201.arch_to_index(row["architecture"]) for row in rows]),
        np.array([float(row["valid_accuracy"]) for row in rows]),
        nb201.arch_to_index(found["architecture"]),
        found["valid_accuracy"],
        mass,
        tuple((nb201.arch_to_index(arch), percent) for arch, percent in found["candidates"]),
        min(seconds) * len(seconds),
    )


Courses = Mapping[str, tuple[Course, ...]]
"""Of the conditions whose seeds are all done."""


def read_all(runs: Path) -> Courses:
    courses = {}
    for one in CONDITIONS:
        seeds = tuple(read(one.folder(runs, seed), one.recipe()) for seed in SEEDS)
        if all(seeds):
            courses[one.name] = seeds
    return courses


def counted(courses: Sequence[Course], op: nb201.Op) -> list[int]:
    """Edges of the cells found that have an operation."""
    return [int((nb201.cell_ops()[course.cell] == op).sum()) for course in courses]
