"""One cell from data to commit. The only place that knows the order of the steps.

data -> build the model -> train (or fit) -> translate the test split -> score -> commit the record.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from benchmark.cell import checkpoints
from benchmark.cell.augmentation import Augmentation
from benchmark.cell.batches import Slices
from benchmark.cell.build import build_model, model_context
from benchmark.cell.device import choose_device
from benchmark.cell.draw import draw_split
from benchmark.cell.health import loss_findings, output_findings
from benchmark.cell.job import CellJob, Progress
from benchmark.cell.stages import score_stages
from benchmark.cell.train import Loop, Trained, read_log
from benchmark.cell.translate import translate_split
from benchmark.contracts.presets import Recipe
from benchmark.data.format.facts import DataFacts
from benchmark.data.format.reader import Dataset
from benchmark.errors import BenchmarkError, UsageError
from benchmark.plan.claim import CellSpec
from benchmark.plan.file_tasks import task_of
from benchmark.registry.plugins import Registry
from benchmark.scoring.downstream import Measured, measure, measure_key
from benchmark.scoring.score import make_judge, score, score_key, write_rows
from benchmark.store.folder import bare_record


def run_cell(
    job: CellJob,
    registry: Registry,
    report: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> dict[str, Any]:
    """Run a cell to the end and commit it; returns the record.

    Raises:
        Unavailable: something optional that the model needs is missing.
        Interrupted: asked to stop; the checkpoint is written.
        BenchmarkError: anything else that went wrong and that a user can understand.
    """
    with Dataset(job.spec.dataset.path) as dataset:
        if job.score_only:
            record = dict(job.folder.read() or {})
            return _score_and_commit(job, registry, dataset, record)
        return _train_and_translate(job, registry, dataset, report, should_stop)


def _train_and_translate(
    job: CellJob,
    registry: Registry,
    dataset: Dataset,
    report: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> dict[str, Any]:
    spec = job.spec
    model_spec = registry.model(spec.model).spec
    device = choose_device(job.device)
    slices = None if model_spec.kind == "fixed" else Slices(dataset, "train")
    facts = DataFacts.of(dataset)
    context = model_context(facts, spec, device, len(slices) if slices is not None else 0)
    augmentation = _augmentation(spec, registry, dataset, facts.view)
    if slices is not None and model_spec.kind == "trained":
        _check_batch(context.recipe.batch_size, slices)
    model = build_model(model_spec, spec, context)
    if slices is not None and model_spec.kind == "trained":
        translates = model_spec.output == "translation"
        validation = Slices(dataset, "val") if dataset.info.splits["val"] and translates else None
        trained = Loop(
            model=model,
            cell=spec.id,
            steps=context.steps,
            batch_size=context.recipe.batch_size,
            seed=spec.seed,
            unpaired=model_spec.pairing == "unpaired",
            device=device,
            precision=spec.precision,
            checkpoint=job.folder.file("checkpoint.pt"),
            log=job.folder.file("log.jsonl"),
            report=report,
            should_stop=should_stop,
            augmentation=augmentation,
            graphs=job.graphs,
        ).run(slices, validation)
    elif slices is not None:
        trained = _fit(model, job, slices)
    else:
        trained = Trained(0, 0.0, 0, 0.0, float("nan"))
    del slices
    place = job.folder.file("predictions.h5")
    if model_spec.output == "samples":
        translated = draw_split(model, dataset, place, cell=spec.id, seed=spec.seed)
    else:
        translated = translate_split(model, dataset, place, cell=spec.id, device=device)
    networks = model.networks() if hasattr(model, "networks") else {}
    record = bare_record(spec, baseline=job.baseline, state="done")
    record |= {
        "device": device.type if device.type == "cpu" else torch.cuda.get_device_name(device),
        "precision": spec.precision,
        "dataset": {
            **facts.to_json(),
            "content_sha256": dataset.info.content_sha256,
            "training_slices": context.task.training_slices,
        },
        "parameters": {
            name: sum(weight.numel() for weight in network.parameters()) for name, network in networks.items()
        },
        "provenance": dict(model.provenance()) if hasattr(model, "provenance") else {},
        "training": {
            "steps": trained.steps,
            "resumed_at": trained.resumed_at,
            "images_per_s": round(trained.images_per_second, 2),
            "validation_mae": None if trained.validation_mae != trained.validation_mae else trained.validation_mae,
        },
        "timings": {
            "train_s": round(trained.seconds, 3),
            "translate_s": round(translated.seconds, 3),
            "inference_ms_per_slice": round(translated.ms_per_slice, 3),
        },
    }
    if hasattr(model, "stage_scores"):
        record["stages"] = score_stages(model, dataset, device)
    if model_spec.kind == "trained":
        record["training"]["step"] = trained.how
        record["training"]["augmentation"] = augmentation.to_json(facts.image_size)
        findings = loss_findings(read_log(job.folder.file("log.jsonl")))
        drawn = model_spec.output == "samples"  # images that are to match no target
        findings += output_findings(job.folder.file("predictions.h5"), None if drawn else dataset)
        record["health"] = [finding.to_json() for finding in findings]
    return _score_and_commit(job, registry, dataset, record)


def _augmentation(spec: CellSpec, registry: Registry, dataset: Dataset, view: str) -> Augmentation:
    """What the recipe's augmentation comes to: a file says itself whether it may be mirrored, embedded data by task."""
    own = spec.dataset.kind == "file"
    safe = dataset.info.mirror_safe if own else registry.task(spec.task).spec.mirror_safe
    return Augmentation.of(Recipe(**spec.recipe), mirror_safe=safe, view=view)


def _check_batch(batch_size: int, slices: Slices) -> None:
    fewest = min(len(slices.source), len(slices.target))
    if batch_size > fewest:
        raise UsageError(
            f"batches of {batch_size}, but only {fewest} training slices with a region; "
            "give --recipe batch_size=..., or more data"
        )


def _fit(model: Any, job: CellJob, slices: Slices) -> Trained:
    """Let the model train itself, and keep its state."""
    began = time.perf_counter()
    model.fit(slices)
    seconds = time.perf_counter() - began
    state = checkpoints.Checkpoint(job.spec.id, 1, seconds, True, model.state_dict(), checkpoints.random_state())
    checkpoints.save(job.folder.file("checkpoint.pt"), state)
    return Trained(1, seconds, 0, len(slices) / max(seconds, 1e-9), float("nan"))


def _score_and_commit(job: CellJob, registry: Registry, dataset: Dataset, record: dict[str, Any]) -> dict[str, Any]:
    """Score the stored predictions, then write the record, which is what makes the cell done."""
    began = time.perf_counter()
    judge = make_judge(registry, job.spec.profile, dataset)
    scores = score(judge, dataset, job.folder.file("predictions.h5"), _about(job.spec))
    measured = _measure(job, registry, dataset)
    write_rows(job.folder.file("scores.parquet"), scores.rows + measured.rows)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    record |= {
        "profile": judge.profile.id,
        "profile_definition": judge.definition,
        "score_key": score_key(registry, job.spec.profile),
        "scores": scores.summary,
        "measure_key": measure_key(registry, task_of(registry, job.spec.task, dataset.path)),
        "measures": measured.summary,
        "peak_memory_mb": round(usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024), 1),
    }
    record["timings"] |= {
        "score_s": round(time.perf_counter() - began, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
    }
    primary = scores.summary[judge.profile.primary]
    if primary["state"] == "scored" and primary["mean"] is None and not primary.get("infinite"):
        raise BenchmarkError(f"{judge.profile.primary} is undefined on every test patient; see scores.parquet")
    record["files"] = job.folder.hashes()
    job.folder.write(record)
    return record


def _measure(job: CellJob, registry: Registry, dataset: Dataset) -> Measured:
    """Downstream measures of the stored predictions; images drawn from noise are no translations of anything."""
    if registry.model(job.spec.model).spec.output == "samples":
        return Measured({}, [])
    return measure(registry, dataset, job.folder.file("predictions.h5"), _about(job.spec))


def _about(spec: CellSpec) -> Mapping[str, Any]:
    return {"task": spec.task, "name": spec.name, "seed": spec.seed}
