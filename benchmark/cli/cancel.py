"""``benchmark cancel``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cancel(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest under results/.")] = None,
) -> None:
    """End the jobs of a run that go on without it, from any machine that sees its folder.

    What works writes its checkpoint, what waits is removed from the queue. The same benchmark run goes on from there.

    benchmark cancel results/full-small-1seed
    """
    from benchmark import executors, load_run
    from benchmark.cli.text import count, echo
    from benchmark.errors import UsageError
    from benchmark.executors import Surroundings
    from benchmark.registry.plugins import registry
    from benchmark.store.folder import RunFolder

    folder = RunFolder(load_run(run).path)
    options = folder.about().options
    chosen = executors.choose(registry(), str(options.get("executor", "local")), options.get("executor_options") or {})
    executor = chosen.build(Surroundings(0, None, (), folder.path, echo))
    if not isinstance(executor, executors.Cancels):
        raise UsageError(f"{folder.path} was started with executor {chosen.name}, whose cells end with benchmark run")
    echo(f"{count(executor.cancel(), 'job')} ended")
