"""A finished cell used again: its record says how its data lay, its checkpoint gives back the model that was scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmark.contracts.channels import input_names
from benchmark.contracts.protocols import Translator
from benchmark.data.format.facts import DataFacts
from benchmark.errors import BenchmarkError, UsageError
from benchmark.inference.sampling import told, with_sampling
from benchmark.registry.plugins import Registry, source_sha256
from benchmark.store.address import finished_cell
from benchmark.store.record import Record

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TrainedCell:
    """The model of a finished cell, ready to translate."""

    record: Record
    model: Translator
    data: DataFacts
    device: torch.device
    warnings: tuple[str, ...]
    context: int = 0
    """Neighbouring slices on either side that the model is shown beside each."""

    @property
    def title(self) -> str:
        """How people refer to it: task/name/seed."""
        return self.record.title

    @property
    def inputs(self) -> tuple[str, ...]:
        """What each channel of the model's input is (:func:`benchmark.contracts.channels.input_names`)."""
        return input_names([channel.name for channel in self.data.sources], self.context)


def load_cell(
    place: str, registry: Registry, device: str = "auto", sampling: Mapping[str, Any] | None = None
) -> TrainedCell:
    """Rebuild the model of ``RUN/CELL`` from its record and checkpoint.

    ``sampling`` changes options that the model lets be changed after training (:mod:`benchmark.inference.sampling`).

    Raises:
        UsageError: as :func:`benchmark.store.address.finished_cell`; or the model draws images and translates none, or
            has no such option.
        BenchmarkError: the checkpoint is missing or torn.
        PluginError: the model's plugin is not installed.
    """
    from benchmark.cell import checkpoints
    from benchmark.cell.build import build_model, model_context
    from benchmark.cell.device import choose_device

    cell, record = finished_cell(place)
    spec, facts = record.spec, record.dataset
    offer = registry.model(spec.model)
    if offer.spec.output != "translation":
        raise UsageError(f"{place}: {spec.model} draws images and translates none; those it drew are in predictions.h5")
    if facts is None:
        raise BenchmarkError(f"{place}: its record says nothing of its data; run the grid again")
    chosen = choose_device(device)
    context = model_context(facts, spec, chosen, training=False)
    used = with_sampling(offer.spec, spec.options, sampling) if sampling else spec.options
    model = build_model(offer.spec, replace(spec, options=used), context)
    if offer.spec.kind != "fixed":
        found = checkpoints.load(cell.file("checkpoint.pt"), spec.id, chosen)
        if found is None or not found.finished:
            raise BenchmarkError(f"{place}: its checkpoint is missing or torn; run the grid again")
        model.load_state_dict(found.model)
    warnings = told(spec.options, used)
    if source_sha256(offer.plugin.module) != spec.sources["model"]:
        warnings += (f"{offer.plugin.title} has changed since {record.title} was trained",)
    if record.profile_definition.get("region") == "mask":
        warnings += (
            f"{record.title} was scored inside the body only: what it paints around it is not known to mean anything",
        )
    return TrainedCell(record, model, facts, chosen, warnings, context.recipe.context)
