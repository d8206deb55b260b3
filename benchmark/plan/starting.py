"""A finished cell from whose networks the trainings of a run start, as the plan knows it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.contracts.specs import TaskSpec
from benchmark.errors import UsageError
from benchmark.plan.claim import Start


@dataclass(frozen=True)
class StartingCell:
    """A finished cell to start from, and what must fit for that."""

    said: str
    """As the user said it."""
    start: Start
    model: str
    units: tuple[str, str]
    """Of its source and its target."""

    def check(self, model: str, task: TaskSpec) -> None:
        """Raises:
        UsageError: another model, or images in other units.
        """
        if model != self.model:
            raise UsageError(
                f"--init {self.said}: its networks are of {self.model}, not {model}; give --models {self.model}"
            )
        if (task.source_unit, task.target_unit) != self.units:
            raise UsageError(
                f"--init {self.said}: it translates {' to '.join(self.units)}, and {task.name} is "
                f"{task.source_unit} to {task.target_unit}; start from a cell of the same units"
            )
