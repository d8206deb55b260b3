"""A grid on a real Slurm while things go wrong, one every few seconds; a table of what came of it.

    python tests/performance/cluster_campaign.py [--minutes 10] [--cells 12] [--every 20] [--seed 0]
    python tests/performance/cluster_campaign.py --grid full --detach [--local RUN --datasets FOLDER]

The first is of toy cells, the second of every cell of the grid at preset smoke, whose jobs nobody waits for: the
command is typed again only when the queue is empty, or holds nothing but what Slurm holds back. ``--local`` is a
finished run of the same cells to compare with.

Needs what tests/slurm_cluster.py needs, and a checkout that nobody edits meanwhile: claims hash sources.

Faults: scancel, requeue, a node down and up, the controller stopped and started, the warning of a walltime, sbatch
failing, kill -9 of a job's process and of the submitter. At the end, with the faults over, ``benchmark run`` is typed
until all is done; then: is every cell done, are weights, scores and predictions those of ``local`` bit by bit, is a job
left in the queue, is a process left?
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from cluster_runs import numbers, with_executors  # noqa: E402
from command_line import CommandLine  # noqa: E402
from slurm_cluster import NODES, Cluster, cluster  # noqa: E402

AWAY_SECONDS = 12.0
"""How long the controller, a node or sbatch stays away."""
HELD_SECONDS = 60.0
"""After so long without a change in the queue somebody would look, and type the command again."""


@dataclass
class Campaign:
    """A run, the Slurm that it is on, and what is done to both."""

    slurm: Cluster
    toy: CommandLine
    arguments: tuple[str, ...]
    chance: random.Random
    detached: bool = False
    done: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    _submitter: subprocess.Popen[str] | None = None
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _seen: tuple[float, list[tuple[str, str]]] = (0.0, [])
    """The queue, and since when it looks like that."""

    def faults(self) -> dict[str, Callable[[], bool]]:
        """What can be done; each says whether it could be."""
        return {
            "scancel of a job": lambda: self._running("scancel"),
            "requeue of a job": lambda: self._running("scontrol", "requeue"),
            "walltime's warning": lambda: self._running("scancel", "--signal=USR2"),
            "kill -9 of a job's process": self._kill_job,
            "node down and up": self._node,
            "controller stopped and started": self._controller,
            "sbatch failing": self._sbatch,
            "kill -9 of the submitter": self._kill_submitter,
        }

    def keep_running(self) -> bool:
        """Type the command again where it has ended; whether everything is done."""
        for due, act in list(self._later):
            if time.monotonic() >= due:
                self._later.remove((due, act))
                act()
        jobs = self._jobs()
        for id_, state in jobs or ():
            if state == "PENDING":  # Slurm lets a requeued job wait two minutes
                self.slurm.call("scontrol", "update", f"JobId={id_}", "StartTime=now", check=False)
        if self._submitter is not None and self._submitter.poll() is None:
            return False
        if self._submitter is not None:
            if self.detached and (jobs is None or self._go_on(jobs)):
                return False  # they need nobody
            if self._submitter.returncode == 0 and (not self.detached or self.states().keys() == {"done"}):
                return True
            if self._submitter.returncode == 2 and not self.restarts:
                raise SystemExit((self.toy.folder / "submitter.txt").read_text())
            self.restarts += 1
        output = (self.toy.folder / "submitter.txt").open("a")
        self._submitter = subprocess.Popen(
            self.toy.command(*self.arguments),
            cwd=self.toy.folder,
            env=self.toy.environment,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
        return False

    def _go_on(self, jobs: list[tuple[str, str]]) -> bool:
        """Whether jobs run, or have changed of late: those that Slurm holds back wait for whoever types again."""
        now = time.monotonic()
        if jobs != self._seen[1] or any(state == "RUNNING" for _, state in jobs):
            self._seen = (now, jobs)
        return bool(jobs) and now - self._seen[0] < HELD_SECONDS

    def calm(self) -> None:
        """Bring back at once what is away."""
        for _, act in self._later:
            act()
        self._later.clear()

    def states(self) -> Counter[str]:
        """How many cells are in which state; empty while there is no plan."""
        ended = subprocess.run(
            self.toy.command("status", "results/x", "--json"),
            cwd=self.toy.folder,
            env=self.toy.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Counter(row["state"] for row in json.loads(ended.stdout)) if ended.returncode == 0 else Counter()

    def _jobs(self) -> list[tuple[str, str]] | None:
        """What is in the queue; ``None`` where it cannot be asked."""
        try:
            return self.slurm.jobs()
        except (RuntimeError, subprocess.TimeoutExpired):
            return None

    def _running(self, *command: str) -> bool:
        jobs = [id_ for id_, state in self._jobs() or () if state == "RUNNING"]
        if not jobs:
            return False
        self.slurm.call(*command, self.chance.choice(jobs), check=False)
        return True

    def _kill_job(self) -> bool:
        found = _processes(str(self.toy.folder), b"submitit.core._submit")
        if not found:
            return False
        os.kill(self.chance.choice(found), signal.SIGKILL)
        return True

    def _node(self) -> bool:
        node = self.chance.choice(NODES)
        self.slurm.call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=campaign", check=False)
        self._then(lambda: self.slurm.call("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False))
        return True

    def _controller(self) -> bool:
        if "slurmctld" not in self.slurm.processes:
            return False
        self.slurm.end("slurmctld")
        self._then(self.slurm.start_controller)
        return True

    def _sbatch(self) -> bool:
        broken = self.toy.folder / "bin" / "sbatch"
        broken.parent.mkdir(exist_ok=True)
        broken.write_text("#!/bin/sh\necho 'sbatch: error: AssocMaxSubmitJobLimit' >&2\nexit 1\n")
        broken.chmod(0o755)
        self._then(lambda: broken.unlink(missing_ok=True))
        return True

    def _kill_submitter(self) -> bool:
        if self._submitter is None or self._submitter.poll() is not None:
            return False
        os.killpg(self._submitter.pid, signal.SIGKILL)
        self._submitter.wait()
        return True

    def _then(self, act: Callable[[], object]) -> None:
        self._later.append((time.monotonic() + AWAY_SECONDS, lambda: (act(), None)[1]))


def _processes(folder: str, word: bytes) -> list[int]:
    """Processes with a word in their command line that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if word in (path / "cmdline").read_bytes() and os.readlink(path / "cwd").startswith(folder):
                found.append(int(path.name))
        except OSError:
            continue
    return found


def main() -> int:
    """Run the campaign; 0 if everything came out as it has to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--every", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--folder", default="")
    parser.add_argument("--grid", choices=("toy", "full"), default="toy")
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--local", type=Path, help="a finished run of the same cells, instead of one made for this")
    parser.add_argument("--datasets", type=Path, help="where built data are, or will be")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="campaign-", dir=asked.folder or None) as folder:
        return _campaign(Path(folder), asked)


def _campaign(folder: Path, asked: argparse.Namespace) -> int:
    toy, cells = _grid(folder, asked)
    options = {"poll_seconds": 0.5, "query_seconds": 3, "lost_seconds": 30, "pack": 1 if asked.grid == "toy" else 0}
    options |= {"detach": "yes"} if asked.detach else {}
    slurm_options = [part for name, value in options.items() for part in ("-p", f"slurm.{name}={value}")]
    how = ("--executor", "slurm", "--jobs", "2", "--attempts", "20", "--lost-seconds", "30", *slurm_options)
    with cluster(folder / "s") as slurm:
        path = f"{toy.folder / 'bin'}{os.pathsep}{toy.environment['PATH']}"
        toy.environment |= {"SLURM_CONF": slurm.environment["SLURM_CONF"], "PATH": path}
        arguments = (*cells, "--name", "x", *how)
        campaign = Campaign(slurm, toy, arguments, random.Random(asked.seed), asked.detach)
        began = time.monotonic()
        _trouble(campaign, began + 60 * asked.minutes, asked.every)
        campaign.calm()
        in_trouble = campaign.states()
        while not campaign.keep_running() and time.monotonic() - began < 60 * asked.minutes + 1500:
            time.sleep(1)
        took = time.monotonic() - began
        # whoever comes to look at the result types the command once more: nothing is to do, and no job may stay
        subprocess.run(toy.command(*arguments), cwd=toy.folder, env=toy.environment, check=True, stdout=-3)
        deadline = time.monotonic() + 30
        while (left := slurm.jobs()) and time.monotonic() < deadline:
            time.sleep(1)
        waiting = slurm.call("squeue", "--noheader", "--array", "--format=%i %j %T %r") if left else ""
    processes = _processes(str(folder), b"benchmark")
    if asked.local is None:
        command = toy.command(*cells, "--name", "local")
        subprocess.run(command, cwd=toy.folder, env=toy.environment, check=True, stdout=-3)
    local = asked.local or toy.folder / "results/local"
    ours, theirs = numbers(toy, "results/x"), numbers(toy, str(local))
    same = sum(ours.get(cell) == theirs[cell] and _same_images(toy, cell, local) for cell in theirs)
    states = campaign.states()
    jobs = [path.parent for path in toy.folder.glob("results/x/jobs/*/*/bundle.json")]
    begun = sum(len(list(job.glob("claim.*"))) for job in jobs)
    for fault, times in campaign.done.most_common():
        print(f"| {fault} | {times} |")
    print(f"| the command typed again | {campaign.restarts} |")
    print(f"cells when the faults ended: {dict(in_trouble)}; in the end, after {took:.0f} s: {dict(states)}")
    print(f"{len(jobs)} jobs, begun {begun} times; attempts in records: {dict(_attempts(toy))}")
    print(f"weights, scores and predictions as local's: {same} of {len(theirs)}")
    print(f"jobs left in the queue: {len(left)}; processes left: {len(processes)}\n{waiting}".rstrip())
    return 0 if same == len(theirs) == states["done"] and not left and not processes else 1


def _grid(folder: Path, asked: argparse.Namespace) -> tuple[CommandLine, tuple[str, ...]]:
    """Where the command is typed, and the part of it that says which cells."""
    data = () if asked.datasets is None else ("--datasets", str(asked.datasets.absolute()))
    if asked.grid == "toy":
        toys = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-slow", "-p", "toy-slow.seconds=0.2")
        return with_executors(folder), (*toys, "--steps", str(asked.steps), "--seeds", str(asked.cells), *data)
    (work := folder / "work").mkdir()
    return CommandLine(work, {**os.environ, "BENCHMARK_REPORT": "no"}), (
        "run", "--grid", asked.grid, "--preset", "smoke", *data
    )  # fmt: skip


def _trouble(campaign: Campaign, until: float, every: float) -> None:
    due = time.monotonic() + every
    while time.monotonic() < until:
        if campaign.keep_running():
            return
        if time.monotonic() >= due:
            name, act = campaign.chance.choice(list(campaign.faults().items()))
            if act():
                campaign.done[name] += 1
                print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
                due = time.monotonic() + every
        time.sleep(0.5)


def _attempts(toy: CommandLine) -> Counter[int]:
    """How many cells say that they ended in their n-th attempt."""
    records = (toy.folder / "results/x/cells").glob("*/record.json")
    return Counter(json.loads(path.read_text()).get("attempt", 1) for path in records)


def _same_images(toy: CommandLine, cell: str, local: Path) -> bool:
    """Whether a cell's predictions are the same values, whatever else the files hold."""
    import h5py

    def digest(run: Path) -> str:
        found = hashlib.sha256()
        with h5py.File(run / "cells" / cell / "predictions.h5") as file:

            def take(name: str, item: object) -> None:
                if isinstance(item, h5py.Dataset):
                    found.update(name.encode())
                    found.update(item[()].tobytes() if item.dtype != object else repr(item[()]).encode())

            file.visititems(take)
        return found.hexdigest()

    return digest(toy.folder / "results/x") == digest(toy.folder / local)


if __name__ == "__main__":
    sys.exit(main())
