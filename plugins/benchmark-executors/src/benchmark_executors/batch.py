"""Each cell as a job of any batch system whose machines share a file system with this one: its commands are options."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmark.errors import UsageError
from benchmark.executors import Assignment, Event, Surroundings
from benchmark_executors.fleet import Fleet, Rules
from benchmark_executors.options import BatchOptions
from benchmark_executors.queues import Busy, Refused, Request, Standing

COMMAND_SECONDS = 120.0
"""How long a command of the batch system may take."""
DEFAULT_TEMPLATE = "#!/bin/sh\n{command}\n"
COMMAND_LINE = re.compile(r"^[ \t]*\{command\}[ \t]*$", re.M)


class BatchExecutor:
    """Submits a script for each bundle of cells, and reads from files what becomes of it.

    ``--timeout`` counts from when a cell starts, not while its job waits. When this process ends, however it does, its
    jobs write checkpoints and end too; a job that is still queued then ends as soon as it starts.
    """

    def __init__(self, options: BatchOptions, surroundings: Surroundings) -> None:
        limit = surroundings.slots or options.queue
        if limit < 1 or options.poll_seconds <= 0 or options.lost_seconds <= options.poll_seconds:
            raise UsageError("executor batch: queue must be at least 1, and lost_seconds above poll_seconds above 0")
        rules = Rules(
            limit=limit,
            side_by_side=limit,
            pack=max(1, options.pack),
            patience=options.patience_seconds,
            poll_seconds=options.poll_seconds,
            lost_seconds=options.lost_seconds,
            query_seconds=options.query_seconds,
        )
        self._fleet = Fleet(CommandQueue(options), rules, surroundings, needs=lambda _: None)

    def run(self, assignments: Sequence[Assignment], notify: Callable[[Event], None]) -> Mapping[str, tuple[str, str]]:
        """See :class:`benchmark.executors.Executor`."""
        return self._fleet.run(assignments, notify)

    def cancel(self) -> int:
        """See :class:`benchmark.executors.Cancels`."""
        return self._fleet.cancel()


class CommandQueue:
    """A batch system by its commands, one for each of submitting, asking and cancelling."""

    def __init__(self, options: BatchOptions) -> None:
        if "{script}" not in options.submit:
            raise UsageError(f"executor batch: submit={options.submit!r} has no {{script}} for the job's script")
        if shutil.which(command := shlex.split(options.submit)[0]) is None:
            raise UsageError(
                f"executor batch: no command {command!r} here; say what takes a script: -p batch.submit='...'"
            )
        try:
            self._final = re.compile(options.final, re.IGNORECASE)
        except re.error as error:
            raise UsageError(f"executor batch: final={options.final!r} is no regular expression: {error}") from None
        self._options, self._template = options, _template(options.template)
        self.can_be_asked = bool(options.query)

    def submit(self, requests: Sequence[Request]) -> list[str]:
        """See :class:`benchmark_executors.queues.Queue`."""
        ids: list[str] = []
        for request in requests:
            try:
                ids.append(self._submit(request))
            except (Busy, Refused):
                if not ids:
                    raise
                break
        return ids

    def _submit(self, request: Request) -> str:
        script = request.folder / "job.sh"
        script.write_text(COMMAND_LINE.sub(lambda _: _command(request.folder), self._template))
        script.chmod(0o755)
        places = {"script": script, "name": _job_name(request.name), "output": request.folder / "job.out"}
        code, printed, complaint = _call(self._options.submit, **{key: str(value) for key, value in places.items()})
        if code:
            said = complaint or " ".join(printed.split())[:300]
            refusal = f"command {self._options.submit!r} exited with {code}: {said}"
            raise Refused(refusal) if self._final.search(said) else Busy(refusal)
        lines = printed.strip().splitlines()
        return lines[-1].partition(";")[0].strip() if lines else ""

    def look(self, ids: Sequence[str]) -> Mapping[str, Standing] | None:
        """See :class:`benchmark_executors.queues.Queue`."""
        if not self._options.query:
            return None
        code, printed, _ = _call(self._options.query)
        if code:
            return None
        # some systems print an id with the server's name behind it, or an element of an array
        known = {part for word in printed.split() for part in (word, re.split(r"[.\[_]", word)[0])}
        there, gone = Standing("running"), Standing("gone")
        return {id_: there if id_ in known or re.split(r"[.\[_]", id_)[0] in known else gone for id_ in ids if id_}

    def cancel(self, ids: Sequence[str]) -> str:
        """See :class:`benchmark_executors.queues.Queue`."""
        faults = []
        for id_ in ids if self._options.cancel else ():
            code, printed, complaint = _call(self._options.cancel, id=id_)
            if code:
                faults.append(complaint or printed)
        return faults[0] if faults else ""


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
    """What the job's script does, in the folder and with the benchmark's environment variables of this process.

    ``exec``: the batch system's signals have to reach Python, not a shell that waits for it.
    """
    settings = [f"export {name}={shlex.quote(value)}" for name, value in sorted(passed_on().items())]
    work = [shlex.quote(sys.executable), "-m", "benchmark_executors.remote", shlex.quote(str(folder))]
    return "\n".join([*settings, f"cd {shlex.quote(os.getcwd())}", f"exec {' '.join(work)}"])


def passed_on() -> dict[str, str]:
    """The variables of this process's environment that a job needs as they are here."""
    return {name: text for name, text in os.environ.items() if name.startswith("BENCHMARK_") or name == "PYTHONPATH"}


def _job_name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", title)[:80]


def _call(command: str, **places: str) -> tuple[int, str, str]:
    """Run a command whose words may hold {places}: exit code, what it printed, what it complained of. One
    that takes too long has failed.

    Raises:
        Refused: it is no command.
    """
    try:
        words = [word.format(**places) for word in shlex.split(command)]
        ended = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except (KeyError, IndexError, ValueError) as error:
        raise Refused(
            f"command {command!r}: {error}; it may use {', '.join(f'{{{name}}}' for name in places)}"
        ) from None
    except OSError as error:
        raise Refused(f"command {shlex.split(command)[0]!r}: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        return -1, "", f"it took longer than {COMMAND_SECONDS:g} s"
    return ended.returncode, ended.stdout, " ".join(ended.stderr.split())[:300]
