"""What all tests share: what is left out, and which tests start processes.

The example plugin is installed by hand or by the tox environment ``third``; elsewhere its tests are left out.

Tests need no network: what fetches weights when they are first needed is forbidden to, also in the runs they start.
A property's examples have no deadline: what the first of them imports, or a busy machine, is no fault of the property.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
from process_marks import starts_processes

os.environ["BENCHMARK_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # a forked child has one thread: weights are compared to the last bit
if find_spec("hypothesis"):  # not where wheels are tried
    from hypothesis import settings

    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")

collect_ignore = [] if find_spec("benchmark_example") else ["plugins/benchmark-example"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that start processes, themselves or through a fixture, where that is asked: it takes seconds."""
    if "subprocess" not in config.option.markexpr:
        return
    for item in items:
        if isinstance(item, pytest.Function):
            definitions = item._fixtureinfo.name2fixturedefs.values()
            fixtures = [definition.func for of_name in definitions for definition in of_name]
            if starts_processes([item.function, *fixtures], item.cls):
                item.add_marker("subprocess")
