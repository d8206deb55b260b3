"""Data copied to a node's own disk before a job trains on them: a hundred jobs else read one file of one server."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmark.cell.job import CellJob
from benchmark.executors import Assignment
from benchmark.plan.expand import BuildJob


def staged(assignments: Mapping[int, Assignment], where: str) -> dict[int, Assignment]:
    """The same jobs with a copy of their data in a folder, whose name may hold variables of the node.

    A copy that is there already, of this file as it is, is used. Where none can be made (a full disk, no such folder) a
    job reads what everybody reads, and what it prints says why.
    """
    return {number: replace(one, job=_staged(one.job, where)) for number, one in assignments.items()}


def _staged(job: CellJob | BuildJob, where: str) -> CellJob | BuildJob:
    if not where or not isinstance(job, CellJob):
        return job
    data, folder = job.spec.dataset, Path(os.path.expandvars(where))
    source = Path(data.path)
    copy = folder / f"{data.key[:16]}-{source.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _copy(source, copy)
    except OSError as error:
        print(f"{source} is not copied to {folder}: {error.strerror or error}", flush=True)
        return job
    return replace(job, data=str(copy))


def _copy(source: Path, copy: Path) -> None:
    """Whole or not at all, however many jobs of the node do so at once."""
    there = source.stat()
    if copy.is_file() and (copy.stat().st_size, copy.stat().st_mtime_ns) == (there.st_size, there.st_mtime_ns):
        return
    part = copy.with_name(f".{copy.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        shutil.copyfile(source, part)
        os.utime(part, ns=(there.st_atime_ns, there.st_mtime_ns))
        os.replace(part, copy)
    finally:
        part.unlink(missing_ok=True)
