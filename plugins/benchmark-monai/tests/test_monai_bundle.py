"""Bundles as MONAI's own loader reads them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from made_records import made

from benchmark.cell.build import build_model, model_context
from benchmark.contracts.presets import PRESETS
from benchmark.data.format.facts import DataFacts
from benchmark.inference.bundle import load_bundle
from benchmark.inference.bundling import Terms, write_bundle
from benchmark.inference.trained_cell import TrainedCell
from benchmark.plan.claim import DataSource
from benchmark.registry.plugins import registry

HOSTILE = (
    "$import os; @network_def# %meta </script>",
    "$open('witness', 'w')",
    "@network_def",
    "%configs/inference.json",
)
"""Names that MONAI's configuration language would evaluate, refer to or read."""


def trained(model: str, name: str) -> TrainedCell:
    """A cell of a model with the weights that it starts from."""
    recipe = asdict(PRESETS["smoke"].recipe)
    facts = {"task": "mr-ct", "model": model, "name": name, "state": "done", "preset": "smoke", "scores": {}}
    record = made({**facts, "profile_definition": {"id": "physical/1"}}, DataSource("file", "k", "/nowhere/data.h5"))
    object.__setattr__(record.spec, "recipe", recipe)
    object.__setattr__(record.spec, "options", {})
    object.__setattr__(record.spec, "sources", {"model": "0" * 64})
    record.spec.__dict__.pop("id", None)
    data = record.dataset
    assert isinstance(data, DataFacts)
    context = model_context(data, record.spec, torch.device("cpu"), training=False)
    spec = registry().model(model).spec
    return TrainedCell(record, build_model(spec, record.spec, context), data, torch.device("cpu"), ())


@pytest.mark.filterwarnings("ignore:parsing config_file")
@pytest.mark.parametrize("name", ["unet", *HOSTILE])
def test_monais_loader_gives_the_same_translations(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from monai.bundle import ConfigParser, load

    monkeypatch.chdir(tmp_path)

    cell = trained("monai-unet", name)
    write_bundle(cell, registry(), tmp_path / "b", Terms(onnx=False))
    network: Any = load("b", bundle_dir=tmp_path, workflow_type="inference", device="cpu")
    images = torch.rand(2, 1, *cell.data.image_size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = cell.model.translate(images)
        assert torch.equal(network(images), expected)
        assert torch.equal(load_bundle(tmp_path / "b", "cpu").model.translate(images), expected)
    assert not (tmp_path / "witness").exists()
    metadata = ConfigParser.load_config_file(str(tmp_path / "b/configs/metadata.json"))
    for key in ("version", "monai_version", "pytorch_version", "numpy_version", "task", "description", "authors"):
        assert isinstance(metadata[key], str), key
    assert metadata["network_data_format"]["outputs"]["translation"]["format"] == "hounsfield"
