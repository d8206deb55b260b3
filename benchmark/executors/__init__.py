"""Executors: how the cells of a plan get run.

``local`` is the harness's own; others come from plugins (:func:`benchmark.contracts.hookspecs.benchmark_executors`). An
executor is handed tasks and says what becomes of each; inside, wherever that is, it calls
:func:`benchmark.executors.worker.run_job`, which does the work and writes the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from benchmark.cell.job import CellJob, Progress
from benchmark.contracts import options
from benchmark.contracts.specs import ExecutorSpec
from benchmark.errors import PluginError
from benchmark.plan.expand import BuildJob

if TYPE_CHECKING:
    from benchmark.registry.plugins import Registry

BUILT_IN = {
    "local": ExecutorSpec(
        "local",
        "benchmark.executors.local:build",
        summary="A process for each cell, as many at once as there are cores.",
    )
}
"""Executors of the harness; a plugin's of the same name is found as ``distribution:name``."""


@dataclass(frozen=True)
class Task:
    """A job under the name that it has in events: task/model/seed for a cell, the task's name for its data."""

    title: str
    job: CellJob | BuildJob


@dataclass(frozen=True)
class Event:
    """Something happened to a task; every one that is run ends with ``finished`` and a ``state``.

    ``state`` is ``done``, ``failed``, ``skipped``, ``timeout`` or ``interrupted``, with a ``reason`` unless done.
    """

    kind: Literal["started", "progress", "retry", "finished"]
    title: str
    state: str = ""
    reason: str = ""
    progress: Progress | None = None


@dataclass(frozen=True)
class Surroundings:
    """What an executor is built with beside its options.

    ``slots``: how many tasks at once, as the user said; 0 leaves it to the executor. ``timeout``: seconds that a
    task may take, ``None`` for no limit. ``preload``: modules that every task will import. ``folder``: the run
    folder, for files of the executor's own. ``say``: prints a line for the user.
    """

    slots: int
    timeout: float | None
    preload: Sequence[str]
    folder: Path
    say: Callable[[str], None]


class Executor(Protocol):
    """What the factory of an :class:`ExecutorSpec`, called with options and :class:`Surroundings`, gives."""

    def run(self, tasks: Sequence[Task], notify: Callable[[Event], None]) -> Mapping[str, tuple[str, str]]:
        """Run all tasks, the costly ones first in the list; returns state and reason by title.

        Raises:
            KeyboardInterrupt: the user stopped it; by then nothing works on a task any more.
        """
        ...


def find(registry: Registry, name: str) -> ExecutorSpec:
    """The executor of this name.

    Raises:
        UsageError: there is none; names the nearest.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    found: ExecutorSpec = registry.find("executor", name, also=BUILT_IN).spec
    return found


def chosen(registry: Registry, name: str, settings: Mapping[str, Any]) -> tuple[ExecutorSpec, Any]:
    """An executor and its options, nothing of it imported.

    Raises:
        UsageError: no such executor or option.
    """
    spec = find(registry, name)
    return spec, options.build(spec.options, options.resolve(spec.name, spec.options, settings))


def make(registry: Registry, name: str, settings: Mapping[str, Any], surroundings: Surroundings) -> Executor:
    """Build an executor from the options that the user set.

    Raises:
        UsageError: no such executor or option.
        PluginError: its plugin cannot build it.
    """
    spec, values = chosen(registry, name, settings)
    try:
        executor: Executor = spec.load()(values, surroundings)
    except (ImportError, AttributeError, TypeError) as error:
        raise PluginError(f"executor {name} cannot be built: {type(error).__name__}: {error}") from error
    return executor
