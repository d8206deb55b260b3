"""What an import tells beside its result: each thing once, with how often it was so, and not in the way of the rest."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmark.printable import printable

LOUD = ("nibabel", "nibabel.global", "pydicom", "tifffile", "PIL")
"""Loggers of libraries that complain about every file."""
LONGEST = 160


@dataclass
class Notes:
    """Remarks by what they say; the same one about many studies is one."""

    about: dict[str, list[str]] = field(default_factory=dict)

    def add(self, text: str, name: str) -> None:
        """Remember a remark about a study."""
        self.about.setdefault(text, []).append(name)

    def lines(self) -> Iterator[str]:
        """One line a remark, with the first study and how many others there are."""
        for text, names in self.about.items():
            different = list(dict.fromkeys(names))
            more = f" and {len(different) - 1} more" if len(different) > 1 else ""
            yield f"warning: {different[0]}{more}: {text}"


@contextmanager
def kept_quiet(tell: Callable[[str], None]) -> Iterator[None]:
    """Libraries' warnings are told once they are over, each kind once, instead of being printed where they arise."""
    loggers = [logging.getLogger(name) for name in LOUD]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
    for said in dict.fromkeys(f"{one.category.__name__}: {' '.join(str(one.message).split())}" for one in caught):
        tell(f"a library says {printable(said)[:LONGEST]}")


def count(number: int, one: str, several: str = "") -> str:
    """``1 slice``, ``2 slices``."""
    return f"{number} {one if number == 1 else several or one + 's'}"
