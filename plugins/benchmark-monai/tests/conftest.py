"""Small models on random images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from benchmark_monai import benchmark_models

from benchmark.contracts import options
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import PRESETS
from benchmark.contracts.protocols import Batch, ModelContext, TaskInfo

SPECS = {spec.name: spec for spec in benchmark_models()}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread, as in a cell."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _make(
    name: str,
    size: tuple[int, int] = (64, 64),
    spacing: tuple[float, float, float] = (3.0, 1.0, 1.0),
    slices: int = 16,
    steps: int = 8,
    recipe: dict[str, Any] | None = None,
    **settings: Any,
) -> Any:
    spec = SPECS[name]
    values = options.resolve(name, spec.options, spec.presets.get("smoke", {}), settings)
    changed = PRESETS["smoke"].recipe.changed({"filters": 4, **(recipe or {})})
    windows = (IntensityMap("a.u.", 0.0, 1000.0), IntensityMap("HU", -1024.0, 2000.0))
    task = TaskInfo("test", "MR", "CT", *windows, size, slices, spacing)
    torch.manual_seed(0)
    context = ModelContext(task, changed, steps, torch.device("cpu"), "smoke")
    return spec.load()(options.build(spec.options, values), context)


@pytest.fixture
def make() -> Callable[..., Any]:
    """``make(name, size=(64, 64), spacing=(3, 1, 1), slices=16, recipe={...}, **options)`` builds a small model."""
    return _make


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """``batch(size=(64, 64), images=2)``: random images, half of each outside the region."""

    def build(size: tuple[int, int] = (64, 64), images: int = 2) -> Batch:
        random = np.random.default_rng(0)
        source, target = torch.from_numpy(random.uniform(-1, 1, (2, images, 1, *size)).astype(np.float32))
        mask = torch.ones(images, 1, *size)
        mask[..., : size[1] // 2] = 0
        return Batch(source, target, mask)

    return build
