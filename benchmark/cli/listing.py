"""``benchmark list`` and ``benchmark show``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from benchmark.catalogue.describe import LISTED, PLURALS
from benchmark.cli import completion
from benchmark.errors import UsageError

KINDS = f"{', '.join(PLURALS[:-1])} or {PLURALS[-1]}"


def list_components(
    kind: Annotated[str, typer.Argument(help=f"{KINDS}. Default: all.", autocompletion=completion.kinds)] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what plugins offer, with the distribution that each comes from.

    benchmark list models
    """
    from benchmark import components
    from benchmark.cli.text import columns, echo, echo_json, warn
    from benchmark.registry.plugins import registry

    rows = components(kind)
    warn(registry().warnings())
    if json:
        echo_json([asdict(row) for row in rows])
        return
    if not rows:
        echo("nothing is installed; see 'benchmark plugins'")
    for line in columns([[row.kind, row.name, row.distribution, row.summary] for row in rows]):
        echo(line)


def show(
    kind: Annotated[
        str, typer.Argument(help=f"{', '.join(LISTED[:-1])} or {LISTED[-1]}.", autocompletion=completion.kind)
    ],
    name: Annotated[str, typer.Argument(help="Its name.", autocompletion=completion.of_kind)],
    preset_name: Annotated[str, typer.Option("--preset", help="Show the defaults under this preset.")] = "small",
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="OPTION=VALUE: show it with this value. Repeatable."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one component: what it is, where it comes from, its options with default, meaning and source.

    benchmark show model medgan --preset paper
    """
    from benchmark import describe
    from benchmark.cli.text import columns, echo, echo_json

    facts = describe(kind, name, preset=preset_name, parameters=settings(parameter or []))
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
    cases = [f"{w['default']} with {w['option']}={w['value']} [{w['source']}]" for w in option["when"]]
    return "; ".join([text, *cases, *_searched(option["search"])])


def _searched(search: dict[str, Any] | None) -> list[str]:
    """Where ``benchmark tune`` looks for a better value."""
    if search is None:
        return []
    if "values" in search:
        return [f"tuned among {', '.join(map(str, search['values']))} [{search['source']}]"]
    return [f"tuned from {search['low']:g} to {search['high']:g} [{search['source']}]"]
