"""Cells as job arrays of Slurm, by submitit: they outlive the run that submitted them, and queue again by themselves.

Slurm starts a job once more after a preemption or when its node is lost; before its time is up a job writes a
checkpoint and asks for that itself. The run submits again what was cancelled or killed.
"""

from __future__ import annotations

import contextlib
import io
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cell.job import CellJob
from benchmark.errors import Detached, PluginError, UsageError
from benchmark.executors import Assignment, Event, Surroundings
from benchmark.store.stops import Stop
from benchmark_executors import remote
from benchmark_executors.fleet import Fleet, Rules
from benchmark_executors.needs import Needs, memory_gib, minutes
from benchmark_executors.options import SlurmOptions
from benchmark_executors.queues import Busy, Refused, Request, Standing

if TYPE_CHECKING:
    import submitit

COMMAND_SECONDS = 60.0
FINAL = re.compile(
    r"invalid|unrecognized|requested node configuration is not available|user's group not permitted|"
    r"access/permission denied|no such|unable to open",
    re.IGNORECASE,
)
"""What sbatch says when trying again is of no use. Everything else may pass: limits, a controller that is away."""
LIMITS = re.compile(r"limit|invalid job array", re.IGNORECASE)
"""What it says when a smaller array may be taken."""
WAITING = ("PENDING", "REQUEUED", "REQUEUE_FED", "SUSPENDED", "CONFIGURING", "RESV_DEL_HOLD")
RUNNING = ("RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "STOPPED", "RESIZING")
HELD_FOR_EVER = ("launch failed requeued held", "JobHoldMaxRequeue", "DependencyNeverSatisfied")
STOPS: Mapping[str, Stop] = {
    "BOOT_FAIL": "node lost",
    "CANCELLED": "cancelled",
    "DEADLINE": "walltime",
    "NODE_FAIL": "node lost",
    "OUT_OF_MEMORY": "out of memory",
    "PREEMPTED": "preempted",
    "TIMEOUT": "walltime",
}
SAID_OF_ONE = ("partition", "account", "qos", "time", "gres", "cpus", "mem")
"""Options that may be said for one model or task."""


class SlurmExecutor:
    """Submits cells as job arrays; with ``detach`` it leaves them alone then.

    ``--jobs`` is how many of an array run at once; ``--timeout`` counts for each cell from when it begins in a job.
    """

    def __init__(self, options: SlurmOptions, surroundings: Surroundings) -> None:
        if options.poll_seconds <= 0 or options.lost_seconds <= options.poll_seconds or options.queue < 1:
            raise UsageError("executor slurm: queue must be at least 1, and lost_seconds above poll_seconds above 0")
        if options.time is not None and options.time * 60 <= options.warning_seconds:
            raise UsageError("executor slurm: time is in minutes, and must be longer than warning_seconds")
        at_once = surroundings.slots or options.at_once
        needs = Needs("slurm", options.only, SAID_OF_ONE)
        rules = Rules(
            limit=options.queue,
            side_by_side=at_once,
            pack=options.pack,
            patience=options.patience_seconds,
            poll_seconds=options.poll_seconds,
            lost_seconds=options.lost_seconds,
            query_seconds=options.query_seconds,
            independent=True,
            stage=options.stage,
        )
        for assigned in ("time", "cpus"):
            needs.check(assigned, int)
        self._detach = options.detach

        def key(one: Assignment) -> Hashable:
            return needs.key(one), memory_gib(one) if options.measured else None

        self._fleet = Fleet(SlurmQueue(options, at_once, needs), rules, surroundings, key)

    def run(self, assignments: Sequence[Assignment], notify: Callable[[Event], None]) -> Mapping[str, tuple[str, str]]:
        """See :class:`benchmark.executors.Executor`."""
        if not self._detach or not all(isinstance(one.job, CellJob) for one in assignments):
            return self._fleet.run(assignments, notify)  # data are waited for, or no cell could begin
        submitted = self._fleet.leave(assignments, notify)
        raise Detached(f"{len(submitted)} cells are in Slurm's queue; the same command without detach waits for them")

    def cancel(self) -> int:
        """See :class:`benchmark.executors.Cancels`."""
        return self._fleet.cancel()

    def take_back(self) -> None:
        """See :class:`benchmark.executors.TakesBack`."""
        self._fleet.take_back()


class SlurmQueue:
    """Slurm by submitit's sbatch, one squeue for all jobs, and scancel."""

    can_be_asked = True

    def __init__(self, options: SlurmOptions, at_once: int, needs: Needs) -> None:
        try:
            import submitit
        except ImportError:
            raise PluginError("executor slurm needs submitit: pip install 'benchmark-executors[slurm]'") from None
        if not submitit.SlurmExecutor.affinity() > 0:
            raise UsageError("executor slurm: no srun here; start it where jobs are submitted, on a login node")
        self._options, self._at_once, self._needs = options, at_once, needs
        self._array = 1000
        """How large an array is tried; Slurm says what is too large."""
        self._doubtful: set[str] = set()
        """Names of submissions that failed for us, and may have been taken all the same."""

    def submit(self, requests: Sequence[Request]) -> list[str]:
        """See :class:`benchmark_executors.queues.Queue`."""
        while True:
            part = requests[: self._array]
            try:
                jobs = self._map(part)
            except Exception as error:  # submitit's own, and whatever sbatch not being there brings
                said = " ".join(str(error).split())[:300] or type(error).__name__
                if LIMITS.search(said) and len(part) > 1:
                    self._array = max(1, len(part) // 2)
                    continue
                raise (Refused if FINAL.search(said) else Busy)(f"sbatch: {said}") from error
            self._array = min(1000, 2 * self._array)
            return [job.job_id for job in jobs]

    def _map(self, requests: Sequence[Request]) -> Sequence[submitit.Job[int]]:
        import submitit

        name = f"{_job_name(requests[0].name)}-{uuid.uuid4().hex[:8]}"
        executor = submitit.SlurmExecutor(folder=requests[0].folder.parent / "slurm")
        executor.update_parameters(**self._parameters(requests), job_name=name)
        self._doubtful.add(name)
        with contextlib.redirect_stderr(io.StringIO()):  # sbatch's words come back in the error
            jobs: Sequence[submitit.Job[int]] = executor.map_array(
                work_in_slurm, [str(request.folder) for request in requests]
            )
        self._doubtful.discard(name)
        for job, request in zip(jobs, requests, strict=True):
            with contextlib.suppress(OSError):
                (request.folder / "job.out").symlink_to(job.paths.stderr)
        return jobs

    def _parameters(self, requests: Sequence[Request]) -> dict[str, Any]:
        """What sbatch is asked for, of jobs whose cells all need the same."""
        assignment = requests[0].assignments[0]
        options, needs = self._options, self._needs.of(assignment)
        said: dict[str, Any] = {name: needs.get(name, getattr(options, name)) for name in SAID_OF_ONE}
        if options.measured:
            longest = [minutes(request.assignments, options.warning_seconds) for request in requests]
            if said["time"] in (None, "") and all(longest):
                said["time"] = max(each for each in longest if each)
            if not said["mem"] and (memory := memory_gib(assignment)):
                said["mem"] = f"{memory}G"
        said["cpus_per_task"] = int(said.pop("cpus"))
        said["time"] = None if said["time"] in (None, "") else int(said["time"])
        extra = {name: value or True for name, _, value in (text.partition("=") for text in options.sbatch)}
        return {
            **{name: value for name, value in said.items() if value != ""},
            **({"gres": "gpu:1"} if assignment.needs.gpu and not said["gres"] else {}),
            "signal_delay_s": options.warning_seconds,
            "array_parallelism": self._at_once,
            "setup": list(options.setup) or None,
            "additional_parameters": {"requeue": True, **extra},
        }

    def look(self, ids: Sequence[str]) -> Mapping[str, Standing] | None:
        """See :class:`benchmark_executors.queues.Queue`."""
        code, printed = _call("squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i|%T|%r")
        if code:
            return None
        said = {}
        for line in printed.splitlines():
            id_, _, rest = line.strip().partition("|")
            said[id_] = _standing(*rest.partition("|")[::2])
        held = [id_ for id_ in ids if id_ in said and said[id_].word in HELD_FOR_EVER]
        if held and self.cancel(held):
            return None  # they are not gone as long as Slurm may let them go
        self._doubtful = {name for name in self._doubtful if _call("scancel", "--me", f"--jobname={name}")[0]}
        return {id_: said.get(id_, Standing("gone", "no longer known")) for id_ in ids}

    def cancel(self, ids: Sequence[str]) -> str:
        """See :class:`benchmark_executors.queues.Queue`."""
        faults = ""
        for start in range(0, len(ids), 500):
            code, printed = _call("scancel", *ids[start : start + 500])
            faults = faults or (printed or f"scancel exited with {code}" if code else "")
        return faults


def work_in_slurm(folder: str) -> int:
    """What a job does, called by submitit under ``srun``."""
    return remote.work(Path(folder), warning=signal.SIGUSR2, again=_queue_again)


def _queue_again() -> bool:
    """Ask Slurm to start this job once more; whether it will. A controller may be away for a moment."""
    import submitit

    for wait in (0.0, 2.0, 5.0, 10.0, 20.0):
        time.sleep(wait)
        if _call("scontrol", "requeue", submitit.JobEnvironment().job_id)[0] == 0:
            return True
    return False


def _standing(state: str, reason: str) -> Standing:
    if reason in HELD_FOR_EVER:
        return Standing("gone", reason, "lost sight of")
    if state in WAITING:
        return Standing("waiting", state)
    return Standing("running" if state in RUNNING else "gone", state, STOPS.get(state))


def _job_name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", title)[:80]


def _call(*command: str) -> tuple[int, str]:
    """Exit code and what was printed, complaints where it failed."""
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, str(error)
    return ended.returncode, ended.stdout if ended.returncode == 0 else " ".join(ended.stderr.split())[:300]
