"""What training has shown of every cell: accuracies and simulated training times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnas.checks import checked, quoted, ranges, same_word
from jaxnas.spaces import DEFAULT, Space

DATASETS = ("cifar10", "cifar100", "imagenet16-120")
SPLITS = ("valid", "test")
EPOCHS = (12, 200)

_CHANCE = {"cifar10": 10.0, "cifar100": 1.0, "imagenet16-120": 100 / 120}

Task: TypeAlias = tuple[str, str, int]
"""(data set, split, epochs)."""

Floats: TypeAlias = NDArray[np.float64]


class OracleError(ValueError):
    """A table of accuracies could not be read, or does not hold what was asked; says what to do."""


@dataclass(frozen=True, eq=False)
class Oracle:
    """Accuracies and training times of cells, in official index order.

    For CIFAR-10, `valid` is the benchmark's cifar10-valid: trained on half of the training images,
    validated on the other half; `test` is trained on all of them. For the other data sets `valid`
    and `test` are the benchmark's halves (x-valid, x-test) of the published test images.

    Attributes:
        source: where the values come from, for messages.
        accuracies: by task, then seed, float64 [space.size] in percent, NaN where there is none.
            The seed None stands for the mean over seeds as the source itself gives it.
        times: by (data set, epochs), float64 [space.size]; see `seconds`.
        space: whose architectures the cells are.

    Raises:
        OracleError: an accuracy is outside 0 to 100, a column holds fractions, a time is negative
            or infinite, or the space has no indices.
    """

    source: str
    accuracies: Mapping[Task, Mapping[int | None, Floats]]
    times: Mapping[tuple[str, int], Floats]
    space: Space = DEFAULT

    def __post_init__(self) -> None:
        check_indexed(self.space)
        for task, by_seed in self.accuracies.items():
            for values in by_seed.values():
                self._check_range(values, f"{name(task)} accuracy", "a percentage, 0 to 100", 100)
        for (dataset, epochs), values in self.times.items():
            self._check_range(
                values, f"{dataset} {epochs}-epoch time", "seconds, finite, 0 or more", np.inf
            )
        self._check_units()

    def accuracy(self, dataset: str, split: str, epochs: int, seed: int | None = None) -> Floats:
        """Accuracies of all cells.

        Args:
            dataset: one of `DATASETS`.
            split: one of `SPLITS`.
            epochs: one of `EPOCHS`.
            seed: of the training run; None for each cell's mean over the seeds it has.

        Returns:
            float64 [space.size] in percent, NaN for each cell without a value.

        Raises:
            OracleError: the table holds no such value of any cell.
        """
        dataset, split, epochs = _task(dataset, split, epochs)
        seed = checked("seed", seed, ranges.Seed | None)
        by_seed = self.accuracies.get((dataset, split, epochs), {})
        if seed in by_seed:
            return by_seed[seed].copy()
        if by_seed and seed is None:
            return mean_of_known(list(by_seed.values()))
        of_seed = "" if seed is None else f" of seed {seed}"
        raise OracleError(
            f"{self.source} has no {name((dataset, split, epochs))} accuracies{of_seed}: "
            f"it has {self._holdings()}"
        )

    def require(
        self, cells: ArrayLike, dataset: str, split: str, epochs: int, seed: int | None = None
    ) -> Floats:
        """Accuracies of the given cells, all of which must be there.

        Args:
            cells: integers [N], official indices.
            dataset: as for `accuracy`, like the rest.
            split: same.
            epochs: same.
            seed: same.

        Returns:
            float64 [N] in percent, finite.

        Raises:
            OracleError: the table lacks the value of one of them, or of all; or there is no such
                cell.
        """
        try:
            given = np.asarray(cells)
        except ValueError:  # a ragged list
            given = np.asarray(None)
        if given.dtype.kind not in "iu" and given.size:
            raise OracleError(
                f"cells: expected official indices, whole numbers, got {quoted(cells)}; "
                "give them as integers"
            )
        asked = given.astype(np.int64)
        outside = asked[(asked < 0) | (asked >= self.space.size)]
        if outside.size:
            raise OracleError(
                f"cells: expected official indices 0 to {self.space.size - 1}, got "
                f"{outside.flat[0]}; leave it out"
            )
        values = self.accuracy(dataset, split, epochs, seed)[asked]
        lacking = asked[np.isnan(values)]
        if lacking.size:
            of_seed = "" if seed is None else f" of seed {seed}"
            raise OracleError(
                f"{self.source} lacks the {name((dataset, split, epochs))} accuracy{of_seed} of "
                f"{lacking.size:,} of the {asked.size:,} cells asked for, e.g. cell {lacking[0]}"
            )
        return values

    def look_up(
        self, archs: Sequence[str], dataset: str, split: str, epochs: int, seed: int | None = None
    ) -> Floats:
        """Accuracies of the given architectures, all of which must be there.

        Args:
            archs: [N], in the space's notation.
            dataset: as for `accuracy`, like the rest.
            split: same.
            epochs: same.
            seed: same.

        Returns:
            float64 [N] in percent, finite.

        Raises:
            OracleError: as for `require`.
            ValueError: one is no architecture of the space.
        """
        return self.require(indices(archs, self.space), dataset, split, epochs, seed)

    def seconds(self, dataset: str, epochs: int) -> Floats:
        """Simulated time to train each cell for validation and to validate it once.

        This is what NATS-Bench's `simulate_train_eval` charges a search: the training times of
        all epochs, plus the mean time of one pass over the validation images; the mean over the
        seeds, one of which the benchmark draws at random. For CIFAR-10 the training set is that
        of cifar10-valid, half of the images.

        A table that has only training seconds per epoch (`train_sec_per_epoch_*`, as nb201.npz)
        gives epochs x seconds per epoch, without the validation pass. In three official records
        that pass is 2.7 to 3.9 % of the time for CIFAR-10 and 12 epochs, 0.3 to 0.4 % for
        CIFAR-100 and less than 0.1 % for ImageNet16-120: a budget of 12,000 s on CIFAR-10 buys
        about three cells in a hundred too many.

        Args:
            dataset: one of `DATASETS`.
            epochs: one of `EPOCHS`.

        Returns:
            float64 [space.size] in seconds, NaN for each cell without a value.

        Raises:
            OracleError: the table holds no such time of any cell.
        """
        dataset, _, epochs = _task(dataset, SPLITS[0], epochs)
        if (dataset, epochs) not in self.times:
            has = ", ".join(f"{d} {e} epochs" for d, e in sorted(self.times)) or "no times at all"
            raise OracleError(
                f"{self.source} has no training times of {dataset} for {epochs} epochs: "
                f"it has {has}"
            )
        return self.times[dataset, epochs].copy()

    @property
    def cells(self) -> NDArray[np.int64]:
        """Official indices of the cells with at least one accuracy, int64 [N], ascending."""
        there = np.zeros(self.space.size, bool)
        for by_seed in self.accuracies.values():
            for values in by_seed.values():
                there |= np.isfinite(values)
        return np.flatnonzero(there)

    @property
    def tasks(self) -> list[Task]:
        """The (data set, split, epochs) of which there are accuracies, in the order of DATASETS."""
        return [
            (dataset, split, epochs)
            for dataset in DATASETS
            for split in SPLITS
            for epochs in EPOCHS
            if (dataset, split, epochs) in self.accuracies
        ]

    def seeds(self, dataset: str, split: str, epochs: int) -> list[int]:
        """The seeds of a task's single runs; empty where only means are there."""
        by_seed = self.accuracies.get((dataset, split, epochs), {})
        return sorted(seed for seed in by_seed if seed is not None)

    def describe(self) -> str:
        """What the table holds: one line a task, then one a training time."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for task in self.tasks:
            cells = known(self.accuracy(*task))
            yield f"{name(task)} accuracy: {self._seeds_in_words(task)}, {cells:,} cells"
        for (dataset, epochs), values in sorted(self.times.items()):
            yield f"{dataset} {epochs} epochs: seconds, {known(values):,} cells"

    def _holdings(self) -> str:
        held = [f"{name(task)} ({self._seeds_in_words(task)})" for task in self.tasks]
        return ", ".join(held) or "no accuracies at all"

    def _seeds_in_words(self, task: Task) -> str:
        seeds = self.seeds(*task)
        if not seeds:
            return "mean over seeds only"
        return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"

    def _check_units(self) -> None:
        """Raises OracleError where all accuracies, or those of one column, are fractions.

        Percentages of 1 and less are accuracies by chance, which cells that cannot be trained
        have. A column of nothing else is one of fractions where CIFAR-10 has ten classes, or where
        half of its cells are trained by another column, to more than twice the chance.
        """
        highest, trained = -np.inf, np.zeros(self.space.size, bool)
        for (dataset, _, _), by_seed in self.accuracies.items():
            for values in by_seed.values():
                if known(values):
                    highest = max(highest, float(np.nanmax(values)))
                    trained |= values > 2 * _CHANCE[dataset]
        if -np.inf < highest <= 1:
            raise OracleError(
                f"{self.source} has no accuracy above {highest:g} %: expected percentages, 0 to "
                "100, not fractions; multiply them by 100"
            )
        for task, by_seed in self.accuracies.items():
            for seed, values in by_seed.items():
                there = ~np.isnan(values)
                if not there.any() or np.nanmax(values) > 1:
                    continue
                if _CHANCE[task[0]] > 1 or trained[there].mean() >= 0.5:
                    of_seed = "" if seed is None else f" of seed {seed}"
                    raise OracleError(
                        f"{self.source}: expected the {name(task)} accuracies{of_seed} in percent "
                        f"like the others, got none above {np.nanmax(values):g}; multiply that "
                        "column by 100 if it holds fractions, or leave it out"
                    )

    def _check_range(self, values: Floats, what: str, expected: str, high: float) -> None:
        wrong = np.isinf(values) | (values < 0) | (values > high)
        if wrong.any():
            cell = int(np.argmax(wrong))
            raise OracleError(
                f"{self.source}: expected as {what} {expected}, got {values[cell]:g} for "
                f"cell {cell}; mend the table"
            )


def check_indexed(space: Space) -> None:
    """Raises OracleError unless the architectures of a space have official indices."""
    if not space.indexed:
        raise OracleError(
            f"space {space.name}: expected one whose architectures have official indices, got "
            f"{space.title}, which has none; a table of accuracies needs them"
        )


def indices(archs: Sequence[str], space: Space) -> NDArray[np.int64]:
    """Official indices of architectures, int64 [N].

    Raises:
        OracleError: the space has none.
        ValueError: one is no architecture of the space.
    """
    check_indexed(space)
    found = space.indices(archs)
    assert found is not None
    return found


def name(task: Task) -> str:
    """A task in words: "cifar10 valid 12-epoch"."""
    dataset, split, epochs = task
    return f"{dataset} {split} {epochs}-epoch"


def known(values: Floats) -> int:
    """How many of the values are not NaN."""
    return int(np.count_nonzero(~np.isnan(values)))


def mean_of_known(columns: list[Floats]) -> Floats:
    """Mean over columns [N] of the values that are not NaN; NaN where there is none."""
    stacked = np.stack(columns)
    count = np.count_nonzero(~np.isnan(stacked), axis=0)
    # Divided by NaN where nothing is there.
    mean: Floats = np.nansum(stacked, axis=0) / np.where(count, count, np.nan)
    return mean


def known_dataset(what: str, name: Any) -> str:
    """The data set of a name, however it is written; see `checks.same_word`.

    Raises:
        OracleError: there is none, or it is one that a split is of.
    """
    if same_word(name, ("cifar10-valid",)):
        raise OracleError(
            f"{what}: expected one of {', '.join(DATASETS)}, got {name!r}; give cifar10, whose "
            "split valid is the benchmark's cifar10-valid"
        )
    found = same_word(name, DATASETS)
    if found is None:
        raise OracleError(f"{what}: expected one of {', '.join(DATASETS)}, got {quoted(name)}")
    return found


def _task(dataset: Any, split: Any, epochs: Any) -> Task:
    """A task as its parts are known.

    Raises:
        OracleError: there is none.
    """
    if split not in SPLITS:
        raise OracleError(f"split: expected one of {', '.join(SPLITS)}, got {quoted(split)}")
    return known_dataset("data set", dataset), split, _epochs(epochs)


def _epochs(epochs: Any) -> int:
    """A number of epochs of which there are accuracies."""
    known = [number for number in EPOCHS if isinstance(epochs, SupportsIndex) and number == epochs]
    if not known:
        raise OracleError(
            f"number of epochs: expected one of {', '.join(map(str, EPOCHS))}, got {quoted(epochs)}"
        )
    return known[0]
