"""A finished cell used again: its record says how its data lay, its checkpoint gives back the model that was scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.contracts.protocols import Translator
from benchmark.data.format.facts import DataFacts
from benchmark.errors import BenchmarkError, UsageError
from benchmark.registry.plugins import Registry, source_sha256
from benchmark.store.folder import CellFolder, RunFolder

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TrainedCell:
    """The model of a finished cell, ready to translate."""

    record: Mapping[str, Any]
    model: Translator
    data: DataFacts
    device: torch.device
    warnings: tuple[str, ...]

    @property
    def title(self) -> str:
        """How people refer to it: task/name/seed."""
        return f"{self.record['task']}/{self.record['name']}/s{self.record['seed']}"


def find_cell(place: str) -> tuple[CellFolder, dict[str, Any]]:
    """The cell that ``RUN/CELL`` means: CELL is an id, the start of one, or task/model/s0.

    Raises:
        UsageError: no such run, no such cell, or several; or the cell is not done.
    """
    path = Path(place)
    run = next((folder for folder in (path, *path.parents) if (folder / "run.json").is_file()), None)
    if run is None:
        raise UsageError(f"{place}: no run there; write RUN/CELL, e.g. results/full-small-1seed/mr-ct/pix2pix/s0")
    wanted = path.relative_to(run).as_posix().removeprefix("cells/")
    folder = RunFolder(run)
    records = [record for record in folder.records() if record["state"] != "stale"]
    found = [
        record
        for record in records
        if wanted != "." and (record["id"].startswith(wanted) or f"{_title(record)}/".startswith(f"{wanted}/"))
    ]
    if not found:
        raise UsageError(f"no cell {wanted!r} in {run}; see 'benchmark status {run}'")
    if len(found) > 1:
        names = ", ".join(_title(record) for record in found[:4])
        raise UsageError(f"{wanted!r} means {len(found)} cells of {run}: {names}{', ...' if len(found) > 4 else ''}")
    record = found[0]
    if record["state"] != "done":
        reason = f" ({record['reason']})" if record.get("reason") else ""
        raise UsageError(f"{place}: the cell is {record['state']}{reason}; only a done cell can be used")
    cell = folder.cell(record["id"])
    if damage := cell.damage(record):
        raise BenchmarkError(f"{place}: {damage}; run the grid again")
    return cell, record


def load_cell(place: str, registry: Registry, device: str = "auto") -> TrainedCell:
    """Rebuild the model of ``RUN/CELL`` from its record and checkpoint.

    Raises:
        UsageError: as :func:`find_cell`; or the model draws images and translates none.
        BenchmarkError: the checkpoint is missing or torn, or the record is an older harness's.
        PluginError: the model's plugin is not installed.
    """
    from benchmark.cell import checkpoints
    from benchmark.cell.build import build_model, model_context
    from benchmark.cell.device import choose_device
    from benchmark.plan.claim import CellSpec

    cell, record = find_cell(place)
    spec = CellSpec.from_json(record["spec"])
    offer = registry.model(spec.model)
    if offer.spec.output != "translation":
        raise UsageError(f"{place}: {spec.model} draws images and translates none; those it drew are in predictions.h5")
    try:
        facts = DataFacts.from_json(record["dataset"])
    except KeyError as missing:
        raise BenchmarkError(f"{place}: its record lacks {missing}; run the grid again with this version") from None
    chosen = choose_device(device)
    context = model_context(facts, spec, chosen, int(record["dataset"]["training_slices"]), training=False)
    model = build_model(offer.spec, spec, context)
    if offer.spec.kind != "fixed":
        found = checkpoints.load(cell.file("checkpoint.pt"), spec.id, chosen)
        if found is None or not found.finished:
            raise BenchmarkError(f"{place}: its checkpoint is missing or torn; run the grid again")
        model.load_state_dict(found.model)
    warnings: tuple[str, ...] = ()
    if source_sha256(offer.plugin.module) != spec.sources["model"]:
        warnings = (f"{offer.plugin.title} has changed since {_title(record)} was trained",)
    return TrainedCell(record, model, facts, chosen, warnings)


def _title(record: Mapping[str, Any]) -> str:
    return f"{record['task']}/{record['name']}/s{record['seed']}"
