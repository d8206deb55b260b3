"""Help pages in plain text: options and commands in groups, examples as they are typed.

Typer groups only through rich, whose import costs more than everything else that ``--help`` does.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand, TyperGroup

EXAMPLES = "Examples"
OPTIONS, COMMANDS = "Options", "Commands"


def split_examples(text: str) -> tuple[list[str], list[str]]:
    """Paragraphs of a docstring, and the lines of those that are commands."""
    paragraphs = [part.strip("\n") for part in inspect.cleandoc(text).split("\n\n") if part.strip()]
    examples = [part for part in paragraphs if all(line.startswith("benchmark ") for line in part.splitlines())]
    return (
        [" ".join(part.split()) for part in paragraphs if part not in examples],
        [line for part in examples for line in part.splitlines()],
    )


def option_groups(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """Names and help of a command's options by heading; those without one last, arguments first."""
    groups: dict[str, list[tuple[str, str]]] = {"Arguments": []}
    rest: list[tuple[str, str]] = []
    for param in command.get_params(context):
        if (record := param.get_help_record(context)) is None:
            continue
        if param.param_type_name == "argument":
            groups["Arguments"].append(record)
        elif panel := getattr(param, "rich_help_panel", None):
            groups.setdefault(panel, []).append(record)
        else:
            rest.append(record)
    return {heading: records for heading, records in {**groups, OPTIONS: rest}.items() if records}


def command_groups(group: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """Names and one line of a group's commands by heading, in the order in which they were added."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            heading = getattr(command, "rich_help_panel", None) or COMMANDS
            groups.setdefault(heading, []).append((name, command.get_short_help_str(100)))
    return groups


def _write_text(command: Any, formatter: Any) -> None:
    paragraphs, examples = split_examples(command.help or "")
    for paragraph in paragraphs:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(paragraph)
    if examples:
        with formatter.section(EXAMPLES):
            for line in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _write_groups(groups: Mapping[str, list[tuple[str, str]]], formatter: Any) -> None:
    for heading, rows in groups.items():
        with formatter.section(heading):
            formatter.write_dl(rows)


class Command(TyperCommand):
    """A command whose help is plain text in groups."""

    def format_help_text(self, _: Any, formatter: Any) -> None:
        """Description and examples."""
        _write_text(self, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments and options."""
        _write_groups(option_groups(self, ctx), formatter)


class Group(TyperGroup):
    """A group of commands whose help is plain text in groups."""

    def format_help_text(self, _: Any, formatter: Any) -> None:
        """Description and examples."""
        _write_text(self, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Commands, then options."""
        _write_groups(command_groups(self, ctx), formatter)
        _write_groups(option_groups(self, ctx), formatter)
