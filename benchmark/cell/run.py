"""One cell in its six steps: build, train, translate, score, downstream, commit. The only place that knows their order.

Each step gives its part of the record; the last one writes it, which is what makes the cell done.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from benchmark.cell import checkpoints
from benchmark.cell.batches import Slices
from benchmark.cell.build import build_model, capacity, model_context
from benchmark.cell.cost import StepCost, step_cost
from benchmark.cell.draw import draw_split
from benchmark.cell.health import loss_findings, output_findings
from benchmark.cell.job import CellJob, Progress
from benchmark.cell.plain_states import require_storable
from benchmark.cell.proof import require_faithful
from benchmark.cell.stages import score_stages
from benchmark.cell.start import start_from, starting_weights
from benchmark.cell.streamed import StreamedSlices, training_slices
from benchmark.cell.train import VALIDATED, Loop
from benchmark.cell.translate import Translated, translate_split
from benchmark.cell.trunk import Trunk
from benchmark.cell.workbench import Workbench, lay_out
from benchmark.data.format.reader import Dataset
from benchmark.errors import BenchmarkError, UsageError
from benchmark.registry.plugins import Registry
from benchmark.scoring.downstream import Downstream, downstream_key, evaluate_downstream
from benchmark.scoring.judge import Judge, make_judge, score_key
from benchmark.scoring.rows import write_rows
from benchmark.scoring.score import Scores, score
from benchmark.store.predictions import PredictionsReader
from benchmark.store.record import Finding, Record, Timings, TrainingFacts
from benchmark.store.summaries import StageSummary

COUNTED_FROM = 100
"""Steps from which on what one costs is counted: that takes as long as two or three, with a model of its own."""


def run_cell(
    job: CellJob,
    registry: Registry,
    report: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> Record:
    """Run a cell to the end and commit it; returns the record.

    Raises:
        Unavailable: something optional that the model needs is missing.
        Interrupted: asked to stop; the checkpoint is written.
        BenchmarkError: anything else that went wrong and that a user can understand.
    """
    with Dataset(job.data or job.spec.dataset.path) as dataset:
        bench = lay_out(job, registry, dataset)
        if job.score_only:
            record = job.folder.record()
        else:
            model, trained, bench = _learn(bench, report, should_stop)
            record = _translate(bench, model, trained)
            require_faithful(bench, model)
        with PredictionsReader(job.folder.predictions) as predictions:
            scored = _score(bench, predictions)
            downstream = _evaluate_downstream(bench, predictions)
        return _commit(bench, record, scored, downstream)


def _learn(
    bench: Workbench, report: Callable[[Progress], None], should_stop: Callable[[], bool]
) -> tuple[Any, _Trained, Workbench]:
    """The trained model, what training says of itself, and the bench with the number of slices known.

    Training slices are let go with that.
    """
    if bench.model.kind == "fixed":
        return _build(bench), _Trained(TrainingFacts(), 0.0), bench
    with training_slices(bench.dataset, should_stop, context=bench.recipe.context) as slices:
        bench = bench.about_to_train_on(len(slices))
        cost = _cost(bench, len(slices))
        model = _build(bench)
        trained = _train(bench, model, slices, cost, report, should_stop)
        return model, replace(trained, facts=replace(trained.facts, slices=slices.how)), bench


def _build(bench: Workbench) -> Any:
    """The model as it starts."""
    start, context = bench.spec.start, model_context(bench.facts, bench.spec, bench.device)
    if start is None:
        return build_model(bench.model, bench.spec, context)
    weights = starting_weights(bench.model, start, bench.device)
    model = build_model(bench.model, bench.spec, context)
    start_from(model, weights, start.path)
    return model


def _cost(bench: Workbench, slices: int) -> StepCost:
    """What a step costs, where budgets are compared or counting costs little beside the training."""
    worth_it = bench.spec.budget is not None or bench.recipe.budget(slices) >= COUNTED_FROM
    if bench.model.kind != "trained" or not worth_it:
        return StepCost()
    return step_cost(bench.model, bench.spec.options, model_context(bench.facts, bench.spec, bench.device))


@dataclass(frozen=True)
class _Trained:
    """What training says of itself."""

    facts: TrainingFacts
    seconds: float


def _train(
    bench: Workbench,
    model: Any,
    slices: Slices | StreamedSlices,
    cost: StepCost,
    report: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> _Trained:
    """Let the harness train the model, or the model itself."""
    if bench.model.kind == "fitted":
        return _fit(bench, model, slices)
    _check_batch(bench.recipe.batch_size, slices)
    translates = bench.model.output == "translation"
    validate = bench.dataset.info.splits["val"] and translates
    context = bench.recipe.context
    validation = Slices(bench.dataset, "val", VALIDATED, context=context) if validate else None
    steps = bench.recipe.budget(len(slices))
    trained = Loop(
        model=model,
        cell=bench.spec.id,
        steps=steps,
        batch_size=bench.recipe.batch_size,
        seed=bench.spec.seed,
        unpaired=bench.model.pairing == "unpaired",
        device=bench.device,
        precision=bench.spec.precision,
        checkpoint=bench.folder.file("checkpoint.pt"),
        log=bench.folder.log,
        report=report,
        should_stop=should_stop,
        augmentation=bench.augmentation,
        graphs=bench.job.graphs,
        trunk=Trunk.of(bench.spec, bench.folder, model, steps),
    ).run(slices, validation)
    facts = TrainingFacts(
        steps=trained.steps,
        updates=trained.updates,
        resumed_at=trained.resumed_at,
        images_per_s=round(trained.images_per_second, 2),
        validation_mae=trained.validation_mae,
        step=trained.how,
        augmentation=bench.augmentation.to_json(bench.facts.image_size),
        branched_at=trained.branched_at,
        flops_per_step=cost.flops,
        updates_per_step=cost.updates,
    )
    return _Trained(facts, trained.seconds)


def _check_batch(batch_size: int, slices: Slices | StreamedSlices) -> None:
    fewest = min(slices.counts)
    if batch_size > fewest:
        raise UsageError(
            f"batches of {batch_size}, but only {fewest} training slices with a region; "
            "give --recipe batch_size=..., or more data"
        )


def _fit(bench: Workbench, model: Any, slices: Slices | StreamedSlices) -> _Trained:
    """Let the model train itself, and keep its state."""
    began = time.perf_counter()
    model.fit(slices)
    seconds = time.perf_counter() - began
    require_storable(fitted := model.state_dict())
    state = checkpoints.Checkpoint(bench.spec.id, 1, seconds, True, fitted, checkpoints.random_state())
    checkpoints.save(bench.folder.file("checkpoint.pt"), state)
    return _Trained(TrainingFacts(steps=1, images_per_s=round(len(slices) / max(seconds, 1e-9), 2)), seconds)


def _translate(bench: Workbench, model: Any, trained: _Trained) -> Record:
    """Translate the test split, or draw as many images, and note all that is known of the model and its training."""
    spec, device = bench.spec, bench.device
    if bench.model.output == "samples":
        translated = draw_split(model, bench.dataset, bench.folder.predictions, cell=spec.id, seed=spec.seed)
    else:
        context = bench.recipe.context
        translated = translate_split(
            model,
            bench.dataset,
            bench.folder.predictions,
            cell=spec.id,
            device=device,
            split=spec.split,
            context=context,
        )
    return Record(
        spec=spec,
        kind=bench.model.kind,
        baseline=bench.job.baseline,
        state="done",
        device=device.type if device.type == "cpu" else torch.cuda.get_device_name(device),
        dataset=bench.facts,
        parameters=capacity(model),
        provenance=dict(model.provenance()) if hasattr(model, "provenance") else {},
        training=trained.facts,
        timings=_timings(trained, translated),
        stages=_stages(bench, model),
        health=_findings(bench),
    )


def _timings(trained: _Trained, translated: Translated) -> Timings:
    return Timings(
        train_s=round(trained.seconds, 3),
        translate_s=round(translated.seconds, 3),
        inference_ms_per_slice=round(translated.ms_per_slice, 3),
    )


def _stages(bench: Workbench, model: Any) -> Mapping[str, StageSummary]:
    if not hasattr(model, "stage_scores"):
        return {}
    return score_stages(model, bench.dataset, bench.device, bench.spec.split, context=bench.recipe.context)


def _findings(bench: Workbench) -> tuple[Finding, ...]:
    """What looks wrong in a training, for people."""
    if bench.model.kind != "trained":
        return ()
    translates = bench.model.output == "translation"  # what is drawn is to match no target
    with PredictionsReader(bench.folder.predictions) as predictions:
        return (
            *loss_findings(bench.folder.log.lines()),
            *output_findings(predictions, bench.dataset if translates else None),
        )


@dataclass(frozen=True)
class _Scored:
    """Scores under a profile, and how long they took."""

    judge: Judge
    scores: Scores
    seconds: float


def _score(bench: Workbench, predictions: PredictionsReader) -> _Scored:
    """Score the stored predictions under the cell's profile."""
    began = time.perf_counter()
    judge = make_judge(bench.registry, bench.spec.profile, bench.dataset.info)
    scores = score(judge, bench.dataset, predictions, bench.spec.address)
    primary = scores.summary[judge.profile.primary]
    if primary.scored and primary.mean is None and not primary.infinite:
        raise BenchmarkError(f"{judge.profile.primary} is undefined on every test patient; see scores.parquet")
    return _Scored(judge, scores, time.perf_counter() - began)


def _evaluate_downstream(bench: Workbench, predictions: PredictionsReader) -> Downstream:
    """Downstream evaluations of the stored predictions; images drawn from noise are no translations of anything."""
    if bench.model.output == "samples":
        return Downstream({}, [])
    return evaluate_downstream(bench.downstream, bench.dataset, predictions, bench.spec.address)


def _commit(bench: Workbench, record: Record, scored: _Scored, downstream: Downstream) -> Record:
    """Write rows and record. Scoring again changes nothing in it but scores."""
    write_rows(bench.folder.file("scores.parquet"), scored.scores.rows + downstream.rows)
    timings = asdict(record.timings) | {"score_s": round(scored.seconds, 3)}
    memory, gpu_memory = record.peak_memory_mb, record.peak_gpu_memory_mb
    if not bench.job.score_only:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        timings["cpu_s"] = round(usage.ru_utime + usage.ru_stime, 3)
        memory = round(usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024), 1)
        if bench.device.type == "cuda":
            gpu_memory = round(torch.cuda.max_memory_reserved(bench.device) / 1024**2, 1)
    record = replace(
        record,
        spec=bench.spec,
        profile_definition=scored.judge.definition,
        score_key=score_key(bench.registry, bench.spec.profile),
        scores=scored.scores.summary,
        downstream_key=downstream_key(bench.registry, bench.task),
        downstream=downstream.summary,
        peak_memory_mb=memory,
        peak_gpu_memory_mb=gpu_memory,
        timings=Timings(**timings),
        attempt=bench.job.attempt,
        token=bench.job.token,
        files=bench.folder.hashes(),
        stamps=bench.folder.stamps(),
    )
    bench.folder.write(record)
    return record
