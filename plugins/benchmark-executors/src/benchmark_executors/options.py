"""Options of the executors."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class BatchOptions:
    """Options of ``batch``."""

    submit: str = field(
        default="sbatch --parsable --job-name={name} --output={output} {script}",
        metadata={"help": "command that takes a job script and prints the job's id; {script}, {name}, {output}"},
    )
    cancel: str = field(default="scancel {id}", metadata={"help": "command that removes a job; {id}; empty for none"})
    query: str = field(
        default="squeue --noheader --jobs={id}",
        metadata={"help": "command that prints something as long as a job waits or runs; {id}; empty for none"},
    )
    template: str = field(
        default="", metadata={"help": "file that becomes the job script; the line {command} in it is replaced"}
    )
    queue: int = field(default=100, metadata={"help": "at most so many jobs queued or running; --jobs goes first"})
    lost_seconds: float = field(
        default=120.0, metadata={"help": "a job that has started and gives no sign of life for so long has died"}
    )
    poll_seconds: float = field(default=2.0, metadata={"help": "how often files are looked at"})
