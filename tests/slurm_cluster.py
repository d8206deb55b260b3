"""A real Slurm on this machine, for tests: munged, slurmctld and two slurmd on the loopback, in a folder of their own.

Needs root and Debian's packages slurm-wlm and munge. It keeps no accounts, and ends only what it started, by id::

    python slurm_cluster.py FOLDER        brings one up, prints the environment to use it, ends with Ctrl-C
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "mungekey")
NODES = ("n1", "n2")
CONFIGURATION = """\
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdSpoolDir={folder}/spool.%n
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,sched_min_interval=200000,batch_sched_delay=0
ReturnToService=2
JobRequeue=1
KillWait=20
MessageTimeout=5
SlurmdTimeout=60
{nodes}
PartitionName=main Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""


class NoSlurm(Exception):
    """Slurm cannot be brought up here; the reason is for a skipped test."""


@dataclass
class Cluster:
    """A Slurm that runs; commands find it with :attr:`environment`."""

    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands, and jobs, need."""
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a daemon in a process group of its own."""
        with (self.folder / f"{name}.out").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def start_controller(self) -> None:
        """Start slurmctld, or start it again."""
        self.start("slurmctld", ["slurmctld", "-D"])

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        self.start(node, ["slurmd", "-D", "-N", node])

    def end(self, name: str, how: int = signal.SIGTERM) -> None:
        """End a daemon and wait for it."""
        process = self.processes.pop(name)
        process.send_signal(how)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def call(self, *command: str, check: bool = True) -> str:
        """What one of Slurm's commands prints."""
        ended = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        if check and ended.returncode:
            raise RuntimeError(f"{' '.join(command)}: {ended.stderr.strip()}")
        return ended.stdout

    def jobs(self) -> list[tuple[str, str]]:
        """Id and state of every job that waits or runs."""
        lines = self.call("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return [(line.split()[0], line.split()[1]) for line in lines if line.strip()]

    def wait(self) -> None:
        """Until every node is idle.

        Raises:
            NoSlurm: that does not happen.
        """
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            states = self.call("sinfo", "--noheader", "--Node", "--format=%T", check=False).split()
            if len(states) == len(NODES) and all(state == "idle" for state in states):
                return
            time.sleep(0.3)
        log = self.folder / "slurmctld.log"
        last = log.read_text().splitlines()[-1:] if log.exists() else ["no log"]
        raise NoSlurm(f"Slurm does not come up here: {last[0] if last else 'empty log'}")


@contextlib.contextmanager
def cluster(folder: Path, cpus: int = 2) -> Iterator[Cluster]:
    """Bring a Slurm up in a folder (a short path: sockets lie in it), and end all of it with the block.

    Raises:
        NoSlurm: it cannot be brought up here.
    """
    if os.geteuid():
        raise NoSlurm("needs root to bring up a Slurm")
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        raise NoSlurm(f"needs {', '.join(missing)} (Debian's slurm-wlm and munge)")
    slurm = Cluster(folder)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    (folder / "state").mkdir(exist_ok=True)
    controller, *ports = _free_ports(1 + len(NODES))
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} "
        f"CPUs={cpus} RealMemory=1000 State=UNKNOWN"
        for node, port in zip(NODES, ports, strict=True)
    )
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            folder=folder, host=socket.gethostname(), controller=controller, nodes=nodes, names=",".join(NODES)
        )
    )
    key = folder / "munge.key"
    try:
        subprocess.run(["mungekey", "--create", f"--keyfile={key}"], check=True, capture_output=True)
        names = ("socket", "pid", "log", "seed")
        files = [f"--{name}{'-file' if name != 'socket' else ''}={folder}/munge.{name}" for name in names]
        slurm.start("munged", ["munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}", *files])
        deadline = time.monotonic() + 10
        while not (folder / "munge.socket").exists():
            if time.monotonic() > deadline:
                raise NoSlurm("munged does not come up here")
            time.sleep(0.05)
        slurm.start_controller()
        for node in NODES:
            slurm.start_node(node)
        slurm.wait()
        yield slurm
    finally:
        with contextlib.suppress(Exception):
            _remove_jobs(slurm)
        for name in list(slurm.processes)[::-1]:
            slurm.end(name)


def _remove_jobs(slurm: Cluster) -> None:
    """Nothing may run on after the daemons that watch it have ended."""
    deadline = time.monotonic() + 40
    while (jobs := slurm.jobs()) and time.monotonic() < deadline:
        slurm.call("scancel", *[id_ for id_, _ in jobs], check=False)
        time.sleep(0.5)


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


if __name__ == "__main__":
    with cluster(Path(sys.argv[1]).absolute()) as running:
        print(f"export SLURM_CONF={running.environment['SLURM_CONF']}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
