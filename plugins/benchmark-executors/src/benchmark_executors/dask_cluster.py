"""Cells as tasks of Dask: on a cluster that exists, whoever started it, or on workers of this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import PluginError, UsageError
from benchmark.executors import Assignment, Event, Surroundings
from benchmark_executors.batch import passed_on
from benchmark_executors.fleet import Fleet, Rules
from benchmark_executors.needs import Needs
from benchmark_executors.options import DaskOptions
from benchmark_executors.queues import Busy, Request, Standing

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 30.0
MOST_TASKS = 10_000


class DaskExecutor:
    """Hands each bundle of cells to Dask, which chooses the worker, and reads from files what becomes of it.

    A worker starts a process for each bundle: what a cell leaves in memory goes with it. When this process ends, its
    tasks write checkpoints and end. ``--jobs``: how many workers are started here, or tasks handed over at once.
    """

    def __init__(self, options: DaskOptions, surroundings: Surroundings) -> None:
        try:
            import distributed  # noqa: F401
        except ImportError:
            raise PluginError("executor dask needs distributed: pip install 'benchmark-executors[dask]'") from None
        if options.poll_seconds <= 0 or options.lost_seconds <= options.poll_seconds:
            raise UsageError("executor dask: lost_seconds must be above poll_seconds above 0")
        self._options, self._surroundings = options, surroundings
        self._needs = Needs("dask", options.only)
        self._common = _amounts(options.resources)
        self._rules = Rules(
            limit=surroundings.slots if surroundings.slots and options.address else MOST_TASKS,
            side_by_side=surroundings.slots or 1,
            pack=max(1, options.pack),
            patience=0.0,
            poll_seconds=options.poll_seconds,
            lost_seconds=options.lost_seconds,
            query_seconds=options.poll_seconds,
        )

    def run(self, assignments: Sequence[Assignment], notify: Callable[[Event], None]) -> Mapping[str, tuple[str, str]]:
        """See :class:`benchmark.executors.Executor`."""
        with _client(self._options, self._surroundings) as client:
            queue = DaskQueue(client, self._resources)
            return Fleet(queue, self._rules, self._surroundings, self._needs.key).run(assignments, notify)

    def _resources(self, assignment: Assignment) -> dict[str, float]:
        """What a worker must have free for a cell."""
        return {**self._common, **_amounts([f"{name}={value}" for name, value in self._needs.of(assignment).items()])}


class DaskQueue:
    """Dask's scheduler as a queue. A task whose worker dies is started elsewhere, in the same folder."""

    can_be_asked = True

    def __init__(self, client: Client, resources: Callable[[Assignment], dict[str, float]]) -> None:
        self._client, self._resources = client, resources
        self._futures: dict[str, Future] = {}

    def submit(self, requests: Sequence[Request]) -> list[str]:
        """See :class:`benchmark_executors.queues.Queue`."""
        ids: list[str] = []
        for request in requests:
            key = f"{request.name}-{uuid.uuid4().hex[:8]}"
            try:
                self._futures[key] = self._client.submit(
                    work_on_worker,
                    str(request.folder),
                    passed_on(),
                    key=key,
                    pure=False,
                    resources=self._resources(request.assignments[0]) or None,
                )
            except (OSError, RuntimeError) as error:
                if not ids:
                    raise Busy(f"dask: {error}") from error
                break
            ids.append(key)
        return ids

    def look(self, ids: Sequence[str]) -> Mapping[str, Standing] | None:
        """See :class:`benchmark_executors.queues.Queue`."""
        if self._client.status != "running":
            return None
        return {id_: _standing(self._futures[id_]) for id_ in ids if id_ in self._futures}

    def cancel(self, ids: Sequence[str]) -> str:
        """See :class:`benchmark_executors.queues.Queue`. What runs is not reached by this: it sees the word to stop."""
        with contextlib.suppress(Exception):
            self._client.cancel([self._futures[id_] for id_ in ids if id_ in self._futures], force=True)
        return ""


def work_on_worker(folder: str, environment: Mapping[str, str]) -> int:
    """What a worker does: the job in a process of its own, which ends when the worker does."""
    command = [sys.executable, "-m", "benchmark_executors.remote", folder, "--with-parent"]
    with (Path(folder) / "job.out").open("ab") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=output, stderr=output
        )
        return process.wait()


def _standing(future: Future) -> Standing:
    if future.status == "pending":
        return Standing("waiting", "pending")  # Dask itself notices that a worker died, and moves the task
    word = str(future.status)
    if word == "error":
        with contextlib.suppress(Exception):
            word = type(future.exception(timeout=5)).__name__
    return Standing("gone", word)


def _amounts(texts: Sequence[str]) -> dict[str, float]:
    """``GPU=1`` and the like as Dask has them.

    Raises:
        UsageError: no number.
    """
    try:
        return {name: float(amount) for name, _, amount in (text.partition("=") for text in texts)}
    except ValueError:
        raise UsageError(f"executor dask: resources={','.join(texts)!r}: give NAME=AMOUNT, e.g. GPU=1") from None


@contextlib.contextmanager
def _client(options: DaskOptions, surroundings: Surroundings) -> Iterator[Client]:
    """A client of the user's scheduler, or of workers that are started here and end with the block.

    Raises:
        UsageError: nothing answers at the address.
    """
    from distributed import Client

    if not options.address:
        with _workers_here(options, surroundings) as cluster, Client(cluster, set_as_default=False) as client:
            yield client
        return
    where: dict[str, Any] = {"address": options.address}
    if options.address.startswith("file:"):
        where = {"scheduler_file": options.address.removeprefix("file:")}
    try:
        client = Client(**where, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"executor dask: no scheduler at {options.address}: {error}") from None
    with client:
        yield client


@contextlib.contextmanager
def _workers_here(options: DaskOptions, surroundings: Surroundings) -> Iterator[Any]:
    import dask
    from distributed import LocalCluster

    from benchmark.executors.local import available_cores, without_main

    limits = {
        "distributed.scheduler.allowed-failures": surroundings.attempts,
        "distributed.worker.memory.terminate": False,
    }
    with (
        without_main(),  # for the whole block: a worker that died is started again at any time
        dask.config.set(limits),
        LocalCluster(
            n_workers=surroundings.slots or available_cores(),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
            local_directory=str(surroundings.folder.absolute() / "jobs" / "dask"),
            resources={name: float("inf") for name in _all_resources(options)} or None,
            silence_logs=True,
        ) as cluster,
    ):
        yield cluster


def _all_resources(options: DaskOptions) -> set[str]:
    """Every resource that is asked for: workers here have as much of it as anybody wants."""
    texts = [*options.resources, *(text.partition(":")[2] for text in options.only)]
    return {text.partition("=")[0] for text in texts}
