"""What the names in a cell's claim mean, looked up once: model, task, data, device, recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from benchmark.cell.augmentation import Augmentation
from benchmark.cell.device import choose_device
from benchmark.cell.job import CellJob
from benchmark.contracts.presets import Recipe
from benchmark.contracts.specs import DownstreamSpec, ModelSpec, TaskSpec
from benchmark.data.format.facts import DataFacts
from benchmark.data.format.reader import Dataset
from benchmark.errors import DatasetError
from benchmark.plan.claim import CellSpec
from benchmark.plan.file_tasks import task_of
from benchmark.registry.plugins import Offer, Registry
from benchmark.scoring.downstream import evaluations_for
from benchmark.store.folder import CellFolder

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Workbench:
    """Everything that the steps of a cell need."""

    job: CellJob
    registry: Registry
    dataset: Dataset
    model: ModelSpec
    task: TaskSpec
    recipe: Recipe
    device: torch.device
    facts: DataFacts

    def about_to_train_on(self, slices: int) -> Workbench:
        """The same, with the number of training slices known."""
        return replace(self, facts=replace(self.facts, training_slices=slices))

    @property
    def spec(self) -> CellSpec:
        """The claim."""
        return self.job.spec

    @property
    def folder(self) -> CellFolder:
        """Where the cell lies."""
        return self.job.folder

    @cached_property
    def downstream(self) -> Mapping[str, Offer[DownstreamSpec]]:
        """The downstream evaluations that fit the task."""
        return evaluations_for(self.registry, self.task)

    @cached_property
    def augmentation(self) -> Augmentation:
        """What the recipe's augmentation comes to: a file says itself whether it may be mirrored, else the task."""
        own = self.spec.dataset.kind == "file"
        safe = self.dataset.info.mirror_safe if own else self.task.mirror_safe
        return Augmentation.of(self.recipe, mirror_safe=safe, view=self.facts.view)


def lay_out(job: CellJob, registry: Registry, dataset: Dataset) -> Workbench:
    """Look everything up. No pixel is read.

    Raises:
        UsageError: a device that is not there, or a name that no plugin offers any more.
        DatasetError: the data set is damaged, or a user's file is not the one any more that the claim names.
    """
    claimed = job.spec.dataset
    if claimed.kind == "file" and claimed.key != dataset.info.content_sha256:
        raise DatasetError(
            f"{dataset.path} was replaced: it holds {dataset.info.content_sha256[:8]}, and this cell is of "
            f"{claimed.key[:8]}; run the command again to plan for the new data"
        )
    return Workbench(
        job=job,
        registry=registry,
        dataset=dataset,
        model=registry.model(job.spec.model).spec,
        task=task_of(registry, job.spec.task, dataset.info),
        recipe=Recipe(**job.spec.recipe),
        device=choose_device(job.device),
        facts=DataFacts.of(dataset),
    )
