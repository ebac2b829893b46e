"""Trains candidates on one device, each from its newest checkpoint on."""

import threading
import time
from typing import Any, Protocol

import jax
import numpy as np

from jaxnas.data import Images
from jaxnas.engine.initial import InitialParameters
from jaxnas.networks.nb201 import Network, cell_parameters
from jaxnas.networks.trainable import TrainableNetwork
from jaxnas.spaces import nb201
from jaxnas.training.checkpoints import Checkpoints
from jaxnas.training.folder import TrainingFolder
from jaxnas.training.outcomes import Epoch, Trained
from jaxnas.training.programs import DeviceImages, Programs, TrainState, batches
from jaxnas.training.recipe import learning_rate
from jaxnas.training.settings import Settings
from jaxnas.training.splits import Split, augmentation_key, epoch_order
from jaxnas.types import Params

Job = tuple[int, int]  # cell, seed


class StepProgress(Protocol):
    """Told of every step, from the thread of its device."""

    def __call__(self, job: Job, epoch: int, steps: int, loss: float, accuracy: float, /) -> None:
        """`steps` more are done; loss and percent of training accuracy of the epoch so far."""


class Diverged(Exception):
    """The loss, a parameter or a running statistic is not finite after a step."""

    def __init__(self, step: int) -> None:
        """`step` is counted from 1 over all epochs."""
        super().__init__(step)
        self.step = step


class Trainer:
    """Trains candidates on one device, from one thread."""

    def __init__(
        self,
        images: Images,
        split: Split,
        settings: Settings,
        folder: TrainingFolder,
        device: jax.Device,
        stop: threading.Event,
        progress: StepProgress | None = None,
    ) -> None:
        """Puts the images on the device; compiles nothing yet.

        Args:
            images: the data set that was split.
            split: its images.
            settings: how to train.
            folder: for checkpoints.
            device: where to train.
            stop: once set, the candidate in hand is left at its newest checkpoint.
            progress: called after every step.
        """
        self._split = split
        self._settings = settings
        self._folder = folder
        self._device = device
        self._stop = stop
        self._progress = progress
        self._data = DeviceImages.put(split, device)
        self._network: dict[str, Any] = {
            "num_classes": images.num_classes,
            "init_scheme": settings.init,
            "stem_channels": settings.channels,
            "cells_per_stage": settings.cells_per_stage,
        }
        self._initial = InitialParameters(
            Network(**self._network), images.x_train.shape[1], jax.devices("cpu")[0]
        )

    def train(self, job: Job) -> Trained | None:
        """Trains a candidate to its end; None if it was asked to stop."""
        cell, seed = job
        programs, state = self.prepare(job)
        with Checkpoints(self._folder.checkpoints(cell, seed), Epoch) as checkpoints:
            newest = checkpoints.newest(state)
            curve: tuple[Epoch, ...] = ()
            if newest is not None:
                state, curve = programs.own(newest[0]), newest[1]
                if self._progress:
                    steps = len(curve) * self.steps_per_epoch
                    last = curve[-1]
                    self._progress(job, last.epoch, steps, last.train_loss, last.train_accuracy)
            programs.compile(state)
            try:
                for epoch in range(len(curve), self._settings.epochs):
                    trained = self._epoch(programs, state, job, epoch)
                    if trained is None:
                        return None
                    state, row = trained
                    curve = (*curve, row)
                    checkpoints.save(state, curve)
                test = programs.accuracy(state, self._split.test)
                if np.isnan(test):
                    raise Diverged(self._settings.epochs * self.steps_per_epoch)
            except Diverged as diverged:
                return Trained(cell, seed, "diverged", curve, float("nan"), diverged.step)
        return Trained(cell, seed, "ok", curve, test)

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self._split.train) // self._settings.batch_size)

    def prepare(self, job: Job) -> tuple[Programs, TrainState]:
        """The programs of a candidate, not compiled, and its state before the first step."""
        cell, seed = job
        ops = tuple(nb201.live_ops(nb201.cell_ops()[cell]).tolist())
        network = TrainableNetwork(ops=ops, **self._network)
        programs = Programs(
            network, self._settings, self._data, len(self._split.train), self._device
        )
        return programs, programs.initial(self.initial_parameters(cell, seed, ops))

    def initial_parameters(self, cell: int, seed: int, ops: tuple[int, ...]) -> Params:
        """The parameters with which the engine scores the cell and seed."""
        drawn = self._initial(seed, cell, np.asarray(ops))
        return cell_parameters(drawn, ops)["params"]

    def _epoch(
        self, programs: Programs, state: TrainState, job: Job, epoch: int
    ) -> tuple[TrainState, Epoch] | None:
        """Trains an epoch, counted from 0, and validates."""
        seed = job[1]
        start = time.perf_counter()
        total_loss, correct, seen = 0.0, 0, 0
        order = epoch_order(self._split.train, seed, epoch)
        for step, positions in enumerate(batches(order, self._settings.batch_size)):
            if self._stop.is_set():
                return None
            state, result = programs.step(state, positions, augmentation_key(seed, epoch, step))
            loss, right, finite = jax.device_get(result)
            if not finite:
                raise Diverged(epoch * self.steps_per_epoch + step + 1)
            seen += len(positions)
            total_loss += float(loss) * len(positions)
            correct += int(right)
            if self._progress:
                self._progress(job, epoch + 1, 1, total_loss / seen, 100 * correct / seen)
        valid = programs.accuracy(state, self._split.valid)
        if np.isnan(valid):
            raise Diverged((epoch + 1) * self.steps_per_epoch)
        rate = float(learning_rate(self._settings, epoch))
        seconds = time.perf_counter() - start
        row = Epoch(epoch + 1, rate, total_loss / seen, 100 * correct / seen, valid, seconds)
        return state, row
