"""The commands and snippets of the documentation, as a reader would copy them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parent.parent
PROGRAMS = ("benchmark", "pip", "python", "pytest", "tox", "tensorboard", "git", "cd")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.M | re.S)


def pages() -> list[Path]:
    """Every page, but for the one that is written by the code itself."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found += [*sorted((ROOT / "datasets").glob("*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]
    return [page for page in found if page != ROOT / "docs" / "cli.md"]


@dataclass(frozen=True)
class Command:
    """One command of a page; ``words`` without what the shell takes away."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        """As the program gets them."""
        return shlex.split(self.text)


def commands(page: Path) -> list[Command]:
    """The commands of a page in their order: lines of indented blocks that start with a program's name."""
    text = FENCE.sub("", page.read_text(encoding="utf-8")).replace("\\\n", " ")
    found = []
    for line in re.findall(rf"^ {{4,}}((?:{'|'.join(PROGRAMS)}) .*|tox|pytest)$", text, re.M):
        without_remark = re.sub(r"(^|\s{2,})#.*$", "", line)
        parts = re.split(r" (?:&&|;) ", without_remark)
        found += [Command(page.relative_to(ROOT).as_posix(), " ".join(part.split())) for part in parts]
    return found


def snippets(page: Path) -> str:
    """The Python blocks of a page, one after the other."""
    return "\n".join(body for language, body in FENCE.findall(page.read_text(encoding="utf-8")) if language == "python")


def parsed(words: list[str]) -> Iterator[tuple[Any, Any]]:
    """The Typer command that a line means and its context, from the outermost inwards; raises what Typer raises."""
    from benchmark.cli import app

    command: Any = typer.main.get_command(app)
    context = command.make_context("benchmark", list(words))
    yield command, context
    while hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        command = command.commands[rest[0]]
        context = command.make_context(rest[0], rest[1:], parent=context)
        yield command, context
