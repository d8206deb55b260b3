"""A model from its factory: what it is told, and the seed that it starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark.cell import checkpoints
from benchmark.cell.train import initial_seed
from benchmark.contracts import options
from benchmark.contracts.presets import Recipe
from benchmark.contracts.protocols import ModelContext, TaskInfo
from benchmark.contracts.specs import ModelSpec
from benchmark.data.format.facts import DataFacts
from benchmark.plan.claim import CellSpec

if TYPE_CHECKING:
    import torch


def model_context(facts: DataFacts, spec: CellSpec, device: torch.device, *, training: bool = True) -> ModelContext:
    """What the model's factory is told, the same from the data and from a record of them."""
    recipe = Recipe(**spec.recipe)
    task = TaskInfo(
        name=spec.task,
        source_modality=facts.source_modality,
        target_modality=facts.target_modality,
        source=facts.source,
        target=facts.target,
        image_size=facts.image_size,
        training_slices=facts.training_slices,
        spacing=facts.recorded_spacing,
        channels=facts.channels,
    )
    return ModelContext(task, recipe, recipe.budget(facts.training_slices), device, spec.preset, training)


def capacity(model: Any) -> dict[str, int]:
    """How many weights each network has that a model names."""
    networks = model.networks() if hasattr(model, "networks") else {}
    return {name: sum(weight.numel() for weight in network.parameters()) for name, network in networks.items()}


def build_model(model: ModelSpec, spec: CellSpec, context: ModelContext) -> Any:
    """Seed everything and build the model from its factory."""
    checkpoints.seed_everything(initial_seed(spec.seed))
    return model.load()(options.build(model.options, spec.options), context)
