"""Trains candidates on one device, each from its newest checkpoint on."""

import threading
import time
from typing import Protocol

import jax
import numpy as np

from jaxnas.data.splits import Split, augmentation_key, epoch_order
from jaxnas.training.candidate import Candidate
from jaxnas.training.checkpoints import Checkpoints
from jaxnas.training.folder import TrainingFolder
from jaxnas.training.optimiser import learning_rate
from jaxnas.training.outcomes import Epoch, Trained
from jaxnas.training.programs import DeviceImages, TrainingPrograms, TrainState, batches
from jaxnas.training.settings import TrainingSettings, upgraded

Job = tuple[Candidate, int]  # candidate, seed


class StepProgress(Protocol):
    """Told of every step, from the thread of its device."""

    def __call__(
        self, job: tuple[str, int], epoch: int, steps: int, loss: float, accuracy: float, /
    ) -> None:
        """`steps` more are done; loss and percent of training accuracy of the epoch so far.

        `job` is a candidate's name and a seed.
        """


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
        split: Split,
        settings: TrainingSettings,
        folder: TrainingFolder,
        device: jax.Device,
        stop: threading.Event,
        progress: StepProgress | None = None,
    ) -> None:
        """Puts the images on the device; compiles no candidate yet.

        Args:
            split: the images.
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
        self._data = DeviceImages.of_split(split, device)
        # One by one, before the first step: each is the number that the steps see.
        epochs = range(settings.epochs)
        self._rates = [float(learning_rate(settings, epoch)) for epoch in epochs]

    def train(self, job: Job) -> Trained | None:
        """Trains a candidate to its end; None if it was asked to stop."""
        candidate, seed = job
        of = candidate.arch, candidate.cell, candidate.name, candidate.params, seed
        programs, state = self.prepare(job)
        with Checkpoints(
            self._folder.checkpoints(candidate.name, seed),
            Epoch,
            self._folder.identity(candidate.name, seed),
            upgraded,
        ) as checkpoints:
            newest = checkpoints.newest(state)
            curve: tuple[Epoch, ...] = ()
            if newest is not None:
                state, curve = programs.copied(newest[0]), newest[1]
                if self._progress:
                    steps = len(curve) * self.steps_per_epoch
                    last = curve[-1]
                    so_far = last.train_loss, last.train_accuracy
                    self._progress((candidate.name, seed), last.epoch, steps, *so_far)
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
                return Trained(*of, "diverged", curve, float("nan"), diverged.step)
        return Trained(*of, "ok", curve, test)

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self._split.train) // self._settings.batch_size)

    def prepare(self, job: Job) -> tuple[TrainingPrograms, TrainState]:
        """The programs of a candidate, not compiled, and its state before the first step."""
        candidate, seed = job
        programs = TrainingPrograms(
            candidate, self._settings, self._data, len(self._split.train), self._device
        )
        return programs, programs.initial(candidate.initial(seed))

    def _epoch(
        self, programs: TrainingPrograms, state: TrainState, job: Job, epoch: int
    ) -> tuple[TrainState, Epoch] | None:
        """Trains an epoch, counted from 0, and validates."""
        candidate, seed = job
        start = time.perf_counter()
        total_loss, correct, seen = 0.0, 0, 0
        order = epoch_order(self._split.train, seed, epoch)
        for step, positions in enumerate(batches(order, self._settings.batch_size)):
            if self._stop.is_set():
                return None
            key = augmentation_key(seed, epoch, step)
            state, result = programs.step(state, positions, key, epoch)
            loss, right, finite = jax.device_get(result)
            if not finite:
                raise Diverged(epoch * self.steps_per_epoch + step + 1)
            seen += len(positions)
            total_loss += float(loss) * len(positions)
            correct += int(right)
            if self._progress:
                so_far = total_loss / seen, 100 * correct / seen
                self._progress((candidate.name, seed), epoch + 1, 1, *so_far)
        held_out = self._split.valid
        valid = programs.accuracy(state, held_out) if len(held_out) else None
        if valid is not None and np.isnan(valid):
            raise Diverged((epoch + 1) * self.steps_per_epoch)
        seconds = time.perf_counter() - start
        row = Epoch(
            epoch + 1, self._rates[epoch], total_loss / seen, 100 * correct / seen, valid, seconds
        )
        return state, row
