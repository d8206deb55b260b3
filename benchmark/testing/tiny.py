"""A data set, profile and cell small enough to train a model on in a second, made without any plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.catalogue.networks import WINDOWS
from benchmark.cell.job import CellJob
from benchmark.cell.run import run_cell
from benchmark.contracts import options as option_values
from benchmark.contracts.intensity import Window
from benchmark.contracts.presets import PRESETS
from benchmark.contracts.protocols import Estimate, Images
from benchmark.contracts.specs import MetricSpec, MetricUse, ModelSpec, ProfileSpec, TaskSpec
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.plan.claim import CellSpec, DataSource
from benchmark.registry.plugins import Offer, Plugin, Registry
from benchmark.store.folder import CellFolder
from benchmark.testing import phantoms

PRESET = PRESETS["smoke"]
HERE = Plugin("kit", "medgan-benchmark", "", "benchmark.testing", "loaded")
SPLITS = {"train": ["p1", "p2", "p3", "p4"], "val": ["p5"], "test": ["p6", "p7"]}
SLICES = 2


class Error:
    """Mean absolute error inside the region."""

    def score(self, images: Images) -> NDArray[np.float64]:
        """One number a slice."""
        errors = np.abs(images.prediction - images.target)
        return np.array([error[mask].mean() for error, mask in zip(errors, images.mask, strict=True)])


class Means:
    """Difference of the mean values of predictions and targets, as sets."""

    def reset(self) -> None:
        """Forget all studies."""
        self.means: list[tuple[float, float]] = []

    def update(self, images: Images) -> None:
        """Take in a study."""
        self.means.append((float(images.prediction.mean()), float(images.target.mean())))

    def compute(self) -> Estimate:
        """The value over all studies."""
        drawn, real = np.mean(self.means, axis=0)
        return Estimate(abs(float(drawn - real)), float("nan"), float("nan"), len(self.means))


METRICS = (
    MetricSpec("error", "benchmark.testing.tiny:Error", label="error", higher_is_better=False, unit="target"),
    MetricSpec("means", "benchmark.testing.tiny:Means", label="means", higher_is_better=False, level="distribution"),
)
PROFILES = {name: ProfileSpec(name, 1, (MetricUse(name),), primary=name) for name in ("error", "means")}


def task_for(model: ModelSpec) -> TaskSpec:
    """A task that the model can work on."""
    unit = model.target_units[0] if model.target_units else "HU"
    return TaskSpec(
        "tiny",
        "benchmark.testing.tiny:write",
        source_modality="A",
        target_modality="B",
        source_unit=unit if model.same_unit else "a.u.",
        target_unit=unit,
        profile="error",
        simulated=True,
    )


def write(path: Path, task: TaskSpec, image_size: tuple[int, int]) -> None:
    """Seven patients of two slices: the target is a phantom, the source the same anatomy in other intensities."""
    low, high = WINDOWS.get(task.target_unit, (0.0, 1000.0))
    same = task.source_unit == task.target_unit
    source_low, source_high = (low, high) if same else (0.0, 1000.0)
    with DatasetWriter(
        path,
        task=task.name,
        name="tiny",
        source=Side(task.source_modality, task.source_unit, Window(source_low, source_high)),
        target=Side(task.target_modality, task.target_unit, Window(low, high)),
        simulated=True,
    ) as writer:
        for number, patient in enumerate(patient for patients in SPLITS.values() for patient in patients):
            study = phantoms.phantom((SLICES, *image_size), (low, high), seed=number)
            fraction = (study.target - low) / (high - low)
            noise = np.random.default_rng([7, number]).normal(0, 0.02, fraction.shape)
            shown = fraction if same else np.where(study.mask, 1 - fraction**2, 0)
            source = source_low + (source_high - source_low) * np.clip(shown + noise, 0, 1)
            writer.add_case(
                patient, "s1", source=source, target=study.target, mask=study.mask, labels=study.labels,
                spacing=(3.0, 2.0, 2.0),
            )  # fmt: skip
        writer.set_splits(SPLITS)


def cell(
    model: ModelSpec,
    dataset: Path,
    *,
    steps: int,
    seed: int = 0,
    options: Mapping[str, Any],
    task: TaskSpec | None = None,
    profile: str = "",
) -> CellSpec:
    """A cell of this model on a data set, as a run of preset ``smoke`` would plan it."""
    task = task or task_for(model)
    with Dataset(dataset) as opened:
        content = opened.info.content_sha256
    values = option_values.resolve(model.name, model.options, model.presets.get(PRESET.name, {}), options)
    recipe = PRESET.recipe.changed(model.recipes.get(PRESET.name, {})).changed({"steps": steps})
    return CellSpec(
        task=task.name,
        model=model.name,
        name=model.name,
        seed=seed,
        preset=PRESET.name,
        precision="fp32",
        options=values,
        recipe=asdict(recipe),
        dataset=DataSource("file", content, str(dataset)),
        profile=profile or ("means" if model.output == "samples" else "error"),
        sources={},
        libraries={},
    )


def job(spec: CellSpec, folder: Path) -> CellJob:
    """What a worker would be told."""
    folder.mkdir(parents=True, exist_ok=True)
    return CellJob(spec, CellFolder(folder), baseline=False, device="cpu")


def registry_with(*components: ModelSpec | TaskSpec, beside: Registry | None = None) -> Registry:
    """A registry of these components and the kit's own metrics and profiles, or what ``beside`` offers."""
    offers: dict[str, list[Offer[Any]]] = {"model": [], "task": []}
    for spec in components:
        offers["model" if isinstance(spec, ModelSpec) else "task"].append(Offer(spec, HERE))
    if beside is None:
        offers["metric"] = [Offer(spec, HERE) for spec in METRICS]
        offers["profile"] = [Offer(spec, HERE) for spec in PROFILES.values()]
    else:
        for kind in ("metric", "profile"):
            offers[kind] = list(beside.all(kind).values())
    return Registry((), offers)


def run(spec: CellSpec, folder: Path, registry: Registry, stop: Callable[[], bool] = lambda: False) -> None:
    """Run a cell to its commit, as a worker does."""
    run_cell(job(spec, folder), registry, lambda _: None, stop)
