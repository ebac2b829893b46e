"""The compiled programs that train and evaluate one candidate on one device."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped]
from flax.traverse_util import flatten_dict, unflatten_dict
from numpy.typing import NDArray

from jaxnas.data.splits import Split
from jaxnas.training.augmentation import augment, cutout, padding_of
from jaxnas.training.candidate import Candidate, cross_entropy
from jaxnas.training.optimiser import optimiser
from jaxnas.training.settings import TrainingSettings
from jaxnas.types import Array, Params


class TrainState(NamedTuple):
    """All that a step changes."""

    params: Params
    batch_stats: Params
    optimiser: Any


class DeviceImages(NamedTuple):
    """A `Split`'s images on a device."""

    images: Array  # uint8 [T, H, W, 3]
    labels: Array  # int32 [T]
    levels: Array  # float32 [256, 3]

    @classmethod
    def of_split(cls, split: Split, device: jax.Device) -> "DeviceImages":
        """The images of a split, copied to a device."""
        return cls(*jax.device_put((split.images, split.labels, split.levels), device))


class StepResult(NamedTuple):
    """What a step tells: of the batch before the step, and whether all is finite after it.

    The loss is the cross-entropy of the logits, whatever else was minimised.
    """

    loss: Array
    correct: Array
    finite: Array


class TrainingPrograms:
    """Trains and evaluates one candidate.

    It is compiled into the programs: their steps are faster than those of one program for all
    cells, by more than the compilations cost once an epoch takes minutes.
    """

    def __init__(
        self,
        candidate: Candidate,
        settings: TrainingSettings,
        data: DeviceImages,
        num_train: int,
        device: jax.Device,
    ) -> None:
        """Compiles nothing yet; `compile` does."""
        self._data = data
        self._device = device
        self._batch_size = settings.batch_size
        self._sizes = {min(settings.batch_size, num_train), num_train % settings.batch_size} - {0}
        self.optimiser = optimiser(settings, -(-num_train // settings.batch_size))
        self._epochs = settings.epochs
        self._train = jax.jit(
            partial(_train_step, candidate, self.optimiser, settings.cutout), donate_argnums=0
        )
        self._evaluate = jax.jit(partial(_evaluate, candidate))
        self._compiled: dict[int, Any] = {}
        self._compiled_evaluation: Any = None

    def initial(self, params: Params) -> TrainState:
        """The state before the first step; running means are 0, variances 1."""
        # Compiled as one: eagerly, every shape would be a program of its own.
        rest = jax.jit(lambda p: (_initial_statistics(p), self.optimiser.init(p)))(params)
        return self.copied(TrainState(params, *rest))

    def copied(self, state: TrainState) -> TrainState:
        """A copy on the device, each array in memory of its own, which steps may use up."""
        copied = jax.tree.map(np.array, jax.device_get(state))
        return jax.device_put(copied, self._device)

    def compile(self, state: TrainState) -> None:
        """Compiles every program that an epoch needs: one for each size of batch, and one more."""
        key, done = self._put(np.zeros(2, np.uint32)), self._put(np.zeros((), np.float32))
        for size in self._sizes:
            positions = self._put(np.zeros(size, np.int32))
            lowered = self._train.lower(state, self._data, positions, key, done)
            self._compiled[size] = lowered.compile()
        positions = self._put(np.zeros(self._batch_size, np.int32))
        lowered = self._evaluate.lower(state.params, state.batch_stats, self._data, positions)
        self._compiled_evaluation = lowered.compile()

    def step(
        self, state: TrainState, positions: NDArray[np.intp], key: NDArray[np.uint32], epoch: int
    ) -> tuple[TrainState, StepResult]:
        """One step of an epoch, counted from 0, on the images at `positions`.

        The state given is used up.
        """
        step = self._compiled[len(positions)]
        result: tuple[TrainState, StepResult] = step(
            state,
            self._data,
            self._put(positions.astype(np.int32)),
            self._put(key),
            self._put(np.asarray(epoch / self._epochs, np.float32)),
        )
        return result

    def accuracy(self, state: TrainState, positions: NDArray[np.intp]) -> float:
        """Percent of the images at `positions` that are classified rightly, by running statistics.

        NaN if a logit is not finite.
        """
        correct, finite = 0, True
        for batch in batches(positions, self._batch_size):
            # Filled up to the one size that is compiled; no example sees another here.
            filled = np.resize(batch, self._batch_size).astype(np.int32)
            right, sound = jax.device_get(
                self._compiled_evaluation(
                    state.params, state.batch_stats, self._data, self._put(filled)
                )
            )
            correct += int(right[: len(batch)].sum())
            finite = finite and bool(sound[: len(batch)].all())
        return 100 * correct / len(positions) if finite else float("nan")

    def _put(self, value: NDArray[Any]) -> Array:
        return jax.device_put(value, self._device)


def batches(positions: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    """Consecutive batches, the last as small as it comes, as the benchmark has it."""
    for start in range(0, len(positions), size):
        yield positions[start : start + size]


def normalised(levels: Array, images: Array) -> Array:
    """Images uint8 [B, H, W, 3] as the numbers that `jaxnas.data.normalise` gives, exactly."""
    return levels[images, jnp.arange(3)]


# Streams of a step's key; `augment` splits it in two, which are streams 0 and 1.
_CUTOUT, _NETWORK = 2, 3


def _train_step(
    candidate: Candidate,
    optimiser: optax.GradientTransformation,
    cutout_length: int,
    state: TrainState,
    data: DeviceImages,
    positions: Array,
    key: Array,
    done: Array,
) -> tuple[TrainState, StepResult]:
    random = jax.random.wrap_key_data(key, impl="threefry2x32")
    padding = padding_of(data.images.shape[1])
    x = normalised(data.levels, augment(random, data.images[positions], padding))
    if cutout_length:
        x = cutout(jax.random.fold_in(random, _CUTOUT), x, cutout_length)
    y = data.labels[positions]
    (total, (logits, stats)), gradient = jax.value_and_grad(candidate.loss, has_aux=True)(
        state.params, state.batch_stats, x, y, jax.random.fold_in(random, _NETWORK), done
    )
    updates, rest = optimiser.update(gradient, state.optimiser, state.params)
    params = optax.apply_updates(state.params, updates)
    sound = jax.tree.map(lambda a: jnp.isfinite(a).all(), (total, params, stats))
    finite = jax.tree.reduce(jnp.logical_and, sound)
    correct = jnp.sum(logits.argmax(-1) == y)
    result = StepResult(cross_entropy(logits, y), correct, finite)
    return TrainState(params, stats, rest), result


def _evaluate(
    candidate: Candidate,
    params: Params,
    batch_stats: Params,
    data: DeviceImages,
    positions: Array,
) -> tuple[Array, Array]:
    """Which of the images are classified rightly, and whose logits are finite: bool [B] each."""
    x = normalised(data.levels, data.images[positions])
    logits = candidate.logits(params, batch_stats, x)
    return logits.argmax(-1) == data.labels[positions], jnp.isfinite(logits).all(-1)


def _initial_statistics(params: Params) -> Params:
    """Mean 0 and variance 1 beside the shift of each batch normalisation."""
    statistics = {}
    for path, leaf in flatten_dict(params).items():
        if path[-1] == "shift":
            statistics[*path[:-1], "mean"] = jnp.zeros_like(leaf)
            statistics[*path[:-1], "variance"] = jnp.ones_like(leaf)
    return unflatten_dict(statistics)
