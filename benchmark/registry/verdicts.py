"""What the conformance kit said of a plugin's source on this machine, so that runs and tables can tell.

One small file for each source hash under ``$XDG_CACHE_HOME/benchmark/kit``; a source that was changed since has none.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from benchmark import atomic

Verdict = Literal["passed", "failed", "not tried"]


def keep(source: str, *, failed: int) -> bool:
    """Remember how many checks of a source failed; whether that could be written."""
    try:
        atomic.write_text(_file(source), json.dumps({"source": source, "failed": failed}) + "\n")
    except OSError:
        return False
    return True


def verdict(source: str) -> Verdict:
    """What is remembered of a source; what cannot be read was not tried."""
    try:
        kept = json.loads(_file(source).read_bytes())
        failed = kept["failed"]
        if kept["source"] != source or type(failed) is not int:
            return "not tried"
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return "not tried"
    return "failed" if failed else "passed"


def _file(source: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "benchmark" / "kit" / f"{source}.json"
