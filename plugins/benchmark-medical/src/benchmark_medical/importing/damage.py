"""What a reader raised on a damaged file, as one line for a person."""

from __future__ import annotations

from benchmark.printable import printable

LONGEST = 200


def reason(error: Exception) -> str:
    """That a file cannot be read, with the last line that its reader had to say."""
    said = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {said[-1]}" if said else type(error).__name__
    return f"cannot be read, truncated or damaged ({printable(what)[:LONGEST]})"
