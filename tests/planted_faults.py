"""Run the checks of a conformance test class, as tests of the kit itself do."""

from __future__ import annotations

import unittest
from typing import Any


def failures(tests: Any) -> dict[str, str]:
    """Which checks fail, with their messages; whatever else a check raises is the kit's own fault, and raised."""
    failed = {}
    for name in dir(tests):
        if name.startswith("test_"):
            try:
                getattr(tests, name)()
            except unittest.SkipTest:
                continue
            except AssertionError as error:
                failed[name] = str(error)
    return failed
