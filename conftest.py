"""The example plugin is installed by hand or by the tox environment ``third``; elsewhere its tests are left out."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("benchmark_example") else ["plugins/benchmark-example"]
