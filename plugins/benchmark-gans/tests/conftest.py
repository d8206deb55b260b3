"""Small models on random images, and the golden numbers of ``golden_networks``."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from benchmark_gans import benchmark_models

from benchmark.contracts import options
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import PRESETS
from benchmark.contracts.protocols import Batch, ModelContext, TaskInfo

GOLDEN = Path(__file__).parent / "golden_networks"
SPECS = {spec.name: spec for spec in benchmark_models()}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread, as in a cell."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _make(name: str, size: tuple[int, int] = (32, 32), seed: int = 0, steps: int = 8, **settings: Any) -> Any:
    recipe_fields, device = settings.pop("recipe", {}), settings.pop("device", torch.device("cpu"))
    spec = SPECS[name]
    values = options.resolve(name, spec.options, spec.presets.get("smoke", {}), settings)
    recipe = PRESETS["smoke"].recipe.changed({"filters": 4, "discriminator_filters": 4, **recipe_fields})
    task = TaskInfo(
        "test", "MR", "CT", IntensityMap("a.u.", 0.0, 1000.0), IntensityMap("HU", -1024.0, 2000.0), size, 16
    )
    torch.manual_seed(seed)
    context = ModelContext(task, recipe, steps, device, "smoke")
    return spec.load()(options.build(spec.options, values), context)


@pytest.fixture
def make() -> Callable[..., Any]:
    """``make(name, size=(32, 32), seed=0, steps=8, recipe={...}, **options)`` builds a small model."""
    return _make


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """``batch(number, size=(32, 32), images=2)``: smooth-ish random images, the same for the same number."""

    def build(number: int = 0, size: tuple[int, int] = (32, 32), images: int = 2) -> Batch:
        random = np.random.default_rng(number)
        pixels = random.uniform(-1, 1, (2, images, 1, *size)).astype(np.float32)
        mask = torch.ones(images, 1, *size)
        mask[..., :4] = 0
        return Batch(torch.from_numpy(pixels[0]), torch.from_numpy(pixels[1]), mask)

    return build


class Golden:
    """Records of ``golden.json`` by case, and the rules by which weights and images are filled."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("golden_make_tensors", GOLDEN / "make_tensors.py")
        assert spec is not None
        assert spec.loader is not None
        self.rules: ModuleType = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.rules)
        self.records: list[dict[str, Any]] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))

    def case(self, name: str) -> dict[str, dict[str, Any]]:
        """The records of one case by quantity."""
        found = {record["quantity"]: record for record in self.records if record["case"] == name}
        assert found, f"no golden case {name}"
        return found

    def image(self, shape: tuple[int, ...], constants: Mapping[str, float]) -> torch.Tensor:
        """The image of a rule."""
        return torch.from_numpy(self.rules.image(shape, **constants))

    def fill(self, network: torch.nn.Module, constants: Mapping[str, float]) -> None:
        """Fill a network's parameters by the rule."""
        self.rules.fill_module(network, **constants)

    def compare(self, records: Mapping[str, Mapping[str, Any]], prefix: str, tensor: torch.Tensor) -> int:
        """Compare shape, statistics and samples with the records under ``prefix``; how many there were."""
        values = tensor.detach().double().numpy()
        found = {
            "shape": list(values.shape),
            "mean": values.mean(),
            "std": values.std(),
            "min": values.min(),
            "max": values.max(),
        }
        compared = 0
        for quantity, record in records.items():
            if not quantity.startswith(prefix):
                continue
            rest = quantity[len(prefix) :].strip()
            if rest in found:
                value = found[rest]
            elif rest.startswith("samples"):
                value = values.ravel()[self.rules.positions(values.size)]
            else:
                continue
            tolerance = record["atol_float64"] if tensor.dtype == torch.float64 else record["atol"]
            expected = record["value_float64"] if tensor.dtype == torch.float64 else record["value"]
            np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance, err_msg=quantity)
            compared += 1
        return compared


@pytest.fixture(scope="session")
def golden() -> Golden:
    """The golden numbers."""
    return Golden()
