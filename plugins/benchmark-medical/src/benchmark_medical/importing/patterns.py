"""Patterns of paths with words in braces: ``{date}/{patient}/mr.nii.gz``."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark.data.volumes.files import Tree, as_expression
from benchmark.errors import UsageError

WORD = re.compile(r"\{([a-z_]\w*)\}")
WHO = ("site", "centre", "center", "hospital", "patient", "subject")
"""Words that say, together, whose an image is; any other says which of the studies."""


def words(pattern: str) -> list[str]:
    """The words in braces, in order, each once."""
    return list(dict.fromkeys(WORD.findall(pattern)))


def require_inside(option: str, pattern: str) -> None:
    """A pattern may not lead out of the folder.

    Raises:
        UsageError: it does.
    """
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise UsageError(f"--{option} {pattern!r}: give a pattern inside the folder, without '..'")


def matches(tree: Tree, pattern: str) -> list[tuple[dict[str, str], Path]]:
    """Files that a pattern matches, with what stands in place of each word; a word twice is the same twice."""
    expression, seen = "", set()
    for index, part in enumerate(WORD.split(pattern)):
        if index % 2 == 0:
            expression += as_expression(part).pattern.removesuffix(r"\Z")
        elif part in seen:
            expression += f"(?P={part})"
        else:
            seen.add(part)
            expression += f"(?P<{part}>[^/]+?)"
    compiled = re.compile(expression + r"\Z")
    return [
        (match.groupdict(), path)
        for path in tree.files
        if (match := compiled.match(path.relative_to(tree.root).as_posix()))
    ]


def whose(values: dict[str, str]) -> tuple[str, str]:
    """Patient and study that the words of a path say; without a word for the study it is ``s1``."""
    patient = "-".join(value for word, value in values.items() if word in WHO)
    study = "-".join(value for word, value in values.items() if word not in WHO)
    return patient, study or "s1"
