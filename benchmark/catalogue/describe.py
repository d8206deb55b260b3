"""What is installed: ``benchmark.components`` lists it, ``benchmark.describe`` says what one component is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmark import executors
from benchmark.contracts import options, presets
from benchmark.contracts.specs import Component
from benchmark.errors import BenchmarkError, UsageError, unknown_name
from benchmark.registry.plugins import Registry, registry

LISTED = (
    "model",
    "task",
    "metric",
    "downstream",
    "profile",
    "grid",
    "preset",
    "executor",
    "observer",
    "importer",
    "degrader",
)
"""The kinds that people choose from, in the order in which they are shown."""
OURS = "(harness)"
"""Where presets and the built-in executor come from."""


def plural(kind: str) -> str:
    """A kind as one asks for all of it: ``models``; of *downstream* evaluations the word is the same."""
    return kind if kind == "downstream" else f"{kind}s"


PLURALS = tuple(plural(kind) for kind in LISTED)


@dataclass(frozen=True)
class Listed:
    """A component in a listing, with the distribution that it comes from."""

    kind: str
    name: str
    distribution: str
    summary: str


def kind_named(text: str) -> str:
    """A kind by its name or its plural.

    Raises:
        UsageError: there is none of this name.
    """
    singular = text if text in LISTED else text.removesuffix("s")
    if singular not in LISTED:
        raise unknown_name("kind", text, PLURALS)
    return singular


def components(kind: str = "") -> list[Listed]:
    """What is installed, by kind and name; of one kind, or of all. Imports no implementation.

    Raises:
        UsageError: no such kind.
    """
    return [each for one in ([kind_named(kind)] if kind else LISTED) for each in _components(one)]


def _components(kind: str) -> list[Listed]:
    if kind == "preset":
        return [Listed(kind, each.name, OURS, each.summary) for each in presets.PRESETS.values()]
    found = {name: (offer.plugin.title, offer.spec) for name, offer in registry().all(kind).items()}
    if kind == "executor":
        found |= {name: (OURS, spec) for name, spec in executors.BUILT_IN.items()}
    return [Listed(kind, name, title, spec.summary) for name, (title, spec) in sorted(found.items())]


def describe(
    kind: str, name: str, *, preset: str = "small", parameters: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One component as plain values: what it is, where it comes from, its options with default, meaning and source.

    ``preset``: whose defaults; ``parameters``: options that are set. Only a model's description imports torch, for
    its networks.

    Raises:
        UsageError: no such kind, component, preset or option.
    """
    kind = kind_named(kind)
    if parameters and kind in ("preset", "grid", "profile"):
        raise UsageError(f"a {kind} has no options to set")
    if kind == "preset":
        return asdict(presets.preset(name))
    found = registry()
    if kind == "executor" and name in executors.BUILT_IN:
        return {"kind": kind, "name": name, "from": OURS} | _of_spec(executors.BUILT_IN[name], parameters or {})
    offer = found.find(kind, name, also=executors.BUILT_IN if kind == "executor" else ())
    facts: dict[str, Any] = {
        "kind": kind,
        "name": offer.spec.name,
        "from": offer.plugin.title,
        "module": offer.plugin.module,
    }
    if kind == "grid":
        return facts | _of_grid(found, name)
    if kind == "model":
        return facts | _of_model(offer.spec, presets.preset(preset), parameters or {}, offer.plugin.title)
    return facts | _of_spec(offer.spec, parameters or {})


def _fields(spec: Any) -> dict[str, Any]:
    left_out = ("name", "options", "presets", "recipes", "metrics")
    given = {key: value for key, value in vars(spec).items() if key not in left_out}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}


def _of_spec(spec: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    facts = _fields(spec)
    if "bounds" in facts:  # JSON has no infinity
        facts["bounds"] = [bound if abs(bound) != float("inf") else None for bound in spec.bounds]
    if "values" in facts:
        facts["values"] = [asdict(value) for value in spec.values]
    if hasattr(spec, "metrics"):
        return facts | {"id": spec.id, "metrics": [asdict(use) for use in spec.metrics]}
    if isinstance(spec, Component):
        facts["options"] = _options(spec, parameters)
    return facts


def _options(spec: Component, changed: Mapping[str, Any]) -> list[dict[str, Any]]:
    options.resolve(spec.name, spec.options, changed)
    return options.describe(spec.options, changed)


def _of_grid(found: Registry, name: str) -> dict[str, Any]:
    from benchmark.plan.grid import load_grid

    grid = load_grid(found, name)
    blocks = [{"tasks": list(tasks), "models": [entry.name for entry in entries]} for tasks, entries, _ in grid.blocks]
    return {"summary": grid.summary, "blocks": blocks, **({"left_out": dict(grid.left_out)} if grid.left_out else {})}


def _of_model(spec: Any, preset: presets.Preset, parameters: Mapping[str, Any], title: str) -> dict[str, Any]:
    from benchmark.catalogue.networks import networks

    facts = _fields(spec) | {
        "preset": preset.name,
        "recipe": asdict(preset.recipe.changed(spec.recipes.get(preset.name, {}))),
    }
    changed = {**spec.presets.get(preset.name, {}), **parameters}
    values = options.resolve(spec.name, spec.options, changed)
    facts["options"] = options.describe(spec.options, changed)
    try:
        facts["networks"] = networks(spec, values, preset)
    except BenchmarkError:
        raise
    except Exception as error:  # a plugin's fault must not hide what the plugin says of itself
        facts["networks"] = []
        facts["networks_fault"] = f"{title} cannot build them: {type(error).__name__}: {error}"
    return facts
