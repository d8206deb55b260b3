"""Shell completion: names of what is installed, from the light records alone, so that a Tab stays quick."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_BENCHMARK_COMPLETE"
"""Set by the scripts of :func:`completion` when a shell asks what could come next."""
Suggestions = list[tuple[str, str] | str]


def names(kind: str) -> Callable[[str], Suggestions]:
    """Completes names of one kind, with their summaries."""

    def complete(incomplete: str) -> Suggestions:
        return [each for each in _components(kind) if each[0].startswith(incomplete)]

    return complete


def lists(kind: str) -> Callable[[str], Suggestions]:
    """Completes the last name of a list with commas."""

    def complete(incomplete: str) -> Suggestions:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        found = [(name, summary) for name, summary in _components(kind) if name.startswith(last) and name not in given]
        return [(f"{before}{comma}{name}", summary) for name, summary in found]

    return complete


def words(*known: str) -> Callable[[str], Suggestions]:
    """Completes one of a few words."""

    def complete(incomplete: str) -> Suggestions:
        return [word for word in known if word.startswith(incomplete)]

    return complete


def grids(incomplete: str) -> Suggestions:
    """Completes the name of a grid, or a .toml file."""
    found: Suggestions = [*names("grid")(incomplete)]
    return found + [path for path in _paths(incomplete) if path.endswith((".toml", "/"))]


def data(incomplete: str) -> Suggestions:
    """Completes ``TASK=FILE.h5``."""
    task, separator, path = incomplete.partition("=")
    if not separator:
        return [(f"{name}=", summary) for name, summary in _components("task") if name.startswith(task)]
    return [f"{task}={found}" for found in _paths(path) if found.endswith((".h5", ".hdf5", "/"))]


def parameters(incomplete: str) -> Suggestions:
    """Completes ``NAME.OPTION=``: first the owner, then its options, then the values where they are few."""
    import dataclasses

    from benchmark.catalogue.describe import describe
    from benchmark.errors import BenchmarkError
    from benchmark.executors import BUILT_IN
    from benchmark.registry.plugins import registry

    offers = {kind: registry().all(kind) for kind in ("model", "task", "executor")}
    left, given, _ = incomplete.partition("=")
    owner, dot, rest = left.rpartition(".")
    if not dot:
        owners = {name: offer.spec for found in offers.values() for name, offer in found.items()}
        return [
            (f"{name}.", spec.summary)
            for name, spec in sorted(owners.items())
            if name.startswith(incomplete) and spec.options is not None and name not in BUILT_IN
        ]
    kind = next((kind for kind, found in offers.items() if owner in found), "")
    if not kind or offers[kind][owner].spec.options is None:
        return []
    if not given:
        fields = dataclasses.fields(offers[kind][owner].spec.options)
        return [
            (f"{owner}.{field.name}=", str(field.metadata.get("help", "")))
            for field in fields
            if field.name.startswith(rest)
        ]
    if kind == "model":  # whose full description would import torch
        from benchmark.contracts.options import describe as described

        options = described(offers[kind][owner].spec.options)
    else:
        try:
            options = describe(kind, owner)["options"]
        except BenchmarkError:
            return []
    types = {option["name"]: str(option["type"]) for option in options}
    values = ["true", "false"] if types.get(rest) == "bool" else types.get(rest, "").split("|")
    return [f"{owner}.{rest}={value}" for value in values if len(values) > 1]


def recipe(incomplete: str) -> Suggestions:
    """Completes ``FIELD=`` of a recipe."""
    import dataclasses

    from benchmark.contracts.presets import Recipe

    return [f"{field.name}=" for field in dataclasses.fields(Recipe) if field.name.startswith(incomplete)]


def kinds(incomplete: str) -> Suggestions:
    """Completes ``models``, ``tasks``, ..."""
    from benchmark.catalogue.describe import PLURALS

    return [kind for kind in PLURALS if kind.startswith(incomplete)]


def kind(incomplete: str) -> Suggestions:
    """Completes ``model``, ``task``, ..."""
    from benchmark.catalogue.describe import LISTED

    return [one for one in LISTED if one.startswith(incomplete)]


def of_kind(ctx: typer.Context, incomplete: str) -> Suggestions:
    """Completes names of the kind that was given before."""
    return names(str(ctx.params.get("kind") or ""))(incomplete)


def runs(incomplete: str) -> Suggestions:
    """Completes run folders: those under results/, and any other by its path."""
    found = [str(file.parent) for file in Path("results").glob("*/run.json")]
    there = [one for one in sorted(found) if one.startswith(incomplete)]
    return [*there, *(path for path in _paths(incomplete) if path.endswith("/") and path.rstrip("/") not in there)]


def cells(incomplete: str) -> Suggestions:
    """Completes RUN/task/model/s0: the run first, then what is in it."""
    from benchmark.errors import BenchmarkError
    from benchmark.runs.read import load_run
    from benchmark.store.address import split_address

    try:
        run, _ = split_address(incomplete)
        titled = [(f"{run.path}/{cell.title}", cell.state) for cell in load_run(run.path)]
    except BenchmarkError:
        return [path if path.endswith("/") else f"{path}/" for path in runs(incomplete) if isinstance(path, str)]
    return [each for each in titled if each[0].startswith(incomplete)]


DONE_CELL = typer.Argument(
    metavar="RUN/CELL", help="A done cell, e.g. results/full-small-1seed/mr-ct/pix2pix/s0.", autocompletion=cells
)


def plugin(incomplete: str) -> Suggestions:
    """Completes names of installed plugins."""
    from benchmark.registry.plugins import registry

    return [one.name for one in registry().plugins if one.name.startswith(incomplete)]


def completion(
    shell: Annotated[str, typer.Argument(help=f"{', '.join(SHELLS)}.", autocompletion=words(*SHELLS))],
) -> None:
    """Print the script that makes a shell complete commands, options, names of models, tasks and grids, and runs.

    Read it at the start of each shell:

    benchmark completion bash >> ~/.bashrc
    benchmark completion zsh >> ~/.zshrc
    benchmark completion fish > ~/.config/fish/completions/benchmark.fish
    """
    from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined]

    from benchmark.errors import unknown_name

    if shell not in SHELLS:
        raise unknown_name("shell", shell, SHELLS)
    completion_init()
    typer.echo(get_completion_script(prog_name="benchmark", complete_var=VARIABLE, shell=shell))


def _components(kind: str) -> list[tuple[str, str]]:
    from benchmark.catalogue.describe import components
    from benchmark.errors import BenchmarkError

    try:
        return [(each.name, each.summary) for each in components(kind)] if kind else []
    except BenchmarkError:
        return []


def _paths(incomplete: str) -> Iterable[str]:
    """Files and folders that begin so; folders end with a slash."""
    folder, slash, start = incomplete.rpartition("/")
    try:
        entries = sorted(Path(folder or slash or ".").iterdir())
    except OSError:
        return []
    return [
        f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in entries
        if entry.name.startswith(start) and not (entry.name.startswith(".") and not start)
    ]
