"""Calls that a type checker has to let pass or refuse; nobody runs them, ``mypy --strict`` reads them.

An ignored error that does not come up is an error itself, so that losing the types of the keywords is noticed.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import benchmark


def may_be_said() -> None:
    run = benchmark.run("full", preset="smoke", seeds=[7, 8], tasks=["mr-ct"], models={"medgan"}, steps=3)
    assert_type(run, benchmark.Run)
    planned = benchmark.plan_run(Path("my.toml"), data={"mr-ct": "mine.h5"}, parameters={"medgan": {"blocks": 3}})
    assert_type(planned, benchmark.PlannedRun)
    assert_type(planned.start(jobs=2, executor="serial", observer=benchmark.Observer()), benchmark.Run)


def may_not_be_said() -> None:
    benchmark.run(presett="smoke")  # type: ignore[call-arg]
    benchmark.run("full", "smoke")  # type: ignore[call-arg]
    benchmark.run(precision="fp16")  # type: ignore[arg-type]
    benchmark.run(recipe=["flip"])  # type: ignore[arg-type]
    benchmark.plan_run(jobs=2)  # type: ignore[call-arg]
    benchmark.plan_run().start(preset="smoke")  # type: ignore[call-arg]
    benchmark.plan_run().start(timeout="1 h")  # type: ignore[arg-type]
