"""The training loop, the same for every model: budget, data order, checkpoints, resume, log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.cell import checkpoints
from benchmark.cell.augmentation import Augmentation
from benchmark.cell.batches import Batches, ImagesByNumber, Slices, seed_for
from benchmark.cell.device import arrange, set_up
from benchmark.cell.job import Progress
from benchmark.cell.plain_states import require_storable
from benchmark.cell.step import Stepper, make_stepper
from benchmark.cell.trunk import Trunk
from benchmark.cell.updates import UpdateCounter
from benchmark.contracts.protocols import Batch, TrainedModel
from benchmark.errors import Interrupted, TrainingDiverged
from benchmark.store.log import TrainingLog

CHECKPOINT_SECONDS = 15.0
CHECKPOINT_SHARE = 0.01
"""A checkpoint is due after this many seconds, and not before the last one's cost is under this share of the time."""
LOG_LINES = 100
VALIDATIONS = 5
VALIDATED = 64
"""Slices of the validation patients whose error is looked at, the first there are."""


@dataclass(frozen=True)
class Trained:
    """What training took."""

    steps: int
    seconds: float
    resumed_at: int
    images_per_second: float
    validation_mae: float | None = None
    how: str = ""
    """How a step was run: as it is, or as a CUDA graph."""
    updates: int = 0
    """Updates of the weights that had most."""
    branched_at: int = 0
    """The step up to which a shorter budget had trained already, and from which this training went on."""


@dataclass
class Loop:
    """One cell's training: what is trained, on what, and whom to tell."""

    model: TrainedModel
    cell: str
    steps: int
    batch_size: int
    seed: int
    unpaired: bool
    device: torch.device
    precision: str
    checkpoint: Path
    log: TrainingLog
    report: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    augmentation: Augmentation = field(default_factory=Augmentation)
    graphs: bool = False
    """Replay steps as CUDA graphs where the model can."""
    trunk: Trunk | None = None
    """What longer budgets have in common with this training."""

    def run(self, train: ImagesByNumber, val: Slices | None) -> Trained:
        """Train to the end of the budget, from the checkpoint if there is one.

        Raises:
            TrainingDiverged: a loss or, at the end, a weight is NaN or infinite.
            Interrupted: asked to stop; everything up to the last step is in the checkpoint.
            BenchmarkError: the model's state cannot be stored.
        """
        require_storable(self.model.state_dict())
        set_up(self.device)
        arrange(self.model.networks().values(), self.precision)
        start, before, updates, branched_at = self._resume()
        with Batches(
            train,
            self.batch_size,
            self.seed,
            unpaired=self.unpaired,
            device=self.device,
            augmentation=self.augmentation,
        ) as batches:
            return replace(self._train(batches, val, start, before, updates), branched_at=branched_at)

    def _train(self, batches: Batches, val: Slices | None, start: int, before: float, updates: int) -> Trained:
        """From step ``start`` to the end; ``before``, ``updates``: seconds and updates of the steps up to there."""
        stepper = make_stepper(self.model, self.device, self.precision, graphs=self.graphs)
        log_every = max(1, self.steps // LOG_LINES)
        validate_at = {round(self.steps * (i + 1) / VALIDATIONS) for i in range(VALIDATIONS)} if val else set()
        began = saved = reported = time.perf_counter()
        save_cost = 0.0
        counter = UpdateCounter()
        a_step = 0
        for step in range(start, self.steps):
            with counter:
                losses = self._step(stepper, batches[step], step)
            a_step = a_step or counter.most
            now = time.perf_counter()
            done = step + 1
            rate = (done - start) * self.batch_size / max(now - began, 1e-9)
            if done % log_every == 0 or done == self.steps:
                self.log.losses(done, losses, rate)
            if val is not None and done in validate_at:
                self.log.validation(done, self._validate(val))
                began += time.perf_counter() - now  # no part of the training, whose time is compared
            if self.trunk is not None and done == self.trunk.at:
                seconds = before + time.perf_counter() - began
                so_far = updates + self._updates(counter, a_step, stepper, done - start)
                self.trunk.leave(self.model, seconds, so_far, self.log)
            if now - reported > 0.25 or done == self.steps:
                self.report(Progress(done, self.steps, losses, rate))
                reported = now
            stop = self.should_stop()
            if stop or now - saved > max(CHECKPOINT_SECONDS, save_cost / CHECKPOINT_SHARE):
                seconds = before + time.perf_counter() - began
                self._save(done, seconds, updates + self._updates(counter, a_step, stepper, done - start))
                saved = time.perf_counter()
                save_cost = saved - now
            if stop:
                raise Interrupted(f"stopped after step {done} of {self.steps}")
        seconds = before + time.perf_counter() - began
        updates += self._updates(counter, a_step, stepper, self.steps - start)
        self._check_weights()
        self._save(self.steps, seconds, updates, finished=True)
        arrange(self.model.networks().values(), "fp32")  # translations are in fp32, now and from the checkpoint
        images = self.steps * self.batch_size / max(seconds, 1e-9)
        return Trained(self.steps, seconds, start, images, self.log.last_validation(), stepper.how, updates)

    @staticmethod
    def _updates(counter: UpdateCounter, a_step: int, stepper: Stepper, steps: int) -> int:
        """Updates in so many steps; a replayed graph repeats what its first step did."""
        return a_step * steps if stepper.replays else counter.most

    def _step(self, stepper: Stepper, batch: Batch, step: int) -> dict[str, float]:
        losses = stepper.step(batch)
        for name, value in losses.items():
            if not math.isfinite(value):
                self.log.losses(step + 1, losses)
                raise TrainingDiverged(
                    f"loss {name!r} became {value} at step {step + 1} of {self.steps}; "
                    "lower the learning rate or the weight of that term"
                )
        return losses

    def _validate(self, val: Slices) -> float:
        """The validation error; a model that draws to translate goes on training as if it had not been asked."""
        state = checkpoints.random_state()
        error = mean_absolute_error(self.model, val, self.device)
        checkpoints.restore_random_state(state)
        return error

    def _resume(self) -> tuple[int, float, int, int]:
        """Continue from the checkpoint, or from a shorter budget's where that is further: the step, the seconds and
        updates spent so far, and the step of the branch. Later log lines are dropped.
        """
        own = checkpoints.load(self.checkpoint, self.cell, self.device)
        common = self.trunk.latest(self.device, after=own.step if own else 0) if self.trunk else None
        if common is not None and self.trunk is not None:
            self.log.begin_with(self.trunk.log_until(common.step))
        if (found := common or own) is None:
            self.log.start_at(0)
            return 0, 0.0, 0, 0
        self.model.load_state_dict(found.model)
        checkpoints.restore_random_state(found.random)
        if common is None:
            self.log.start_at(found.step)
        return found.step, found.seconds, found.updates, common.step if common else 0

    def _save(self, step: int, seconds: float, updates: int, *, finished: bool = False) -> None:
        state = self.model.state_dict()
        if finished:
            # longer budgets go on from the trunk, others start from the networks: nobody takes a next step from here
            state = self.model.finished_state() if hasattr(self.model, "finished_state") else state
            require_storable(state)
        checkpoints.save(
            self.checkpoint,
            checkpoints.Checkpoint(
                cell=self.cell,
                step=step,
                seconds=seconds,
                finished=finished,
                model=state,
                random=checkpoints.random_state(),
                updates=updates,
            ),
        )

    def _check_weights(self) -> None:
        for name, network in self.model.networks().items():
            if not all(bool(torch.isfinite(weight).all()) for weight in network.parameters()):
                raise TrainingDiverged(f"a weight of {name!r} is NaN or infinite after step {self.steps}")


def mean_absolute_error(model: Any, slices: Slices, device: torch.device, limit: int = VALIDATED) -> float:
    """Mean absolute error in network space inside the region, over the first slices of a split."""
    errors = []
    with torch.no_grad():
        for start in range(0, min(len(slices), limit), 8):
            chosen = slice(start, start + 8)
            output = model.translate(torch.from_numpy(slices.source[chosen]).to(device))
            difference = np.abs(output[:, 0].float().cpu().numpy() - slices.target[chosen])
            errors.append(difference[slices.mask[chosen]])
    return float(np.concatenate(errors).mean(dtype=np.float64))


def initial_seed(seed: int) -> int:
    """The seed of a cell's initial weights and of all noise that training draws."""
    return seed_for(seed, "initialisation")
