"""TensorBoard: one folder of event files for each cell, written without torch and TensorFlow."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark import Unavailable
from benchmark.runs.observers import ObservedCell, ObservedRun
from benchmark_observers import plain_values
from benchmark_observers.options import TensorBoardOptions

try:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.plugins.text.metadata import create_summary_metadata
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util.tensor_util import make_tensor_proto
except ImportError as error:
    raise Unavailable(f"observer tensorboard: {error}; pip install 'benchmark-observers[tensorboard]'") from None


class TensorBoardObserver:
    """Curves and scores as scalars, settings as hyperparameters, how a cell ended as text."""

    def __init__(self, options: TensorBoardOptions) -> None:
        self._options = options
        self._folder = Path()
        self._writers: dict[str, EventFileWriter] = {}

    def run_started(self, run: ObservedRun) -> None:
        """Find the folder."""
        given = self._options.folder
        self._folder = Path(given) / run.name if given else run.place("tensorboard")

    def cell_started(self, cell: ObservedCell) -> None:
        """Begin a cell's events anew: all of its log will be told, also what was logged before an interruption."""
        if (before := self._writers.pop(cell.id, None)) is not None:
            before.close()
        folder = self._folder.joinpath(*(_as_name(part) for part in cell.title.split("/")))
        for file in folder.glob("events.out.tfevents.*"):
            file.unlink()
        self._writers[cell.id] = EventFileWriter(str(folder), flush_secs=10)
        self._write(cell, 0, hparams_pb(plain_values.settings(cell), trial_id=cell.title))

    def cell_logged(self, cell: ObservedCell, line: Mapping[str, Any]) -> None:
        """A point of each curve."""
        self._scalars(cell, line["step"], plain_values.curves(line))

    def cell_finished(self, cell: ObservedCell, record: Mapping[str, Any]) -> None:
        """Scores and how it ended."""
        if cell.id not in self._writers:
            self.cell_started(cell)
        step = plain_values.last_step(record)
        self._scalars(cell, step, plain_values.results(record))
        for name, text in plain_values.facts(record).items():
            value = Summary.Value(
                tag=f"about/{name}",
                metadata=create_summary_metadata(display_name="", description=""),
                tensor=make_tensor_proto([text.encode()], shape=(1,)),
            )
            self._write(cell, step, Summary(value=[value]))
        self._writers.pop(cell.id).close()

    def run_finished(self) -> None:
        """Close what was interrupted."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _scalars(self, cell: ObservedCell, step: int, values: Mapping[str, float]) -> None:
        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        if points:
            self._write(cell, step, Summary(value=points))

    def _write(self, cell: ObservedCell, step: int, summary: Summary) -> None:
        self._writers[cell.id].add_event(Event(wall_time=time.time(), step=step, summary=summary))


def _as_name(part: str) -> str:
    """A part of a cell's title as a folder's name."""
    return re.sub(r"[^\w.+-]|^\.+", "_", part)
