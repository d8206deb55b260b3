"""Score stored predictions again, and compare with everything that a table reads of a record.

What it proves: the scores are those of the stored predictions, on pixels that hash to what the record says, under a
profile that means what it meant; and name, seed, kind and data are those of the plan. What it cannot prove: that the
predictions came from the model (train it again for that), or how long that took. The number of weights is that of the
model as its plugin builds it today, where its source is the one that the cell was trained with.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmark.data.format.cases import DatasetInfo
from benchmark.data.format.facts import DataFacts
from benchmark.data.format.pixels import altered_pixels
from benchmark.data.format.reader import Dataset
from benchmark.errors import BenchmarkError, Unavailable
from benchmark.executors.local import without_main
from benchmark.plan.file_tasks import task_of
from benchmark.registry.plugins import Registry, source_sha256
from benchmark.registry.plugins import registry as installed
from benchmark.scoring.downstream import evaluate_downstream, evaluations_for
from benchmark.scoring.judge import make_judge
from benchmark.scoring.score import score
from benchmark.store.data_file import HERE, data_file
from benchmark.store.folder import RunFolder
from benchmark.store.predictions import PredictionsReader
from benchmark.store.record import Record

PARALLEL_FROM = 40
"""So many cells are worth the processes that share them."""
AHEAD = 4
"""Cells a process that wait for it: a run's records need not fit into memory together."""


def examine_all(
    run: RunFolder, registry: Registry, records: Iterable[Record], processes: int
) -> Iterator[tuple[Record, str]]:
    """What is wrong with each of these records, in their order; the work is shared by so many processes."""
    if processes == 1:
        with Verifier(run, registry) as verifier:
            yield from ((record, verifier.examine(record)) for record in records)
        return
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    with ProcessPoolExecutor(processes, context, _begin, (run.path,)) as pool:
        waiting: deque[tuple[Record, Future[str]]] = deque()
        try:
            for record in records:
                with without_main():  # a process may be started here
                    waiting.append((record, pool.submit(_examine, record)))
                if len(waiting) >= AHEAD * processes:
                    record, problem = waiting.popleft()
                    yield record, problem.result()
            while waiting:
                record, problem = waiting.popleft()
                yield record, problem.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_mine: list[Verifier] = []
"""The verifier of a process that shares the work."""


def _begin(run: Path) -> None:
    """One thread each: there is a process for every core."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    _mine[:] = [Verifier(RunFolder(run, salvage=True), installed())]


def _examine(record: Record) -> str:
    return _mine[0].examine(record)


class Verifier:
    """Examines the cells of one run. A data set is opened, and its pixels are hashed, once for all of its cells."""

    def __init__(self, run: RunFolder, registry: Registry) -> None:
        self._run = run
        self._registry = registry
        self._planned = {cell.spec.id: cell for cell in run.about().cells}
        self._open: dict[Path, Dataset] = {}
        self._data_faults: dict[Path, str] = {}
        self._capacities: dict[tuple[str, ...], dict[str, int] | None] = {}

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *_: object) -> None:
        for dataset in self._open.values():
            dataset.close()

    def examine(self, record: Record) -> str:
        """What is wrong with a cell; empty when everything that a table reads of it comes out again."""
        try:
            return self._examined(record)
        except BenchmarkError as error:
            return str(error)

    def _examined(self, record: Record) -> str:
        if not record.done:
            return f"{record.state}: {record.reason}" if record.reason else record.state
        path = data_file(record.spec.dataset)
        if not path.is_file():
            return f"its data set {path} is not here, nor {HERE / path.name}"
        if fault := self._identity(record) or self._run.cell(record.id).damage(record, thorough=True):
            return fault
        if path not in self._open:
            self._open[path] = Dataset(path)
        dataset = self._open[path]
        if fault := self._data_fault(dataset.info) or self._facts(record, dataset):
            return fault
        return self._capacity(record) or self._numbers(record, dataset)

    def _identity(self, record: Record) -> str:
        """Whether the record says of the cell what the plan and the plugins say."""
        planned = self._planned.get(record.id)
        said = {"kind": record.kind, "baseline": record.baseline}
        if record.evaluated and planned is None:
            return _difference("", said, {"kind": "evaluated", "baseline": False})
        if planned is not None and (
            fault := _difference("", said, {"kind": planned.kind, "baseline": planned.baseline})
        ):
            return f"{fault} in the plan"
        offer = self._registry.all("model").get(record.spec.model)
        if offer is not None and (fault := _difference("", said, {name: getattr(offer.spec, name) for name in said})):
            return f"{fault} in its plugin"
        return ""

    def _data_fault(self, info: DatasetInfo) -> str:
        """Whether the pixels of all splits, sources included, still hash to what the file states."""
        if info.path not in self._data_faults:
            self._data_faults[info.path] = altered_pixels(info)
        return self._data_faults[info.path]

    def _facts(self, record: Record, dataset: Dataset) -> str:
        """Whether the record says of the data what the data say."""
        if record.dataset is None:
            return "its record says nothing of its data"
        now = DataFacts.of(dataset).to_json() | {"training_slices": record.dataset.training_slices}
        return _difference("dataset", record.dataset.to_json(), now)

    def _capacity(self, record: Record) -> str:
        """Whether the model has as many weights as the record says."""
        offer = self._registry.all("model").get(record.spec.model)
        if not record.parameters or record.dataset is None or offer is None:
            return ""
        spec = record.spec
        if source_sha256(offer.plugin.module) != spec.sources["model"]:
            return ""
        asked = (spec.model, spec.preset, *(repr(sorted(part.items())) for part in (spec.options, spec.recipe)))
        key = (*asked, repr(record.dataset))
        if key not in self._capacities:
            import torch

            from benchmark.cell.build import build_model, capacity, model_context

            context = model_context(record.dataset, spec, torch.device("cpu"), training=False)
            try:
                self._capacities[key] = capacity(build_model(offer.spec, spec, context))
            except Unavailable:
                self._capacities[key] = None
        built = self._capacities[key]
        return "" if built is None else _difference("parameters", dict(record.parameters), built)

    def _numbers(self, record: Record, dataset: Dataset) -> str:
        """Whether scores and downstream values come out again to the last digit."""
        judge = make_judge(self._registry, record.spec.profile, dataset.info)
        if judge.definition != record.profile_definition:
            return f"was scored under another definition of {judge.profile.id}; run with --rescore"
        with PredictionsReader(self._run.cell(record.id).predictions) as predictions:
            scores = {
                name: item.to_json()
                for name, item in score(judge, dataset, predictions, record.spec.address).summary.items()
            }
            offers = evaluations_for(self._registry, task_of(self._registry, record.task, dataset.info))
            asked = {name: offer for name, offer in offers.items() if name in record.downstream}
            downstream = evaluate_downstream(asked, dataset, predictions, record.spec.address).summary
        for name, metric in record.scores.items():
            if metric.scored and scores.get(name, {}).get("state") == "skipped":
                return f"{name} is recorded and cannot be scored here: {scores[name]['reason']}"
        recorded = {name: metric.to_json() for name, metric in record.scores.items() if metric.scored}
        again = {name: item for name, item in scores.items() if name in recorded or name not in record.scores}
        if fault := _difference("", recorded, again):
            return fault
        for name in record.downstream.keys() - downstream.keys():
            return f"downstream evaluation {name} is recorded and no installed plugin offers it"
        return _difference(
            "downstream",
            {name: item.to_json() for name, item in record.downstream.items()},
            {name: item.to_json() for name, item in downstream.items()},
        )


def _difference(where: str, recorded: Any, again: Any) -> str:
    """The first place in which two JSON values differ, in words; empty if they do not."""
    if isinstance(recorded, Mapping) and isinstance(again, Mapping):
        for key in [*recorded, *(key for key in again if key not in recorded)]:
            name = f"{where}.{key}" if where else str(key)
            if key not in again:
                return f"{name} is recorded and does not come out"
            if key not in recorded:
                return f"{name} comes out and is not recorded"
            if fault := _difference(name, recorded[key], again[key]):
                return fault
        return ""
    return "" if recorded == again else f"{where} is recorded as {recorded!r:.80} and comes out as {again!r:.80}"
