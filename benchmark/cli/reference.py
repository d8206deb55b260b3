"""The manual, from the code: ``python -m benchmark.cli.reference > docs/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

HEAD = """# The command line

Written by `python -m benchmark.cli.reference` from the code; a test keeps it in step. `benchmark COMMAND --help` says \
the same. What the words mean: [runs](runs.md), [leaderboards](leaderboards.md), [data](data.md); the same from \
Python: [python](python.md).
"""
TERMINAL = """## What it prints

On a terminal `benchmark run` shows a live table: running cells with step, loss, images/s and time left. Elsewhere it \
prints a line when a cell ends, and one every 30 seconds in between. Time left is an estimate from what finished cells \
of this run took (of the same model where there is one, else by declared cost) and how far the running ones are; \
nothing is said before anything has taken time. Colours are for terminals only, and for none with `NO_COLOR`. \
Warnings and errors go to standard error; an error is one line that says what was wrong, where, and what to do, and \
`benchmark --debug ...` adds the traceback.

Every command that lists or shows something takes `--json`. Nothing asks for confirmation; no command deletes \
anything of yours.
"""
ENVIRONMENT: Mapping[str, str] = {
    "BENCHMARK_DISABLE_PLUGINS": "plugins (entry points or distributions, with commas; or `all`) that are not loaded, "
    "as with `--no-plugin`",
    "BENCHMARK_PLUGIN_TIMEOUT": "seconds that a plugin may take to be imported; 30 if not set",
    "BENCHMARK_WEIGHTS": "folder in which pretrained weights are looked for first and fetched to",
    "BENCHMARK_OFFLINE": "any value: nothing is fetched, also where a metric's weights are missing",
    "BENCHMARK_REPORT": "`no`: a run writes no report at its end, as with `--no-report`",
    "BENCHMARK_DEBUG": "any value: tracebacks, as with `--debug`",
    "NO_COLOR": "any value: no colours",
}
"""Variables that users may set."""


def reference() -> str:
    """The whole manual as Markdown."""
    import typer

    from benchmark.cli import EXIT_CODES, app
    from benchmark.cli.events import EVENTS

    root: Any = typer.main.get_command(app)
    context = root.context_class(root, info_name="benchmark")
    parts = [HEAD, *_command(root, context)]
    for heading, rows in _groups(root, context).items():
        parts.append(f"## {heading}\n")
        for name in rows:
            parts += _tree(root.get_command(context, name), context, name, 3)
    parts += [
        TERMINAL,
        f"## Exit codes\n\n{_table(('code', 'meaning'), [(str(code), text) for code, text in EXIT_CODES.items()])}",
        "## Events\n\n`benchmark run --json` prints one JSON object a line, each with `event` and `time` (UTC); "
        f"a value that is not finite is `null`.\n\n{_table(('event', 'what it holds'), [*EVENTS.items()])}",
        f"## Environment\n\n{_table(('variable', 'meaning'), [*ENVIRONMENT.items()])}",
    ]
    return "\n".join(parts)


def _groups(group: Any, context: Any) -> dict[str, list[str]]:
    from benchmark.cli.help import command_groups

    return {heading: [name for name, _ in rows] for heading, rows in command_groups(group, context).items()}


def _tree(command: Any, parent: Any, name: str, level: int) -> Iterator[str]:
    """A command, then those below it."""
    context = command.context_class(command, info_name=name, parent=parent)
    yield f"{'#' * level} {context.command_path}\n"
    yield from _command(command, context)
    if hasattr(command, "list_commands"):
        for names in _groups(command, context).values():
            for each in names:
                yield from _tree(command.get_command(context, each), context, each, level + 1)


def _command(command: Any, context: Any) -> Iterator[str]:
    from benchmark.cli.help import option_groups, split_examples

    paragraphs, examples = split_examples(command.help or "")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"    {usage}\n"
    for paragraph in paragraphs:
        yield f"{_escaped(paragraph)}\n"
    if examples:
        yield "".join(f"    {line}\n" for line in examples)
    for heading, rows in option_groups(command, context).items():
        shown = [(f"`{name}`", _escaped(text)) for name, text in rows if "--help" not in name]
        if shown:
            yield _table((heading.lower(), ""), shown)


def _table(header: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [f"| {header[0]} | {header[1]} |", "|---|---|"]
    lines += [f"| {name.replace('|', chr(92) + '|')} | {text.replace('|', chr(92) + '|')} |" for name, text in rows]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Plain text as Markdown: nothing in it is markup."""
    return text.replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")


if __name__ == "__main__":
    print(reference(), end="")
