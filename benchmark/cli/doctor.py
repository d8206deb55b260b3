"""``benchmark doctor``."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmark.contracts.specs import CheckResult
from benchmark.registry.plugins import Registry, registry


def doctor(
    plugin: Annotated[str, typer.Argument(help="Show the full traceback of this failed plugin.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check versions, devices, plugins, weights and disk, and say what to do. Exit 1 if anything is broken."""
    from benchmark.cli.text import echo, echo_json
    from benchmark.errors import unknown_name

    found = registry()
    if plugin:
        matches = [item for item in found.plugins if plugin in (item.name, item.distribution)]
        if not matches:
            raise unknown_name("plugin", plugin, [item.name for item in found.plugins])
        for item in matches:
            echo(f"{item.name} ({item.title}): {item.state} {item.reason}")
            echo(item.trace)
        raise typer.Exit(1 if any(item.state == "failed" for item in matches) else 0)
    results = list(examine(found))
    if json:
        echo_json([asdict(result) for result in results])
    else:
        for result in results:
            echo(f"{result.state.upper() if result.state == 'fail' else result.state:<8} {result.what}")
            if result.advice:
                echo(f"{'':<8} -> {result.advice}")
    raise typer.Exit(1 if any(result.state == "fail" for result in results) else 0)


def examine(found: Registry) -> Iterator[CheckResult]:
    """All checks: ours, then those that plugins offer."""
    yield _versions()
    yield _torch()
    for plugin in found.plugins:
        if plugin.state == "failed":
            again = f"pip install --force-reinstall {plugin.distribution}"
            advice = f"'benchmark doctor {plugin.name}' shows where; then: {again}"
            yield CheckResult("fail", f"plugin {plugin.name} ({plugin.title}): {plugin.reason}", advice)
        elif plugin.state == "disabled":
            yield CheckResult("missing", f"plugin {plugin.name} ({plugin.title}) is disabled by {plugin.reason}")
        else:
            yield CheckResult("ok", f"plugin {plugin.name} ({plugin.title})")
    if not found.plugins:
        yield CheckResult("fail", "no plugin is installed", "in a checkout: pip install -r requirements.txt")
    for clash in found.clashes:
        yield CheckResult("fail", str(clash))
    yield _disk(Path.cwd())
    yield from _memory()
    for name, offer in sorted(found.all("check").items()):
        try:
            yield from offer.spec.load()()
        except (Exception, SystemExit) as error:
            yield CheckResult("fail", f"check {name} of {offer.plugin.title}: {type(error).__name__}: {error}")


def _versions() -> CheckResult:
    from benchmark.plan.claim import environment

    libraries = {name: version for name, version in environment()["libraries"].items() if version != "missing"}
    text = ", ".join(f"{name} {version}" for name, version in libraries.items())
    return CheckResult("ok", f"python {platform.python_version()}, {text}")


def _torch() -> CheckResult:
    """Import torch: the one heavy thing that this command does, because nothing else tells what devices there are."""
    try:
        import torch
    except Exception as error:
        return CheckResult("fail", f"torch cannot be imported: {error}", "pip install torch")
    from benchmark.executors.lanes import Lanes, devices
    from benchmark.executors.local import available_cores

    names = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    cores = available_cores()
    lanes = Lanes.of(devices("auto"), 1, 0, cores)
    if names and not lanes.lanes[0].device:
        advice = "nvidia-smi does not list them: cells of one machine would share the first; set CUDA_VISIBLE_DEVICES"
        return CheckResult("missing", f"{cores} cores; CUDA devices: {', '.join(names)}", advice)
    return CheckResult(
        "ok",
        f"{cores} cores; CUDA devices: {', '.join(names) or 'none, training runs on the CPU'}; "
        f"benchmark run: {lanes}, unless --device, --jobs-per-device or --jobs say otherwise",
    )


def _disk(path: Path) -> CheckResult:
    free = shutil.disk_usage(path).free / 1e9
    writable = os.access(path, os.W_OK)
    if not writable:
        return CheckResult("fail", f"{path} is not writable", "use --results and --datasets, or another folder")
    if free < 2:
        return CheckResult("fail", f"{free:.1f} GB free here", "a small run needs about 1 GB")
    return CheckResult("ok", f"{free:.0f} GB free here")


def _memory() -> Iterator[CheckResult]:
    """Whether the cells that run at once have room, before anything is known of their models."""
    from benchmark.executors.local import available_cores
    from benchmark.runs.memory import PROCESS_MB, machine_mb

    if (machine := machine_mb()) is None:
        return
    cores = available_cores()
    room = int(0.8 * machine / (2 * PROCESS_MB))
    text = (
        f"{machine / 1000:.0f} GB of memory; a cell takes {PROCESS_MB / 1000:.1f} GB and what its model and data need"
    )
    if room < cores:
        advice = f"start with --jobs {max(1, room)}; 'benchmark run --dry-run' says what the cells of a run will take"
        yield CheckResult("missing", f"{text}: too little for {cores} at once", advice)
    else:
        yield CheckResult("ok", f"{text} ('benchmark run --dry-run' forecasts it)")
