"""How messages call a file, and what a reader raised on a damaged one as one line for a person."""

from __future__ import annotations

from pathlib import Path

from benchmark.printable import printable

LONGEST = 200


def shown(path: Path) -> str:
    """A file's name with its folder: in a set of thousands ``ct.nii.gz`` alone says nothing."""
    return printable(f"{path.parent.name}/{path.name}" if path.parent.name else path.name)


def reason(error: Exception) -> str:
    """That a file cannot be read, with the last line that its reader had to say."""
    said = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {said[-1].strip()}" if said else type(error).__name__
    return f"cannot be read, truncated or damaged ({printable(what)[:LONGEST]})"
