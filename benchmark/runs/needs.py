"""What a cell will need, as far as its model's declared cost and finished cells of the same run tell."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmark.executors import Needs
from benchmark.plan.expand import PlannedCell
from benchmark.runs.time_left import Pace
from benchmark.store.index import Brief
from benchmark.store.record import Record, Timings


@dataclass
class Experience:
    """What finished cells took: seconds by model, or by declared cost; memory by task and model, the most of any."""

    pace: Pace = field(default_factory=Pace)
    _memory: dict[tuple[str, str], float] = field(default_factory=dict)
    _gpu_memory: dict[tuple[str, str], float] = field(default_factory=dict)

    def learn(self, cell: PlannedCell, record: Record | Brief) -> None:
        """A cell is done."""
        if not record.done:
            return
        self.pace.learn(cell.alike, cell.cost + FIXED_COST, seconds(record.timings), None)
        kind = (cell.spec.task, cell.spec.name)
        for most, peak in ((self._memory, record.peak_memory_mb), (self._gpu_memory, record.peak_gpu_memory_mb)):
            if peak is not None:
                most[kind] = max(peak, most.get(kind, 0.0))

    def expected_seconds(self, cell: PlannedCell) -> float | None:
        """How long a cell will take; ``None`` while nothing is finished."""
        return self.pace.expected(cell.alike, cell.cost + FIXED_COST)

    def needs(self, cell: PlannedCell, device: str) -> Needs:
        """What to ask an engine for; ``device`` is what the user said."""
        kind = (cell.spec.task, cell.spec.name)
        return Needs(
            gpu=device.startswith("cuda"),
            seconds=self.expected_seconds(cell),
            memory_mb=self._memory.get(kind),
            gpu_memory_mb=self._gpu_memory.get(kind),
        )


FIXED_COST = 0.1
"""What even a model without training costs, in units of the declared cost: a process, translating, scoring."""


def seconds(timings: Timings) -> float:
    """How long the steps of a cell took together."""
    return sum(part or 0.0 for part in (timings.train_s, timings.translate_s, timings.score_s))
