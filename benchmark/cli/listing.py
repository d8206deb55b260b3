"""``benchmark list`` and ``benchmark show``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from benchmark.errors import BenchmarkError, UsageError, unknown_name
from benchmark.plugins import KINDS, Offer, registry
from benchmark.presets import PRESETS, preset

LISTED = ("model", "task", "metric", "measure", "profile", "grid", "importer", "degrader")


def list_components(
    kind: Annotated[
        str, typer.Argument(help="models, tasks, metrics, measures, profiles, grids, importers, degraders or presets.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what plugins offer, with the distribution that each comes from."""
    from benchmark.cli.text import columns, echo, echo_json, warn

    found = registry()
    warn(found.warnings())
    rows = [row for name in _kinds(kind) for row in _rows(name)]
    if json:
        echo_json([dict(zip(("kind", "name", "distribution", "summary"), row, strict=True)) for row in rows])
        return
    if not rows:
        echo("nothing is installed; see 'benchmark plugins'")
    for line in columns(rows):
        echo(line)


def _kinds(kind: str) -> list[str]:
    if not kind:
        return [*LISTED, "preset"]
    known = {
        **{name: name for name in (*LISTED, "preset")},
        **{f"{name}s": name for name in (*LISTED, "preset")},
    }
    if kind not in known:
        raise unknown_name("kind", kind, [f"{name}s" for name in (*LISTED, "preset")])
    return [known[kind]]


def _rows(kind: str) -> list[list[str]]:
    if kind == "preset":
        return [["preset", item.name, "(harness)", item.summary] for item in PRESETS.values()]
    offers: dict[str, Offer[Any]] = registry().all(kind)
    return [[kind, name, offer.plugin.title, offer.spec.summary] for name, offer in sorted(offers.items())]


def show(
    kind: Annotated[
        str, typer.Argument(help="model, task, metric, measure, profile, grid, importer, degrader or preset.")
    ],
    name: Annotated[str, typer.Argument(help="Its name.")],
    preset_name: Annotated[str, typer.Option("--preset", help="Show the defaults under this preset.")] = "small",
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="OPTION=VALUE: show it with this value. Repeatable."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one component: what it is, where it comes from, its options with default, meaning and source."""
    from benchmark.cli.text import columns, echo, echo_json

    facts = _facts(_kinds(kind)[0], name, preset_name, settings(parameter or []))
    if json:
        echo_json(facts)
        return
    options, networks, uses = (facts.pop(key, None) for key in ("options", "networks", "metrics"))
    for line in columns([[key, value] for key, value in facts.items() if value not in ("", None, [], {})]):
        echo(line)
    if options:
        echo("options:")
        rows = [[o["name"], o["type"], o["default"], _help(o)] for o in options]
        for line in columns([["name", "type", "default", "meaning"], *rows]):
            echo(f"  {line}")
    if uses:
        echo("metrics, and how their images are prepared:")
        names = ("metric", "dimension", "data_range", "clip", "outside", "scale", "options")
        rows = [[_plain(use[key]) for key in names] for use in uses]
        for line in columns([list(names), *rows]):
            echo(f"  {line}")
    if networks:
        echo(f"networks at preset {facts['preset']} (layers: --json):")
        rows = [[n["name"], f"{n['parameters']:,}", _seen(n), str(len(n["layers"]))] for n in networks]
        for line in columns([["name", "parameters", "receptive field", "layers with weights"], *rows]):
            echo(f"  {line}")


def settings(items: list[str]) -> dict[str, str]:
    """Options from ``OPTION=VALUE``.

    Raises:
        UsageError: something else.
    """
    found: dict[str, str] = {}
    for item in items:
        name, separator, value = item.partition("=")
        if not (name and separator):
            raise UsageError(f"--parameter {item!r}: write OPTION=VALUE")
        found[name] = value
    return found


def _plain(value: Any) -> str:
    """A setting of a profile; ``-`` where the metric's or the profile's own holds."""
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items()) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _seen(network: dict[str, Any]) -> str:
    if "receptive_field" not in network:
        return "not stated"
    return "whole image" if network["receptive_field"] is None else f"{network['receptive_field']} pixels"


def _help(option: dict[str, Any]) -> str:
    """Meaning and source, then the defaults that hold where another option has some value."""
    text = f"{option['help']} [{option['source']}]" if option["source"] else str(option["help"])
    return "; ".join(
        [text, *(f"{w['default']} with {w['option']}={w['value']} [{w['source']}]" for w in option["when"])]
    )


def _facts(kind: str, name: str, preset_name: str, settings: dict[str, str]) -> dict[str, Any]:
    from benchmark import options

    if settings and kind in ("preset", "grid", "profile"):
        raise UsageError(f"--parameter: a {kind} has no options")
    if kind == "preset":
        return asdict(preset(name))
    if kind not in KINDS:
        raise unknown_name("kind", kind, LISTED)
    found = registry()
    offer = found.find(kind, name)
    spec = offer.spec
    facts: dict[str, Any] = {
        "kind": kind,
        "name": spec.name,
        "from": offer.plugin.title,
        "module": offer.plugin.module,
    }
    if kind == "grid":
        from benchmark.grid import load_grid

        grid = load_grid(found, name)
        blocks = [
            {"tasks": list(tasks), "models": [entry.name for entry in entries]} for tasks, entries, _ in grid.blocks
        ]
        return {**facts, "summary": grid.summary, "blocks": blocks}
    chosen = preset(preset_name)
    for key, value in vars(spec).items():
        if key not in ("name", "options", "presets", "recipes", "metrics"):
            facts[key] = list(value) if isinstance(value, tuple) else value
    if kind == "metric":
        facts["bounds"] = [bound if abs(bound) != float("inf") else None for bound in spec.bounds]
    if kind == "measure":
        facts["values"] = [asdict(value) for value in spec.values]
    if kind == "profile":
        facts["id"] = spec.id
        facts["metrics"] = [asdict(use) for use in spec.metrics]
        return facts
    if kind == "model":
        facts["preset"] = chosen.name
        facts["recipe"] = asdict(chosen.recipe.changed(spec.recipes.get(chosen.name, {})))
    changed = {**spec.presets.get(chosen.name, {}), **settings} if kind == "model" else settings
    values = options.resolve(spec.name, spec.options, changed)
    facts["options"] = options.describe(spec.options, changed)
    if kind == "model":
        from benchmark.anatomy import networks

        try:
            facts["networks"] = networks(spec, values, chosen)
        except BenchmarkError:
            raise
        except Exception as error:  # a plugin's fault must not hide what the plugin says of itself
            facts["networks"] = []
            facts["networks_fault"] = f"{offer.plugin.title} cannot build them: {type(error).__name__}: {error}"
    return facts
