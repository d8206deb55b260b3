"""Options of the executors."""

from __future__ import annotations

from dataclasses import dataclass, field

PACK = "cells a job does one after the other, so that short ones import everything once"
PATIENCE = "how long submitting may fail while no job is there to wait for"
LOST = "a job that has started and gives no sign of life for so long has died"
QUERY = "how often the batch system is asked where all jobs stand"
POLL = "how often files are looked at"


@dataclass(frozen=True)
class BatchOptions:
    """Options of ``batch``."""

    submit: str = field(
        default="sbatch --parsable --no-requeue --job-name={name} --output={output} {script}",
        metadata={"help": "command that takes a job script and prints the job's id; {script}, {name}, {output}"},
    )
    cancel: str = field(default="scancel {id}", metadata={"help": "command that removes a job; {id}; empty for none"})
    query: str = field(
        default="squeue --noheader --me --format=%A",
        metadata={"help": "command that prints the ids of all your jobs that wait or run; empty for none"},
    )
    final: str = field(
        default="invalid|unknown|unrecognized|no such|not found|denied|permission",
        metadata={"help": "what a submit command says (regular expression) that it is no use to try again"},
    )
    template: str = field(
        default="", metadata={"help": "file that becomes the job script; the line {command} in it is replaced"}
    )
    queue: int = field(default=100, metadata={"help": "at most so many jobs queued or running; --jobs goes first"})
    pack: int = field(default=1, metadata={"help": PACK})
    patience_seconds: float = field(default=3600.0, metadata={"help": PATIENCE})
    lost_seconds: float = field(default=120.0, metadata={"help": LOST})
    query_seconds: float = field(default=30.0, metadata={"help": QUERY})
    poll_seconds: float = field(default=2.0, metadata={"help": POLL})


@dataclass(frozen=True)
class SlurmOptions:
    """Options of ``slurm``."""

    partition: str = field(default="", metadata={"help": "partition"})
    account: str = field(default="", metadata={"help": "account"})
    qos: str = field(default="", metadata={"help": "quality of service"})
    time: int | None = field(default=None, metadata={"help": "minutes a job may take; a cell may take many jobs"})
    gres: str = field(default="", metadata={"help": "generic resources, e.g. gpu:1"})
    cpus: int = field(default=1, metadata={"help": "cores of a job"})
    mem: str = field(default="", metadata={"help": "memory of a job, e.g. 16G"})
    sbatch: tuple[str, ...] = field(
        default=(), metadata={"help": "other options of sbatch, e.g. constraint=a100,exclude=n7"}
    )
    only: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "the same for one model or task: NAME:OPTION=VALUE,..., e.g. medgan:time=600,mr-ct:gres=gpu:1"
        },
    )
    setup: tuple[str, ...] = field(default=(), metadata={"help": "shell commands before Python starts"})
    stage: str = field(
        default="", metadata={"help": "folder on each node's own disk to which data are copied first, e.g. $TMPDIR"}
    )
    measured: bool = field(
        default=False,
        metadata={"help": "ask for the time and memory that finished cells of the run took, twice, where none is said"},
    )
    detach: bool = field(default=False, metadata={"help": "submit everything and leave; the same command comes back"})
    warning_seconds: int = field(
        default=120, metadata={"help": "how long before its time is up a job writes its checkpoint and queues again"}
    )
    at_once: int = field(default=100, metadata={"help": "jobs of an array that run at once; --jobs goes first"})
    queue: int = field(default=1000, metadata={"help": "at most so many jobs queued or running"})
    pack: int = field(default=0, metadata={"help": f"{PACK}; 0: as many as leave four jobs for each that runs at once"})
    patience_seconds: float = field(default=3600.0, metadata={"help": PATIENCE})
    lost_seconds: float = field(default=120.0, metadata={"help": LOST})
    query_seconds: float = field(default=30.0, metadata={"help": QUERY})
    poll_seconds: float = field(default=2.0, metadata={"help": POLL})


@dataclass(frozen=True)
class DaskOptions:
    """Options of ``dask``."""

    address: str = field(
        default="",
        metadata={"help": "address of a scheduler, or file:PATH of its scheduler file; empty: workers on this machine"},
    )
    resources: tuple[str, ...] = field(
        default=(), metadata={"help": "what a cell takes of a worker's resources, e.g. GPU=1"}
    )
    only: tuple[str, ...] = field(
        default=(), metadata={"help": "the same for one model or task: NAME:RESOURCE=AMOUNT,..."}
    )
    pack: int = field(default=1, metadata={"help": PACK})
    lost_seconds: float = field(default=60.0, metadata={"help": LOST})
    poll_seconds: float = field(default=1.0, metadata={"help": POLL})
