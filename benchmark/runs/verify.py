"""Score stored predictions again, and compare with what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.registry.plugins import Registry

if TYPE_CHECKING:
    from benchmark.store.folder import RunFolder


def examine(folder: RunFolder, record: Mapping[str, Any], found: Registry) -> str:
    """What is wrong with a cell; empty when its numbers come out again to the last digit."""
    from benchmark.data.format.reader import Dataset
    from benchmark.scoring.downstream import measure
    from benchmark.scoring.score import make_judge, score

    if record["state"] != "done":
        return f"{record['state']}: {record['reason']}" if record["reason"] else str(record["state"])
    path = Path(record["spec"]["dataset"]["path"])
    if not path.is_file():
        return f"its data set {path} is not here any more"
    with Dataset(path) as dataset:
        judge = make_judge(found, record["spec"]["profile"], dataset)
        if judge.definition != record["profile_definition"]:
            return f"was scored under another definition of {judge.profile.id}; run with --rescore"
        predictions = folder.cell(record["id"]).file("predictions.h5")
        again = score(judge, dataset, predictions, record)
        measured = measure(found, dataset, predictions, record).summary if record.get("measures") else {}
    for metric, recorded in record["scores"].items():
        if recorded["state"] != "scored" or again.summary[metric]["state"] != "scored":
            continue
        for patient, value in recorded["patients"].items():
            if (now := again.summary[metric]["patients"].get(patient)) != value:
                return f"{metric} of {patient} is recorded as {value!r} and comes out as {now!r}"
        if (now := again.summary[metric]["mean"]) != recorded["mean"]:
            return f"{metric} is recorded as {recorded['mean']!r} and comes out as {now!r}"
    for name, recorded in (record.get("measures") or {}).items():
        if (now := measured.get(name)) is None:
            return f"measure {name} is recorded and no installed plugin offers it"
        if _numbers(now) != _numbers(recorded):
            return f"measure {name} is recorded as {_values(recorded)} and comes out as {_values(now)}"
    return ""


def _numbers(measure: dict[str, Any]) -> Any:
    """What has to come out again: state, and every number by value."""
    values = measure.get("values", {})
    return measure["state"], {name: (each["patients"], each["mean"], each["target"]) for name, each in values.items()}


def _values(measure: dict[str, Any]) -> str:
    """A measure's means, or why it has none."""
    if measure["state"] != "scored":
        return f"{measure['state']} ({measure['reason']})"
    return ", ".join(f"{name} {value['mean']!r}" for name, value in measure["values"].items())
