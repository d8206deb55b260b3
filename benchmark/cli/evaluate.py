"""``benchmark evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.registry.plugins import Registry, registry

if TYPE_CHECKING:
    from benchmark.evaluation.evaluate import Evaluation


def evaluate(
    task: Annotated[str, typer.Option("--task", help="What was translated; 'benchmark list tasks'.")],
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            help="Folder of PATIENT.nii.gz, PATIENT_STUDY.nii.gz or PATIENT/STUDY.nii.gz (.nii, .npy, .mha, "
            ".nrrd too), on the scan's grid or the data set's; or an mi2i-predictions/1 HDF5 file. In the target's "
            "unit.",
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Metric profile; default: the task's. 'benchmark list profiles'.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="The data set (mi2i/1); default: the one that the run used.")
    ] = None,
    into: Annotated[
        Path, typer.Option("--into", help="Run folder whose leaderboard it joins; made where there is none.")
    ] = Path("results/evaluated"),
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the row; default: the name of the predictions.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Folder of label maps found in the predictions, for metrics of structures."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Training seed, where there are several predictions.")] = 0,
    trust_unit: Annotated[
        bool, typer.Option("--trust-unit", help="Score values that cannot be in the target's unit as they are.")
    ] = False,
    same_method: Annotated[
        bool, typer.Option("--same-method", help="They are of the method that the run trains under this name.")
    ] = False,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take the row called --name out of --into again; nothing is scored.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score predictions made anywhere, without training, and keep them where a leaderboard shows them.

    Only the test split counts. Studies that are missing or cannot be used are listed and counted; then the exit
    code is 1.
    """
    from benchmark.cli.text import echo, echo_json, warn
    from benchmark.errors import UsageError
    from benchmark.evaluation.evaluate import Request
    from benchmark.evaluation.evaluate import evaluate as run

    if withdraw:
        _withdraw(task, name, into, json)
        return
    if predictions is None:
        raise UsageError("say with --predictions what to score")
    found = registry()
    title = name or predictions.name.removesuffix(".h5")
    request = Request(task, predictions, into, title, profile, data, labels, seed, trust_unit, same_method)
    done = run(found, request, lambda line: warn([line]))
    warn([f"{finding.fault}: {finding.detail}; scored as they are" for finding in done.record.health])
    if json:
        echo_json(_as_json(done))
    else:
        for line in _lines(done, found):
            echo(line)
    raise typer.Exit(1 if done.missing or done.failed else 0)


def _withdraw(task: str, name: str | None, into: Path, json: bool) -> None:
    from benchmark.cli.text import count, echo, echo_json
    from benchmark.errors import UsageError
    from benchmark.evaluation.evaluate import withdraw
    from benchmark.store.folder import RunFolder

    if not name:
        raise UsageError("say with --name which row to withdraw")
    number = withdraw(RunFolder(into), task, name)
    if json:
        echo_json({"task": task, "name": name, "withdrawn": number})
    else:
        echo(f"withdrew {count(number, 'evaluation')} of {name} on {task} from {into}")


def _as_json(done: Evaluation) -> dict[str, Any]:
    record = done.record
    return {
        "task": record.task,
        "name": record.name,
        "profile": record.profile,
        "profile_definition": record.profile_definition,
        "dataset": done.data.to_json(),
        "studies": {
            "expected": done.expected,
            "scored": list(done.scored),
            "missing": list(done.missing),
            "failed": done.failed,
            "unused_files": list(done.unused),
        },
        "doubts": [{"fault": finding.fault, "studies": finding.detail} for finding in record.health],
        "scores": {name: score.to_json() for name, score in record.scores.items()},
        "cell": str(done.folder.cell(record.id).path),
    }


def _lines(done: Evaluation, found: Registry) -> list[str]:
    """The scores as a table, then what is missing and where everything is."""
    from benchmark.cli.text import columns, count
    from benchmark.data.format.schema import nature
    from benchmark.statistics.intervals import t_interval

    record, dataset = done.record, done.data
    head = f"{nature(True, dataset.degraded).upper()}, " if dataset.simulated else ""
    rows = [["metric", "mean", "95 % interval", "patients", ""]]
    for metric, score in record.scores.items():
        spec = found.metric(metric).spec
        unit = score.unit
        label = f"{spec.label} ({unit})" if unit else spec.label
        if not score.scored:
            rows.append([label, "-", "", "", score.reason])
            continue
        interval = t_interval(value for value in score.patients.values() if value is not None)
        shown = f"{score.mean:.{spec.digits}f}" if score.mean is not None else "-"
        low, high = score.interval or (interval.low, interval.high)
        limits = f"{low:.{spec.digits}f} .. {high:.{spec.digits}f}" if low is not None and low == low else ""
        notes = [f"perfect on {len(score.infinite)}"] if score.infinite else []
        if score.slices_excluded:
            notes.append(f"{score.slices_excluded} undefined")
        rows.append([label, shown, limits, f"{score.n_scored} of {score.n_expected}", ", ".join(notes)])
    lines = [
        f"{record.name} on {record.task}: {head}{dataset.name} {dataset.content_sha256[:8]}, profile {record.profile}",
        *columns(rows),
        f"{count(done.expected, 'study', 'studies')} expected: {len(done.scored)} scored, "
        f"{len(done.missing)} missing, {len(done.failed)} failed",
    ]
    if done.unused:
        lines.append(f"not used: {', '.join(done.unused[:5])}{', ...' if len(done.unused) > 5 else ''}")
    lines.append(f"kept in {done.folder.path}; shown by: benchmark leaderboard {done.folder.path}")
    return lines
