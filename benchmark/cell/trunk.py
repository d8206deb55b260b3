"""What trainings that differ in their budget alone have in common: the steps before any of them decays its rate.

A model that says so trains the same, to the bit, whatever its budget, up to the step at which the learning rate begins
to fall (``decay_from`` of the budget). Whichever cell passes such a step first leaves its checkpoint there; a longer
budget, now or in years, goes on from it. Nothing waits for anything: a cell that finds no checkpoint trains from the
start, and what it leaves is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark import atomic
from benchmark.cell import checkpoints
from benchmark.cell.checkpoints import Checkpoint
from benchmark.contracts.presets import Recipe
from benchmark.plan.claim import CellSpec
from benchmark.store.folder import CellFolder
from benchmark.store.log import TrainingLog


@dataclass(frozen=True)
class Trunk:
    """The common part of the trainings of one model, task and seed; this training leaves it after step ``at``."""

    folder: Path
    name: str
    at: int

    @classmethod
    def of(cls, spec: CellSpec, folder: CellFolder, model: Any, steps: int) -> Trunk | None:
        """The trunk of a cell; ``None`` where it has no budget, its model does not say that it can be lengthened, or
        its rate decays from the first step.
        """
        at = int(Recipe(**spec.recipe).decay_from * steps)
        if spec.budget is None or at < 1 or not getattr(model, "extendable", False):
            return None
        return cls(folder.trunk(spec.trunk), spec.trunk, at)

    def latest(self, device: torch.device, after: int = 0) -> Checkpoint | None:
        """The last checkpoint that is not beyond this training's branch, if it lies after a step."""
        steps = sorted((int(path.stem) for path in self.folder.glob("*.pt") if path.stem.isdigit()), reverse=True)
        for step in steps:
            if after < step <= self.at:
                checkpoint = checkpoints.load(self._path(step), self.name, device)
                if checkpoint is not None and checkpoint.step == step:
                    return checkpoint
                self._path(step).unlink(missing_ok=True)  # torn or altered: whoever passes here next makes it again
        return None

    def log_until(self, step: int) -> list[dict[str, Any]]:
        """What was logged up to a checkpoint."""
        return TrainingLog(self._log(step)).lines()

    def leave(self, model: Any, seconds: float, updates: int, log: TrainingLog) -> None:
        """Keep the state at the branch, and the log up to there, for longer budgets. The log first: a checkpoint has
        one.
        """
        if self._path(self.at).is_file():
            return
        atomic.write_text(self._log(self.at), log.text(self.at))
        state = Checkpoint(self.name, self.at, seconds, False, model.state_dict(), checkpoints.random_state(), updates)
        checkpoints.save(self._path(self.at), state)

    def _path(self, step: int) -> Path:
        return self.folder / f"{step}.pt"

    def _log(self, step: int) -> Path:
        return self.folder / f"{step}.jsonl"
