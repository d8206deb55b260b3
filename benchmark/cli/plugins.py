"""``benchmark plugins``: list them, write a new one, check one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.errors import PluginError, UsageError, unknown_name
from benchmark.registry.plugins import KINDS, Plugin, registry

if TYPE_CHECKING:
    from benchmark.testing.suite import Outcome

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def plugins(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    requirements: Annotated[
        bool, typer.Option("--requirements", help="Print name==version lines of the loaded ones.")
    ] = False,
) -> None:
    """List all plugins: loaded, disabled (--no-plugin, BENCHMARK_DISABLE_PLUGINS=a,b) or failed, and why.

    Write your own with 'benchmark plugins new', check any with 'benchmark plugins check'.
    """
    from benchmark.cli.text import columns, echo, echo_json, warn

    if context.invoked_subcommand is not None:
        return
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


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Its name; the distribution will be benchmark-NAME.")],
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="model, task or metric; repeat it for several. Default: model.")
    ] = None,
    licence: Annotated[
        str,
        typer.Option("--licence", "--license", help="Apache-2.0, MIT, BSD-3-Clause or none; asked for if left out."),
    ] = "",
    author: Annotated[str, typer.Option("--author", help="Who holds the copyright.")] = "",
    to: Annotated[Path, typer.Option("--to", help="The folder to write benchmark-NAME into.")] = Path(),
) -> None:
    """Write a complete plugin that installs, runs and passes its tests: a start for your own.

    Example: benchmark plugins new mymodel --kind model && pip install ./benchmark-mymodel
    """
    import sys

    from benchmark.cli.text import echo
    from benchmark.scaffold import LICENCES, Wanted, write

    if not licence:
        licence = next(iter(LICENCES))
        if sys.stdin.isatty() and sys.stdout.isatty():
            licence = typer.prompt(f"Licence ({', '.join(LICENCES)})", default=licence)
    wanted = Wanted.checked(name, kind or ["model"], licence, author)
    found = registry()
    for what, offered in wanted.components.items():
        if offer := found.all(what).get(offered):
            raise UsageError(f"{what} {offered!r} is offered by {offer.plugin.title} already; choose another name")
    folder = write(wanted, to)
    echo(f"wrote {folder}; next:")
    for line in (
        f"pip install -e {folder}",
        f"benchmark plugins check {wanted.name}",
        *(
            [f"benchmark run --grid full --models {wanted.name},pix2pix --preset smoke"]
            if "model" in wanted.kinds
            else []
        ),
    ):
        echo(f"  {line}")


@app.command()
def check(
    plugin: Annotated[
        str,
        typer.Argument(metavar="NAME|PATH", help="An installed plugin, or a folder or wheel that is not installed."),
    ],
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every check, skipped ones with the reason.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run the conformance tests on a plugin: build, train, kill, continue, translate, score, on tiny data.

    Exit 1 if a check fails; each failure says what to change. Runs that are started afterwards with the same source
    note the outcome, and their tables say it.
    """
    import contextlib
    import sys

    from benchmark.cli.text import echo, echo_json

    if "/" in plugin or plugin.endswith(".whl") or (Path(plugin).is_dir() and not _known(plugin)):
        from benchmark.registry.uninstalled import check_uninstalled

        flags = [flag for flag, given in (("--verbose", verbose), ("--json", json)) if given]
        raise typer.Exit(check_uninstalled(Path(plugin), flags))
    found = _find(plugin)
    import torch

    from benchmark.registry import verdicts
    from benchmark.registry.plugins import source_sha256
    from benchmark.testing import suite

    torch.set_num_threads(1)
    echo_unless_json = (lambda _: None) if json else echo
    echo_unless_json(f"{found.name} ({found.title}): {found.state}")
    outcomes: list[Outcome] = []
    for component, tests in suite.suites(found):
        ended = []
        with contextlib.redirect_stdout(sys.stderr):
            ended = list(suite.run(component, tests))
        for line in _report(component, ended, verbose):
            echo_unless_json(line)
        outcomes += ended
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    if found.state == "loaded":
        verdicts.keep(source_sha256(found.module), failed=failed)
    if json:
        echo_json([asdict(outcome) for outcome in outcomes])
    else:
        echo(
            f"{failed} of {len(outcomes)} checks failed"
            if failed
            else f"all {len(outcomes)} checks passed or were skipped"
        )
    raise typer.Exit(1 if failed else 0)


def _known(name: str) -> bool:
    return any(name in (plugin.name, plugin.distribution) for plugin in registry().plugins)


def _find(name: str) -> Plugin:
    plugins = registry().plugins
    for plugin in plugins:
        if name in (plugin.name, plugin.distribution):
            if plugin.state == "disabled":
                raise PluginError(f"plugin {name} is switched off by {plugin.reason}")
            return plugin
    hint = f"Install it, or give its folder: ./{name}"
    for kind in KINDS:
        if offer := registry().all(kind).get(name):
            hint = f"{name!r} is a {kind} of plugin {offer.plugin.name!r}."
    raise unknown_name("plugin", name, [plugin.name for plugin in plugins], hint=hint)


def _report(component: str, outcomes: list[Outcome], verbose: bool) -> list[str]:
    """A line for a component, and one for each check that failed; with ``verbose`` for all."""
    counts = {state: sum(outcome.state == state for outcome in outcomes) for state in ("passed", "skipped", "failed")}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    lines = [f"{component:<32}  {told:<32}  {sum(outcome.seconds for outcome in outcomes):6.1f} s"]
    for outcome in outcomes:
        if outcome.state == "failed" or verbose:
            said = f": {outcome.said}" if outcome.said else ""
            lines.append(
                f"  {outcome.state.upper() if outcome.state == 'failed' else outcome.state} {outcome.check}{said}"
            )
    return lines
