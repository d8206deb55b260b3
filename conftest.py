"""The example plugin is installed by hand or by the tox environment ``third``; elsewhere its tests are left out.

Tests need no network: what fetches weights when they are first needed is forbidden to, also in the runs they start.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

os.environ["BENCHMARK_OFFLINE"] = "1"

collect_ignore = [] if find_spec("benchmark_example") else ["plugins/benchmark-example"]
