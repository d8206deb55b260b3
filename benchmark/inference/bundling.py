"""Make a bundle of a finished cell: weights, what rebuilds the model, what it is for, and what it scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmark import atomic
from benchmark.cell.build import build_model, model_context
from benchmark.cell.checkpoints import seed_everything
from benchmark.contracts.protocols import Translator
from benchmark.data.format.reader import Dataset
from benchmark.errors import BenchmarkError, DatasetError, Unavailable, UsageError
from benchmark.inference.bundle import (
    FILES,
    NAME,
    ONNX,
    SCHEMA,
    STATE_DICT,
    WEIGHTS,
    Form,
    Manifest,
    fill,
    taken_apart,
)
from benchmark.inference.model_card import bundle_scores, eval_results, model_card
from benchmark.inference.monai_bundle import inference_config, metadata
from benchmark.inference.network import TranslationNetwork, generators
from benchmark.inference.onnx_export import export
from benchmark.inference.trained_cell import TrainedCell
from benchmark.leaderboard import build as build_leaderboard
from benchmark.plan.claim import environment
from benchmark.registry.plugins import Registry
from benchmark.store.data_file import data_file
from benchmark.store.seal import write_sealed

COMPARED = 4
"""Random images on which the rebuilt model has to give every bit that the cell's gives."""
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Bundled:
    """A bundle that was written; ``left_out`` says what is not in it, and why."""

    path: Path
    size: int
    form: Form
    onnx_difference: float | None
    """Largest difference of the ONNX file's translations, in the target's unit; ``None`` without the file."""
    unit: str
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Terms:
    """What a bundle's maker adds: the licence of the weights, and the id of the data set on the Hub."""

    licence: str = NOT_STATED
    hub_dataset: str = ""
    onnx: bool = True


def write_bundle(cell: TrainedCell, registry: Registry, target: Path, terms: Terms) -> Bundled:
    """Write the bundle of a cell into a folder that is not there yet, all of it or nothing.

    Names of patients and paths of this machine stay out of it.

    Raises:
        UsageError: the folder is there already.
        BenchmarkError: the weights alone do not give the cell's translations; the folder cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: is there already; give a folder that is not")
    try:
        with atomic.making(target) as work:
            bundled = _write(cell, registry, work, terms)
    except OSError as error:
        raise BenchmarkError(f"cannot write {target}: {error.strerror or error}") from None
    return replace(bundled, path=target)


def _write(cell: TrainedCell, registry: Registry, work: Path, terms: Terms) -> Bundled:
    from safetensors.torch import save

    offer = registry.model(cell.record.spec.model)
    form, tensors, plain = _weights(cell, registry)
    (work / "models").mkdir()
    (work / WEIGHTS).write_bytes(save(tensors, {"cell": cell.record.id, "use": "not for clinical use"}))
    torch.save(TranslationNetwork(cell.model).state_dict(), work / STATE_DICT)
    left_out = []
    onnx: dict[str, Any] = {}
    if terms.onnx:
        try:
            exported = export(cell, work / ONNX)
            onnx = {
                "difference": exported.difference,
                "difference_in_unit": exported.difference_in_unit,
                "unit": exported.unit,
            }
        except Unavailable as error:
            left_out.append(f"ONNX: {error}")
        except BenchmarkError as error:
            left_out.append(str(error))
    metrics = {name: one.spec for name, one in registry.all("metric").items()}
    (table,) = build_leaderboard([cell.record], metrics).tables
    spec = cell.record.spec
    about: dict[str, Any] = {
        "schema": SCHEMA,
        "use": "research; not for clinical use",
        "cell": spec.id,
        "title": cell.title,
        "kind": cell.record.kind,
        "baseline": cell.record.baseline,
        "requires": offer.plugin.title,
        "spec": replace(spec, dataset=replace(spec.dataset, path="")).to_json(),
        "dataset": cell.data.to_json(),
        "form": form,
        "state": plain,
        "files": {name: atomic.sha256_file(work / name) for name in FILES if (work / name).is_file()},
        "onnx": onnx or {"left_out": left_out[-1] if left_out else "not asked for"},
        "licences": {"weights": terms.licence, "training data": _data_licence(cell)},
        "pretrained": dict(cell.record.provenance),
        "profile": cell.record.profile,
        "scores": bundle_scores(table),
        "made with": environment(),
    }
    Manifest.from_json(json.loads(json.dumps(about)))
    write_sealed(work / NAME, about)
    atomic.write_json(work / "configs/metadata.json", metadata(about, table))
    atomic.write_json(work / "configs/inference.json", inference_config(about))
    atomic.write_text(work / "README.md", model_card(about, table))
    if terms.hub_dataset:
        atomic.write_text(work / ".eval_results" / "medgan-benchmark.yaml", eval_results(table, terms.hub_dataset))
    else:
        left_out.append(".eval_results: needs the benchmark's data set on the Hub (--hub-dataset OWNER/NAME)")
    size = sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
    difference = onnx.get("difference_in_unit")
    return Bundled(work, size, form, difference, cell.data.target.unit, tuple(left_out))


def _weights(cell: TrainedCell, registry: Registry) -> tuple[Form, dict[str, torch.Tensor], Any]:
    """The smallest state from which the model translates bit for bit as the cell does.

    Raises:
        BenchmarkError: there is none.
    """
    forms: list[tuple[Form, dict[str, torch.Tensor], Any]] = []
    networks = generators(cell.model)
    if networks:
        weights = {
            f"{name}.{key}": tensor.detach().cpu().contiguous().clone()
            for name, network in networks.items()
            for key, tensor in network.state_dict().items()
        }
        forms.append(("networks", weights, None))
    tensors: dict[str, torch.Tensor] = {}
    plain = taken_apart(cell.model.state_dict(), tensors) if hasattr(cell.model, "state_dict") else None
    forms.append(("state", tensors, plain))
    size = (COMPARED, len(cell.inputs), *cell.data.image_size)
    images = torch.rand(size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    images[-1] = -1
    images = images.to(cell.device)
    expected = _translated(cell.model, images)
    for form, weights, structure in forms:
        spec = cell.record.spec
        context = model_context(cell.data, spec, cell.device, training=False)
        rebuilt = build_model(registry.model(spec.model).spec, spec, context)
        fill(rebuilt, form, structure, weights, cell.device)
        if torch.equal(_translated(rebuilt, images), expected):
            return form, weights, structure
    raise BenchmarkError(f"{cell.title}: the model's state alone does not give its translations again; not bundled")


def _translated(model: Translator, images: torch.Tensor) -> torch.Tensor:
    seed_everything(0)
    with torch.no_grad():
        return model.translate(images)


def _data_licence(cell: TrainedCell) -> str:
    """What the data set's file says, if it is there and still what the model was trained on."""
    try:
        with Dataset(data_file(cell.record.spec.dataset)) as dataset:
            same = dataset.info.content_sha256 == cell.data.content_sha256
            stated: Mapping[str, Any] = dataset.info.provenance if same else {}
    except DatasetError:
        return NOT_STATED
    return str(stated.get("licence") or NOT_STATED)
