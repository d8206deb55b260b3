"""Executors: how the cells of a plan get run.

``local`` is the harness's own; others come from plugins (:func:`benchmark.contracts.hookspecs.benchmark_executors`). An
executor is handed assignments and says what becomes of each; inside, wherever that is, it calls
:func:`benchmark.executors.worker.run_job`, which does the work under the cell's lease and writes the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from benchmark.contracts import options
from benchmark.contracts.specs import ExecutorSpec
from benchmark.errors import PluginError

if TYPE_CHECKING:  # listings import this module, and run nothing
    from benchmark.cell.job import CellJob, Progress
    from benchmark.plan.expand import BuildJob
    from benchmark.registry.plugins import Registry
    from benchmark.store.stops import Stop

BUILT_IN = {
    "local": ExecutorSpec(
        "local",
        "benchmark.executors.local:build",
        summary="A process for each cell, as many at once as there are GPUs, or cores.",
    )
}
"""Executors of the harness; a plugin's of the same name is found as ``distribution:name``."""


@dataclass(frozen=True)
class Needs:
    """What an assignment will need, for engines that have to be asked for it; ``None`` where nobody knows.

    ``gpu``: it was promised one, and fails without. The rest is what finished cells of the same run took: ``seconds``
    those of the same model, or by declared cost; ``memory_mb`` of the host and ``gpu_memory_mb`` of the device the most
    of the same task and model. Ask for more than that.
    """

    gpu: bool = False
    seconds: float | None = None
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None


@dataclass(frozen=True)
class Assignment:
    """A job that an executor is to get done, under the name that it has in events: task/model/seed for a cell, the
    task's name for its data.

    ``taken``, asked just before it is started, says whether another run has the cell by now, or has ended it: a process
    or a job is saved where it is answered with ``elsewhere``. Its lease would find out too.
    """

    title: str
    job: CellJob | BuildJob
    taken: Callable[[], bool] = lambda: False
    needs: Needs = Needs()


@dataclass(frozen=True)
class Event:
    """Something happened to an assignment; every one that is run ends with ``finished`` and a ``state``.

    ``retry``: it is begun again by itself. ``elsewhere`` is what the run's observers hear of a cell that another run
    has; executors say ``finished`` with that state.

    ``state`` is ``done``, ``failed``, ``skipped``, ``timeout``, ``interrupted`` or ``elsewhere`` (somebody else has the
    cell), with a ``reason`` unless done, and with ``stop``, a word of :data:`benchmark.store.stops.STOPS`, where it did
    not come to its end.
    """

    kind: Literal["started", "progress", "retry", "elsewhere", "finished"]
    title: str
    state: str = ""
    reason: str = ""
    progress: Progress | None = None
    stop: Stop | None = None
    attempt: int = 1


@dataclass(frozen=True)
class Surroundings:
    """What an executor is built with beside its options.

    ``slots``: how many assignments at once, as the user said; 0 leaves it to the executor. ``timeout``: seconds that
    one may take, ``None`` for no limit. ``preload``: modules that every one will import. ``folder``: the run
    folder, for files of the executor's own. ``say``: prints a line for the user. ``attempts``: how often one may be
    begun without getting further, see :func:`benchmark.store.stops.next_attempt`. ``device`` is what the user said, and
    ``jobs_per_device`` how many may share a GPU.
    """

    slots: int
    timeout: float | None
    preload: Sequence[str]
    folder: Path
    say: Callable[[str], None]
    attempts: int = 2
    device: str = "auto"
    jobs_per_device: int = 1
    memory: float | None = None
    """GiB that one may take, ``None`` for no limit; executors that cannot see it pay no heed."""


class Executor(Protocol):
    """What the factory of an :class:`ExecutorSpec`, called with options and :class:`Surroundings`, gives."""

    def run(self, assignments: Sequence[Assignment], notify: Callable[[Event], None]) -> Mapping[str, tuple[str, str]]:
        """Run them all, the costly ones first in the list; returns state and reason by title.

        Raises:
            KeyboardInterrupt: the user stopped it; by then nothing works on them any more.
        """
        ...


@runtime_checkable
class Cancels(Protocol):
    """An executor whose jobs go on without the run; ``benchmark cancel`` asks it to end them."""

    def cancel(self) -> int:
        """Let every job of the run's folder write its checkpoint and end; how many there were."""
        ...


@runtime_checkable
class TakesBack(Protocol):
    """An executor that may leave jobs in a queue; a run with nothing to do lets it take back what nobody needs."""

    def take_back(self) -> None:
        """Remove the jobs of the run's folder whose cells are all done."""
        ...


@dataclass(frozen=True)
class ChosenExecutor:
    """An executor as the user asked for it; nothing of it is imported before it is built."""

    name: str
    """As the user said it: a plugin's may be ``distribution:name``."""
    spec: ExecutorSpec
    options: Any

    def build(self, surroundings: Surroundings) -> Executor:
        """Import and build it.

        Raises:
            PluginError: its plugin cannot build it.
        """
        try:
            executor: Executor = self.spec.load()(self.options, surroundings)
        except (ImportError, AttributeError, TypeError) as error:
            raise PluginError(f"executor {self.name} cannot be built: {type(error).__name__}: {error}") from error
        return executor


def choose(registry: Registry, name: str, settings: Mapping[str, Any] | None = None) -> ChosenExecutor:
    """The executor of a name, with the options that the user set.

    Raises:
        UsageError: no such executor or option.
    """
    spec: ExecutorSpec = BUILT_IN[name] if name in BUILT_IN else registry.find("executor", name, also=BUILT_IN).spec
    values = options.resolve(spec.name, spec.options, settings or {})
    return ChosenExecutor(name, spec, options.build(spec.options, values))
