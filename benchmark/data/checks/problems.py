"""What is said of a fault in a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AGAIN = "import or build the file again"


@dataclass(frozen=True)
class Problem:
    """One fault: how bad, where in the file, what was found, and what to do about it."""

    severity: Literal["error", "warning"]
    where: str
    what: str
    advice: str
    cases: tuple[str, ...] = ()
    """Every case that it is about and how far it goes there, where ``what`` names the first few only."""
