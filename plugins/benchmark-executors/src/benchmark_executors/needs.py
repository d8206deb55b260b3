"""What cells of a model or a task need of a batch system, from options of the form ``NAME:OPTION=VALUE``."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from benchmark.cell.job import CellJob
from benchmark.errors import UsageError
from benchmark.executors import Assignment


class Needs:
    """Options by model and task; what is said of a model goes before what is said of a task.

    Raises:
        UsageError: text that is not of this form.
    """

    def __init__(self, executor: str, only: Collection[str], known: Collection[str] | None = None) -> None:
        self._executor = executor
        self._by_name: dict[str, dict[str, str]] = {}
        for text in only:
            name, colon, rest = text.partition(":")
            option, equals, value = rest.partition("=")
            if not (name and colon and option and equals):
                raise UsageError(f"executor {executor}: only={text!r} is not NAME:OPTION=VALUE")
            if known is not None and option not in known:
                raise UsageError(f"executor {executor}: only={text!r}: it may set {', '.join(sorted(known))}")
            self._by_name.setdefault(name, {})[option] = value

    def check(self, option: str, kind: Callable[[str], object]) -> None:
        """Make sure that every value of an option is of a kind.

        Raises:
            UsageError: one is not.
        """
        for name, said in self._by_name.items():
            try:
                kind(said.get(option, "1"))
            except ValueError:
                raise UsageError(
                    f"executor {self._executor}: only={name}:{option}={said[option]}: give a number"
                ) from None

    def of(self, assignment: Assignment) -> Mapping[str, str]:
        """What one assignment needs beside what all need; nothing for data that are built."""
        if not isinstance(assignment.job, CellJob):
            return {}
        spec = assignment.job.spec
        return {
            **self._by_name.get(spec.task, {}),
            **self._by_name.get(spec.model, {}),
            **self._by_name.get(spec.name, {}),
        }

    def key(self, assignment: Assignment) -> tuple[object, ...]:
        """The same for telling whether two may share a job."""
        return (assignment.needs.gpu, *sorted(self.of(assignment).items()))


START_SECONDS = 120.0
"""What a job may take before its first cell begins: modules, environments, imports."""


def memory_gib(assignment: Assignment) -> int | None:
    """Twice what the most of finished cells of its model and task took, as a power of two so that many cells may share
    an array; ``None`` while none is finished."""
    took = assignment.needs.memory_mb
    return None if took is None else int(2 ** math.ceil(math.log2(max(1.0, 2 * took / 1024))))


def minutes(assignments: Sequence[Assignment], warning_seconds: float) -> int | None:
    """Twice what the cells of a job will take as finished ones went, its start and the warning before its end added;
    ``None`` where that is not known of all."""
    known = [one.needs.seconds for one in assignments if one.needs.seconds is not None]
    if len(known) < len(assignments):
        return None
    return math.ceil((2 * sum(known) + START_SECONDS + warning_seconds) / 60)
