"""Build the embedded data set of a task."""

from __future__ import annotations

import os
from pathlib import Path

from benchmark.contracts import options
from benchmark.contracts.protocols import BuildRequest
from benchmark.contracts.specs import TaskSpec
from benchmark.data.checks import file as checks
from benchmark.data.format import croissant
from benchmark.data.format.reader import Dataset
from benchmark.errors import DatasetError
from benchmark.plan.expand import BuildJob
from benchmark.registry.plugins import Registry


def build(job: BuildJob, registry: Registry, within: Path) -> None:
    """Build the data set in a folder of the caller's on the same file system, and put it in place when it is whole.

    Raises:
        DatasetError: the builder gave a file that breaks the schema, or of another target unit.
        FileNotFoundError: the folder was taken away meanwhile.
    """
    path, task = Path(job.path), registry.task(job.task).spec
    unfinished = within / path.name
    request = BuildRequest(
        task=task.name,
        path=unfinished,
        size=job.size,
        seed=job.seed,
        options=options.build(task.options, job.options),
        report=lambda _: None,
    )
    task.load()(request)
    _accept(unfinished, task)
    if croissant.beside(unfinished).is_file():
        os.replace(croissant.beside(unfinished), croissant.beside(path))
    os.replace(unfinished, path)


def _accept(path: Path, task: TaskSpec) -> None:
    """A builder's file has to stand the same checks as a user's."""
    checks.require(path)
    with Dataset(path) as dataset:
        unit = dataset.info.target.unit
    if unit != task.target_unit:
        raise DatasetError(f"the builder of {task.name!r} wrote a target in {unit}, its record says {task.target_unit}")
