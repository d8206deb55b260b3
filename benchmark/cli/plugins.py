"""``benchmark plugins``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from benchmark.plugins import Plugin, registry


def plugins(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    requirements: Annotated[
        bool, typer.Option("--requirements", help="Print name==version lines of the loaded ones.")
    ] = False,
) -> None:
    """List all plugins: loaded, disabled (--no-plugin, BENCHMARK_DISABLE_PLUGINS=a,b) or failed, and why."""
    from benchmark.cli.text import columns, echo, echo_json, warn

    found = registry()
    if json:
        echo_json([{**asdict(plugin), "offers": dict(plugin.offers)} for plugin in found.plugins])
        return
    if requirements:
        for plugin in found.plugins:
            if plugin.state == "loaded":
                echo(f"{plugin.distribution}=={plugin.version}")
        return
    if not found.plugins:
        echo("no plugin is installed; in a checkout: pip install -r requirements.txt")
    for line in columns([[p.name, p.title, p.state, _detail(p)] for p in found.plugins]):
        echo(line)
    warn(str(clash) for clash in found.clashes)


def _detail(plugin: Plugin) -> str:
    if plugin.state != "loaded":
        return plugin.reason
    counts = ", ".join(
        f"{count} {kind}{'s' if count > 1 and kind != 'weights' else ''}" for kind, count in plugin.offers.items()
    )
    return "; ".join([counts, *plugin.notes])
