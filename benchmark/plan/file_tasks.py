"""Tasks that no plugin offers: what a data set file says of itself is enough to train and score on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from benchmark.contracts.specs import TaskSpec
from benchmark.errors import DatasetError, UsageError

if TYPE_CHECKING:
    from benchmark.contracts.protocols import BuildRequest
    from benchmark.data.format.cases import DatasetInfo
    from benchmark.registry.plugins import Registry

PROFILE = "default"
"""The profile of tasks that name none, by whichever plugin offers it."""


def task_of(registry: Registry, name: str, data: Path | DatasetInfo | None) -> TaskSpec:
    """The task of a plugin or, where none has that name, the one that a data set is for: a file, or what it says.

    Raises:
        UsageError: no plugin has such a task, and there is no file.
        DatasetError: the file is missing, broken, or for another task.
    """
    clashes = {clash.name for clash in registry.clashes if clash.kind == "task"}
    if data is None or name in registry.all("task") or name in clashes:
        return registry.task(name).spec
    if isinstance(data, Path):
        from benchmark.data.format.reader import Dataset

        with Dataset(data) as dataset:
            return _task_in(dataset.info, name)
    return _task_in(data, name)


def _task_in(info: DatasetInfo, name: str) -> TaskSpec:
    path = info.path
    if info.task != name:
        raise DatasetError(f"{path}: its data are for task {info.task!r}; give it as --data {info.task}={path}")
    return TaskSpec(
        name,
        "benchmark.plan.file_tasks:build",
        summary=f"what {path.name} holds",
        source_modality=info.source_modality,
        target_modality=info.target.modality,
        source_unit=info.source_unit,
        source_channels=len(info.sources),
        target_unit=info.target.unit,
        profile=PROFILE,
        simulated=info.simulated,
        mirror_safe=info.mirror_safe,
    )


def build(request: BuildRequest) -> NoReturn:
    """There is nothing to build: such a task has no data but those in the file.

    Raises:
        UsageError: always.
    """
    raise UsageError(f"{request.path.name}: no plugin builds data for this task; give --data TASK=FILE.h5")
