"""What cells of a model or a task need of a batch system, from options of the form ``NAME:OPTION=VALUE``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

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
