"""Other people's packages that tests compare ours with: where they have to be there, none is skipped."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest

REQUIRED = "BENCHMARK_ORACLES"
"""Environment variable of the tox environments that install the oracles: ``required``."""
PACKAGES = ("huggingface_hub", "piq", "skimage", "torchmetrics")


def oracle_package(module: str) -> Any:
    """The module; without it the test is skipped, or fails where oracles are required.

    Raises:
        ValueError: its package is none of :data:`PACKAGES`.
    """
    if module.partition(".")[0] not in PACKAGES:
        raise ValueError(f"{module} is none of {', '.join(PACKAGES)}; add it there and to the group 'oracles'")
    try:
        return importlib.import_module(module)
    except Exception as error:  # a torchvision that does not fit torch fails with RuntimeError
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(f"{module} has to be here ({REQUIRED}=required) and cannot be imported: {error}", pytrace=False)
        pytest.skip(f"{module} cannot be imported: {error}", allow_module_level=True)
