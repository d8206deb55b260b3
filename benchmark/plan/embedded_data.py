"""Build the embedded data set of a task once, and find it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from benchmark.contracts import options
from benchmark.contracts.protocols import BuildRequest
from benchmark.contracts.specs import TaskSpec
from benchmark.data.checks import file as checks
from benchmark.data.format import croissant
from benchmark.data.format.reader import Dataset
from benchmark.errors import DatasetError
from benchmark.plan.expand import BuildJob
from benchmark.registry.plugins import Registry


def build(job: BuildJob, registry: Registry, report: Callable[[str], None] = lambda _: None) -> Path:
    """Build the data set unless it is there; two runs at once build it once.

    Raises:
        DatasetError: the builder gave a file that breaks the schema, or of another target unit.
    """
    path = Path(job.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    task = registry.task(job.task).spec
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.is_file():
            return path
        request = BuildRequest(
            task=task.name,
            path=path,
            size=job.size,
            seed=job.seed,
            options=options.build(task.options, job.options),
            report=report,
        )
        task.load()(request)
        try:
            _accept(path, task)
        except DatasetError:
            path.unlink(missing_ok=True)
            croissant.beside(path).unlink(missing_ok=True)
            raise
    return path


def _accept(path: Path, task: TaskSpec) -> None:
    """A builder's file has to stand the same checks as a user's."""
    checks.require(path)
    with Dataset(path) as dataset:
        unit = dataset.info.target.unit
    if unit != task.target_unit:
        raise DatasetError(f"the builder of {task.name!r} wrote a target in {unit}, its record says {task.target_unit}")
