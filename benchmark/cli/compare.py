"""``benchmark compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchmark.runs.compare import Change


def compare(
    first: Annotated[Path, typer.Argument(help="Run folder: before.")],
    second: Annotated[Path, typer.Argument(help="Run folder: after.")],
    metric: Annotated[str, typer.Option(help="One metric, or 'all'; default: each task's primary one.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Did a change help? Compare two runs, paired by task, model, seed and patient.

    Differences are second minus first. Runs on other data or under another profile are refused.

    benchmark compare results/before results/after
    """
    from benchmark import load_run
    from benchmark.cli.text import columns, echo, echo_json, warn

    runs = [load_run(path) for path in (first, second)]
    found = runs[0].compare(runs[1], metric or None)
    if json:
        echo_json({"changes": [_plain(change) for change in found.changes], "left_out": list(found.left_out)})
        return
    echo(f"{runs[1].path} minus {runs[0].path}")
    heading = [
        "task",
        "model",
        "metric",
        "first",
        "second",
        "difference",
        "95 % interval",
        "n",
        "seeds",
        "p",
        "verdict",
    ]
    for line in columns([heading, *(_line(change) for change in found.changes)]):
        echo(line)
    echo(
        f"p: signed-rank test over patients, after Holm over {len(found.changes)} rows. Patients are averaged over the "
        "seeds that both runs have; what other seeds would change is not in p or interval."
    )
    warn(f"left out: {reason}" for reason in found.left_out)


def _line(change: Change) -> list[str]:
    interval = change.difference.interval
    unit = f" ({change.unit})" if change.unit else ""
    return [
        change.task,
        change.model,
        f"{change.label}{unit}",
        f"{change.first:.4g}",
        f"{change.second:.4g}",
        f"{interval.mean:+.3g}",
        f"{interval.low:+.3g} .. {interval.high:+.3g}",
        str(interval.n),
        str(change.seeds),
        f"{change.adjusted_p:.2g}",
        change.verdict,
    ]


def _plain(change: Change) -> dict[str, Any]:
    """For JSON, where there is no NaN and no infinity."""
    import math

    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    interval, effect = change.difference.interval, change.difference.effect
    return {
        "task": change.task,
        "model": change.model,
        "metric": change.metric,
        "unit": change.unit,
        "higher_is_better": change.higher_is_better,
        "seeds": change.seeds,
        "patients": interval.n,
        "first": number(change.first),
        "second": number(change.second),
        "difference": number(interval.mean),
        "interval": [number(interval.low), number(interval.high)],
        "effect_size": number(effect.size),
        "effect_interval": [number(effect.low), number(effect.high)],
        "p": number(change.difference.p),
        "adjusted_p": number(change.adjusted_p),
        "verdict": change.verdict,
    }
