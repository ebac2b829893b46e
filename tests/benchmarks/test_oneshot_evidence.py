"""What the evidence on real images is made of: images, budgets, folders, figures of the table."""

from __future__ import annotations

import importlib
import itertools
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import t

from jaxnas.data import Images
from jaxnas.oneshot import Epoch, Outcome
from jaxnas.oneshot.methods import assemble
from jaxnas.results.files import write_csv
from jaxnas.spaces import SPACES, Sizes, nb201

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    searches: Any = importlib.import_module("oneshot_searches")
    evidence: Any = importlib.import_module("oneshot_evidence")

BY_NAME = searches.BY_NAME
CELLS = (7, 1462, 6111)


def test_halved_images_are_means_of_four_pixels() -> None:
    x = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    half = searches.halved(Images.from_arrays("some", x, np.arange(5) % 3, num_classes=4))
    for i, row, column, channel in itertools.product(range(5), range(4), range(4), range(3)):
        four = [float(x[i, 2 * row + a, 2 * column + b, channel]) for a, b in np.ndindex(2, 2)]
        assert abs(half.x_train[i, row, column, channel] - sum(four) / 4) <= 0.5
    assert half.y_train.tolist() == [0, 1, 2, 0, 1]
    assert half.num_classes == 4


def test_equal_evaluations_are_equal() -> None:
    """As nearly as whole epochs can, by what the methods themselves say they evaluate."""

    def spent(name: str) -> int:
        recipe = BY_NAME[name].recipe()
        sizes = Sizes(recipe.channels, recipe.depth)
        supernet = SPACES["nb201"].networks.supernet(sizes, num_classes=10)
        return recipe.epochs * assemble(recipe, supernet, 39).evaluations(supernet)

    budgets = [spent(name) for name in searches.EQUAL_EVALUATIONS]
    assert len(budgets) == 4
    assert max(budgets) <= 1.1 * min(budgets)


def test_conditions_have_folders_of_their_own_and_say_how_they_differ() -> None:
    folders = {one.folder(Path(), seed) for one in searches.CONDITIONS for seed in searches.SEEDS}
    assert len(folders) == len(searches.CONDITIONS) * len(searches.SEEDS)
    assert set(itertools.chain(*searches.COLUMNS.values())) == BY_NAME.keys()
    assert BY_NAME["sf"].deviations() == ""
    assert BY_NAME["ram, one edge"].deviations() == "epochs 8, edges_per_step 1"
    assert BY_NAME["darts, preset rate"].deviations() == "alpha_rate 0.0003"


def finish(name: str, runs: Path, seed: int, cell: int) -> Any:
    """Leaves the folder of a search as a search does; α's last op has e times the odds."""
    condition = BY_NAME[name]
    recipe = condition.recipe()
    epochs = tuple(
        Epoch(
            epoch=epoch,
            train_loss=2.0,
            valid_loss=2.0,
            valid_accuracy=30.0 + epoch,
            entropy=float("nan") if condition.method == "rsps" else 1.6 / epoch,
            temperature=float("nan"),
            skips=0,
            evaluations=78 * epoch,
            seconds=(100.0, 2.0, 3.0, 4.0)[min(epoch - 1, 3)],
            architecture=nb201.index_to_arch(epoch),
        )
        for epoch in range(1, 5)
    )
    outcome = Outcome(
        method=condition.method,
        space="nb201",
        dataset="some",
        seed=seed,
        constants=recipe.identity(),
        architecture=nb201.index_to_arch(cell),
        ops=nb201.index_to_ops(cell),
        valid_accuracy=33.5,
        alpha=[] if condition.method == "rsps" else [[0.0, 0.0, 0.0, 0.0, 1.0]] * 6,
        candidates=tuple((nb201.index_to_arch(one), 10.0 + one) for one in range(4)),
        epochs=epochs,
    )
    folder = condition.folder(runs, seed)
    folder.mkdir(parents=True)
    write_csv([asdict(epoch) for epoch in epochs], folder / "log.csv")
    (folder / "found.json").write_text(outcome.to_json())
    return folder


def test_a_folder_is_read(tmp_path: Path) -> None:
    recipe = BY_NAME["sf"].recipe()
    folder = finish("sf", tmp_path, 0, cell=9)
    course = searches.read(folder, recipe)
    assert course.evaluations.tolist() == [78, 156, 234, 312]
    np.testing.assert_allclose(course.entropy, [1.6, 0.8, 1.6 / 3, 0.4])
    assert course.cells.tolist() == [1, 2, 3, 4]
    assert course.shared.tolist() == [31, 32, 33, 34]
    assert course.cell == 9
    assert course.found_shared == 33.5
    assert course.mass == pytest.approx((1 / (4 + np.e),) * 2)
    assert course.candidates == ((0, 10.0), (1, 11.0), (2, 12.0), (3, 13.0))
    assert course.seconds == 2.0 * 4
    assert searches.read(tmp_path / "absent", recipe) is None
    random = searches.read(finish("rsps", tmp_path, 0, cell=9), BY_NAME["rsps"].recipe())
    assert np.isnan([*random.mass, *random.entropy]).all()


def test_a_folder_of_other_constants_is_refused(tmp_path: Path) -> None:
    folder = finish("sf", tmp_path, 0, cell=9)
    with pytest.raises(SystemExit, match="other constants"):
        searches.read(folder, BY_NAME["sf, preset rate"].recipe())


def test_a_condition_counts_when_all_seeds_are_there(tmp_path: Path) -> None:
    for seed in searches.SEEDS:
        finish("sf", tmp_path, seed, cell=9)
    finish("ram", tmp_path, 0, cell=9)
    assert list(searches.read_all(tmp_path)) == ["sf"]


def test_counted_ops() -> None:
    cells = [nb201.ops_to_index(ops) for ops in ((1, 1, 0, 2, 3, 4), (0, 0, 0, 0, 0, 1))]
    courses = [searches.Course(*[None] * 4, cell, *[None] * 4) for cell in cells]
    assert searches.counted(courses, nb201.Op.SKIP) == [2, 1]
    assert searches.counted(courses, nb201.Op.NONE) == [1, 5]


def test_better_cells_do_not_count_equal_ones() -> None:
    truth = evidence.Truth(np.array([50.0, 70, 70, 90]), np.zeros(4))
    assert truth.better([0, 1, 3]).tolist() == [75, 25, 0]


def test_chance_of_random_cells_by_enumeration() -> None:
    accuracy = np.array([10.0, 50, 80, 94])
    for mean in (45.0, 65.0, 87.0, 94.0):
        pairs = [(a + b) / 2 >= mean for a, b in itertools.product(accuracy, accuracy)]
        assert evidence.chance(accuracy, mean, 2) == pytest.approx(np.mean(pairs), abs=0.01)


def test_interval_is_welchs() -> None:
    first, second = [90.0, 92, 97], [60.0, 80, 70]
    parts = [np.var(some, ddof=1) / 3 for some in (first, second)]
    freedom = sum(parts) ** 2 / sum(part**2 / 2 for part in parts)
    half = t.ppf(0.975, freedom) * sum(parts) ** 0.5
    expected = f"+23.00 [{23 - half:+.2f}, {23 + half:+.2f}]"
    assert evidence.welch(first, second, 2) == expected
    assert evidence.welch([3, 3, 3], [1, 1, 1], 1) == "+2.0"


def test_agreement_counts_pairs_in_order() -> None:
    """Of six pairs five in order, one not: (5 - 1) / 6."""
    truth = evidence.Truth(np.array([50.0, 60, 90, 80]), np.zeros(4))
    candidates = tuple((cell, 10.0 + cell) for cell in (2, 0, 3, 1))
    course = searches.Course(*[None] * 7, candidates, None)
    assert evidence.agreement([course], truth) == [pytest.approx(4 / 6)]


def test_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sf", "ram", "rsps"):
        for seed, cell in zip(searches.SEEDS, CELLS, strict=True):
            finish(name, tmp_path / "runs", seed, cell)
    accuracy = np.random.default_rng(0).uniform(40, 94, nb201.NUM_CELLS).round(2)
    columns = {"cell": np.arange(nb201.NUM_CELLS), "cifar10_test_200": accuracy}
    pq.write_table(
        pa.table({**columns, "cifar10_valid_200": accuracy - 5}), tmp_path / "table.parquet"
    )
    arguments = ["--accuracies", str(tmp_path / "table.parquet"), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", ["evidence", *arguments, "--out", str(tmp_path / "out")])
    evidence.main()
    text = (tmp_path / "out" / "table.md").read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    found = accuracy[list(CELLS)]
    row = next(line for line in text.splitlines() if line.startswith("| ram |"))
    assert f"{found.mean():.2f} ± {found.std(ddof=1):.2f}" in row
    assert f"{found.mean() - 5:.2f} ± {found.std(ddof=1):.2f}" in row
    assert ", ".join(f"{one:.2f}" for one in found) in row
    assert "1.60 → 0.40" in row
    taus = evidence.agreement(
        searches.read_all(tmp_path / "runs")["rsps"], evidence.Truth(accuracy, accuracy)
    )
    assert f"by seed: {taus[0]:.2f}, " in text
    assert "8 channels, one cell a stage" in text
    assert "| ram | sf | +0.0 [" in text
    assert 0 < (tmp_path / "out" / "curves.png").stat().st_size < 200_000
