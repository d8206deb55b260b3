"""Each cell as a job of a batch system whose machines share a file system with this one."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.cell.job import Progress, job_to_json
from benchmark.errors import UsageError
from benchmark.executors import Assignment, Event, Surroundings
from benchmark_executors import exchange
from benchmark_executors.options import BatchOptions

ATTEMPTS = 2
GRACE_SECONDS = 60.0
"""How long running jobs may take to write a checkpoint before they are cancelled."""
SUBMIT_SECONDS = 120.0
DEFAULT_TEMPLATE = "#!/bin/sh\n{command}\n"
COMMAND_LINE = re.compile(r"^[ \t]*\{command\}[ \t]*$", re.M)


@dataclass
class _Job:
    """An assignment and the job that does it."""

    assignment: Assignment
    folder: Path
    attempt: int = 0
    id: str = ""
    beat: exchange.Pulse = field(init=False)
    started: float = 0.0
    """When it was first seen at work; 0 while it waits in the queue."""
    step: int = -1
    asked: float = 0.0
    """When the batch system was last asked whether it knows the job."""


class BatchExecutor:
    """Submits a script for each assignment, and reads from files what becomes of it.

    ``--timeout`` counts from when a job starts, not while it waits. A job that gives no sign of life has died and is
    submitted once more. When this process ends, however it does, its jobs write checkpoints and end too; a job that
    is still queued then ends as soon as it starts.
    """

    def __init__(self, options: BatchOptions, surroundings: Surroundings) -> None:
        self._options, self._surroundings = options, surroundings
        self._sessions = 0
        self._limit = surroundings.slots or options.queue
        if self._limit < 1 or options.poll_seconds <= 0 or options.lost_seconds <= options.poll_seconds:
            raise UsageError("executor batch: queue must be at least 1, and lost_seconds above poll_seconds above 0")
        if "{script}" not in options.submit:
            raise UsageError(f"executor batch: submit={options.submit!r} has no {{script}} for the job's script")
        if shutil.which(command := shlex.split(options.submit)[0]) is None:
            raise UsageError(
                f"executor batch: no command {command!r} here; say what takes a script: -p batch.submit='...'"
            )
        self._template = _template(options.template)
        self._root = surroundings.folder.absolute() / "jobs"

    def run(self, assignments: Sequence[Assignment], notify: Callable[[Event], None]) -> Mapping[str, tuple[str, str]]:
        """See :class:`benchmark.executors.Executor`."""
        self._wait_for_earlier_jobs()
        self._sessions += 1
        session = self._root / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{self._sessions}"
        session.mkdir()
        waiting = deque(_Job(assignment, session / f"{number:04d}") for number, assignment in enumerate(assignments))
        there: list[_Job] = []
        outcome: dict[str, tuple[str, str]] = {}
        try:
            while waiting or there:
                exchange.touch(session / "alive")
                while waiting and len(there) < self._limit:
                    job = waiting.popleft()
                    if reason := self._submit(job):
                        outcome[job.assignment.title] = "failed", reason
                        notify(Event("finished", job.assignment.title, "failed", reason))
                        continue
                    there.append(job)
                for job in list(there):
                    ended = self._look_at(job, notify)
                    if ended is None:
                        continue
                    there.remove(job)
                    if ended[0] == "died" and job.attempt < ATTEMPTS:
                        notify(Event("retry", job.assignment.title, *ended))
                        waiting.append(job)
                        continue
                    outcome[job.assignment.title] = state, reason = (
                        ("failed", ended[1]) if ended[0] == "died" else ended
                    )
                    notify(Event("finished", job.assignment.title, state, reason))
                if there:
                    time.sleep(self._options.poll_seconds)
        except BaseException:
            self._stop(there, session)
            raise
        (session / "alive").unlink(missing_ok=True)
        return outcome

    def _submit(self, job: _Job) -> str:
        """Write the job's files and hand its script over; returns why that failed, if so."""
        job.attempt += 1
        if job.attempt > 1:
            job.folder = job.folder.with_name(f"{job.folder.name}-again")
        job.beat, job.started, job.step = exchange.Pulse(job.folder / "beat"), 0.0, -1
        job.asked = time.monotonic()
        wanted = {"poll_seconds": self._options.poll_seconds, "lost_seconds": self._options.lost_seconds}
        exchange.write(job.folder / "job.json", {**wanted, "job": job_to_json(job.assignment.job)})
        script = job.folder / "job.sh"
        script.write_text(COMMAND_LINE.sub(lambda _: _command(job.folder), self._template))
        script.chmod(0o755)
        places = {"script": script, "name": _job_name(job.assignment.title), "output": job.folder / "job.out"}
        try:
            answer = _call(self._options.submit, **{key: str(value) for key, value in places.items()})
        except UsageError as error:
            return str(error)
        job.id = answer.strip().splitlines()[-1].partition(";")[0].strip() if answer.strip() else ""
        (job.folder / "job.id").write_text(f"{job.id}\n")
        return ""

    def _look_at(self, job: _Job, notify: Callable[[Event], None]) -> tuple[str, str] | None:
        """Pass on what is new of a job; state and reason once it has ended, ``died`` if it did so without a word."""
        silent = job.beat.silent_seconds()
        if not job.started and job.beat.ever:
            job.started = time.monotonic()
            notify(Event("started", job.assignment.title))
        if ended := exchange.read(job.folder / "ended"):
            return str(ended["state"]), str(ended["reason"])
        if (code := _exit_code(job.folder)) is not None:
            return "died", f"job {job.id} exited with {code}; what it printed: {job.folder / 'job.out'}"
        if not job.started:
            return self._look_in_the_queue(job)
        if (found := exchange.read(job.folder / "progress")) and found["step"] != job.step:
            job.step = found["step"]
            notify(Event("progress", job.assignment.title, progress=Progress(**found)))
        timeout = self._surroundings.timeout
        if timeout and time.monotonic() - job.started > timeout:
            self._end([job], grace=0.0)
            return "timeout", f"took longer than {timeout:g} s"
        if silent > self._options.lost_seconds:
            self._end([job], grace=0.0)
            printed = job.folder / "job.out"
            return "died", f"job {job.id} gave no sign of life for {silent:.0f} s; what it printed: {printed}"
        return None

    def _look_in_the_queue(self, job: _Job) -> tuple[str, str] | None:
        """A job that does not start may have been removed by somebody else."""
        if not (self._options.query and job.id) or time.monotonic() - job.asked < self._options.lost_seconds:
            return None
        job.asked = time.monotonic()
        try:
            known = _call(self._options.query, id=job.id).strip()
        except UsageError:
            known = ""
        if known or job.beat.silent_seconds() < self._options.poll_seconds:
            return None
        self._end([job], grace=0.0)
        return "died", f"job {job.id} is not in the queue any more and never started"

    def _stop(self, jobs: Sequence[_Job], session: Path) -> None:
        """Let every job write its checkpoint; remove those that wait in the queue or do not end."""
        self._end([job for job in jobs if not job.started], grace=0.0)
        running = [job for job in jobs if job.started]
        if running:
            self._surroundings.say(f"{len(running)} running jobs are writing checkpoints")
        self._end(running, grace=GRACE_SECONDS)
        (session / "alive").unlink(missing_ok=True)

    def _end(self, jobs: Sequence[_Job], grace: float) -> None:
        for job in jobs:
            (job.folder / "stop").touch()
        deadline = time.monotonic() + grace
        for job in jobs:
            while not (job.folder / "ended").exists() and time.monotonic() < deadline:
                time.sleep(min(0.2, self._options.poll_seconds))
            if not (job.folder / "ended").exists() and self._options.cancel and job.id:
                try:
                    _call(self._options.cancel, id=job.id)
                except UsageError as error:
                    self._surroundings.say(f"job {job.id} could not be cancelled: {error}")
            _give_up(job.folder)

    def _wait_for_earlier_jobs(self) -> None:
        """Jobs of a run that was killed end by themselves; until then nobody else may work on their cells."""
        self._root.mkdir(parents=True, exist_ok=True)
        (self._root / ".gitignore").write_text("*\n")
        open_ = {
            folder: exchange.Pulse(folder / "beat")
            for folder in self._root.glob("*/*/")
            if (folder / "job.json").exists() and not (folder / "ended").exists()
        }
        for folder in open_:
            (folder / "stop").touch()
        said = False
        while open_:
            for folder, beat in list(open_.items()):
                silent = beat.silent_seconds()
                # one that never gave a sign of life sees the stop when it starts
                if (folder / "ended").exists() or silent > self._options.lost_seconds or not beat.ever:
                    _give_up(folder)
                    del open_[folder]
            if open_ and not said:
                self._surroundings.say(f"waiting for {len(open_)} jobs of an earlier run to end")
                said = True
            if open_:
                time.sleep(self._options.poll_seconds)


def _give_up(folder: Path) -> None:
    """Nothing is expected of a job any more; what it says of itself stands."""
    if not (folder / "ended").exists():
        exchange.write(folder / "ended", {"state": "interrupted", "reason": "given up"})


def _exit_code(folder: Path) -> str | None:
    """What the job's script says its process ended with; ``None`` while it has not."""
    try:
        return (folder / "exit").read_text().strip() or None
    except OSError:
        return None


def _template(path: str) -> str:
    """The job script before its command is put in."""
    if not path:
        return DEFAULT_TEMPLATE
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"executor batch: template {path} cannot be read: {error}") from None
    if not COMMAND_LINE.search(text):
        raise UsageError(f"executor batch: template {path} has no line {{command}}")
    return text


def _command(folder: Path) -> str:
    """What the job's script does, in the folder and with the benchmark's environment variables of this process."""
    settings = [f"export {name}={shlex.quote(os.environ[name])}" for name in sorted(os.environ) if _passed_on(name)]
    work = [shlex.quote(sys.executable), "-m", "benchmark_executors.remote", shlex.quote(str(folder))]
    lines = [
        *settings,
        f"cd {shlex.quote(os.getcwd())}",
        " ".join(work),
        "code=$?",
        f"echo $code > {shlex.quote(str(folder / 'exit'))}",
        "exit $code",
    ]
    return "\n".join(lines)


def _passed_on(name: str) -> bool:
    return name.startswith("BENCHMARK_") or name == "PYTHONPATH"


def _job_name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", title)[:80]


def _call(command: str, **places: str) -> str:
    """Run a command whose words may hold {places}; what it printed.

    Raises:
        UsageError: there is no such command, it fails, or takes too long.
    """
    try:
        words = [word.format(**places) for word in shlex.split(command)]
        ended = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SUBMIT_SECONDS, check=False
        )
    except (KeyError, IndexError, ValueError) as error:
        raise UsageError(
            f"command {command!r}: {error}; it may use {', '.join(f'{{{name}}}' for name in places)}"
        ) from None
    except OSError as error:
        raise UsageError(f"command {shlex.split(command)[0]!r}: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"command {command!r} took longer than {SUBMIT_SECONDS:g} s") from None
    if ended.returncode:
        said = " ".join((ended.stderr or ended.stdout).split())[:300]
        raise UsageError(f"command {command!r} exited with {ended.returncode}: {said}")
    return ended.stdout
