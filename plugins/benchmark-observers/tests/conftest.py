"""What tests of the bridges share: a cell, its log and its record, and a reader of Weights & Biases' run files."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmark.runs.observers import ObservedCell, ObservedRun


@dataclass
class Story:
    """A run of one cell, told to an observer by hand."""

    run: ObservedRun
    cell: ObservedCell
    record: dict[str, Any]

    def log(self, observer: Any, *steps: int) -> None:
        """Tell lines of the log; the loss is the step itself."""
        for step in steps:
            observer.cell_logged(self.cell, {"step": step, "losses": {"pixel": float(step)}, "images_per_s": 8.0})


@pytest.fixture
def story(tmp_path: Path) -> Story:
    cell = ObservedCell(
        id="0123456789abcdef",
        title="mr-ct/net/s0",
        task="mr-ct",
        model="net",
        seed=0,
        preset="smoke",
        options={"blocks": 3, "kernels": [3, 5]},
        recipe={"learning_rate": 0.001, "flip": False},
        profile="default",
        baseline=False,
    )
    record = {
        "state": "done",
        "scores": {"psnr": {"mean": 20.5}, "lpips": {"mean": None}},
        "timings": {"train_s": 1.5},
        "parameters": {"generator": 12},
        "training": {"steps": 4},
        "dataset": {"name": "phantom", "simulated": True},
        "profile": "default/1",
    }
    return Story(ObservedRun("trial", tmp_path / "results" / "trial", "full", "smoke", (cell,)), cell, record)


@dataclass
class RunFile:
    """What a ``.wandb`` file says."""

    name: str = ""
    group: str = ""
    project: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    exit_code: int | None = None


@pytest.fixture
def wandb_runs() -> Callable[[Path], list[RunFile]]:
    """Reads all run files below a folder once they have their last record."""

    def read(folder: Path) -> list[RunFile]:
        until = time.monotonic() + 30  # the library's own process may still be writing when a run is finished
        while True:
            found = [_read(path) for path in folder.glob("**/*.wandb")]
            if all(run.exit_code is not None for run in found):
                return found
            assert time.monotonic() < until, found
            time.sleep(0.05)

    return read


def _read(path: Path) -> RunFile:
    """The records as the library's own messages; the frame around them is LevelDB's log format after 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, at, held, found = path.read_bytes(), 7, b"", RunFile()
    assert data[:4] in (b"", b":W&B")
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        held += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind not in (1, 4):  # whole, or the last part
            continue
        record = wandb_internal_pb2.Record.FromString(held)
        held = b""
        found.kinds.add(record.WhichOneof("record_type"))
        if record.HasField("run"):
            found.name, found.group = record.run.display_name, record.run.run_group
            found.project = record.run.project
            found.config |= _items(record.run.config.update)
        elif record.HasField("history"):
            found.history.append(_items(record.history.item))
        elif record.HasField("summary"):
            found.summary |= _items(record.summary.update)
        elif record.HasField("files"):
            found.files += [file.path for file in record.files.files]
        elif record.HasField("exit"):
            found.exit_code = record.exit.exit_code
    return found


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
