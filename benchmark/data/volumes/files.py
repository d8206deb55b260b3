"""The one way in which files below a folder are found: by importers, for predictions, for volumes to translate.

Symbolic links are followed where they lead to something inside the folder, and loops end. A link that leads out of the
folder is not followed unless the caller says so: a stranger's archive could make any file of this machine a patient's
image. Hidden files (``._NAME`` of macOS, ``.DS_Store``) are passed over. Whatever is passed over is listed with its
reason, so that nothing is left out without being counted.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmark.errors import UsageError

FILES_OF_SYSTEMS = ("thumbs.db", "desktop.ini", "__macosx")
OUTSIDE = "a link that leads out of the folder"


@dataclass(frozen=True)
class Passed:
    """Something below a folder that was not looked at: its path from there, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Tree:
    """The files below a folder, sorted; ``passed`` are those that were not looked at."""

    root: Path
    files: tuple[Path, ...]
    folders: tuple[Path, ...] = ()
    """Folders below the root, empty ones too."""
    passed: tuple[Passed, ...] = ()
    hidden: int = 0
    """Number of hidden files and folders."""

    def matching(self, pattern: str) -> list[Path]:
        """Files whose path below the root a shell pattern matches as a whole; ``**/`` stands for any folders."""
        expression = as_expression(pattern)
        return [path for path in self.files if expression.match(self.name(path))]

    def below(self, *parts: str, ending: str | tuple[str, ...] = "") -> list[Path]:
        """Files in a folder of the root and in its subfolders, by their ending in any case."""
        start = "/".join((*parts, ""))
        return [path for path in self.files if self.name(path).startswith(start) and path.name.lower().endswith(ending)]

    def name(self, path: Path) -> str:
        """The path from the root, with slashes."""
        return path.relative_to(self.root).as_posix()

    def unused(self, used: Collection[Path]) -> list[Path]:
        """Files that nobody used."""
        return [path for path in self.files if path not in used]


def walk(folder: Path, *, outside: bool = False) -> Tree:
    """All files below a folder; ``outside``: also those behind links that lead out of it.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    real = Path(os.path.realpath(folder))
    files: list[Path] = []
    folders: list[Path] = []
    passed: list[Passed] = []
    hidden = 0

    def visit(place: Path, here: str, above: frozenset[str]) -> None:
        nonlocal hidden
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            passed.append(Passed(_name(place, folder), f"cannot be opened ({error.strerror or error})"))
            return
        for entry in entries:
            path = place / entry.name
            if entry.name.startswith(".") or entry.name.lower() in FILES_OF_SYSTEMS:
                hidden += 1
                continue
            target = os.path.realpath(path) if entry.is_symlink() else os.path.join(here, entry.name)
            if entry.is_symlink() and not outside and not Path(target).is_relative_to(real):
                passed.append(Passed(_name(path, folder), OUTSIDE))
            elif os.path.isdir(target):
                if target in above:
                    passed.append(Passed(_name(path, folder), "a link to a folder that it lies in"))
                else:
                    folders.append(path)
                    visit(path, target, above | {target})
            elif os.path.isfile(target):
                files.append(path)
            else:
                passed.append(Passed(_name(path, folder), "a broken link" if entry.is_symlink() else "no regular file"))

    visit(folder, str(real), frozenset({str(real)}))
    return Tree(folder, tuple(sorted(files)), tuple(sorted(folders)), tuple(passed), hidden)


def leads_out(path: Path, folder: Path) -> bool:
    """Whether a file, its links followed, lies outside a folder."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def count_by_ending(paths: Iterable[Path]) -> str:
    """How many files of each kind: ``3 .nii.gz, 1 .txt``."""
    counts = Counter("".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]) for path in paths)
    return ", ".join(f"{number} {ending or 'without an ending'}" for ending, number in counts.most_common())


@lru_cache(maxsize=256)
def as_expression(pattern: str) -> re.Pattern[str]:
    """A shell pattern as a regular expression for a whole relative path."""
    return re.compile("".join(_pieces(pattern)) + r"\Z")


def _pieces(pattern: str) -> Iterator[str]:
    for piece in re.split(r"(\*\*/|\*|\?|\[[^\]/]+\])", pattern):
        if piece == "**/":
            yield "(?:[^/]+/)*"
        elif piece == "*":
            yield "[^/]*"
        elif piece == "?":
            yield "[^/]"
        elif piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
            yield f"[{'^' if piece[1] in '!^' else ''}{re.escape(piece[1:].lstrip('!^')).replace(chr(92) + '-', '-')}]"
        else:
            yield re.escape(piece)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
