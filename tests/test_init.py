"""``benchmark run --init RUN/CELL``: training starts from the networks of a finished cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import CommandLine
from torch import nn

from benchmark.cell.start import start_from
from benchmark.contracts.specs import TaskSpec
from benchmark.errors import UsageError
from benchmark.plan.claim import Start
from benchmark.plan.starting import StartingCell

RUN = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-affine,toy-copy")
CELL = "results/first/toy-shift/toy-affine/s0"


def cell(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Record and checkpoint of the cell of toy-affine."""
    records = [json.loads(path.read_text()) for path in (folder / "results" / name).glob("cells/*/record.json")]
    record = next(record for record in records if record["name"] == "toy-affine")
    path = folder / "results" / name / "cells" / record["id"] / "checkpoint.pt"
    return record, torch.load(path, weights_only=True)


def test_training_starts_where_another_ended(toy: CommandLine) -> None:
    assert toy(*RUN, "--name", "first", "--steps", "6").returncode == 0
    ended = toy(*RUN, "--name", "second", "--steps", "1", "--init", CELL, "--recipe", "learning_rate=1e-9")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (first, before), (second, after) = (cell(toy.folder, name) for name in ("first", "second"))
    for name, weight in before["model"]["net"].items():
        assert torch.allclose(after["model"]["net"][name], weight, atol=1e-7)
    assert after["model"]["optimiser"]["state"][0]["step"] == 1, "optimisers start afresh"
    assert second["spec"]["start"]["cell"] == first["id"]
    assert second["id"] != first["id"]
    for address, said in (
        ("results/first/toy-shift/toy-copy", "toy-copy is fixed; start from a cell that was trained"),
        ("results/first/toy-shift/nobody", "no cell 'toy-shift/nobody'"),
        ("results/none", "no run there"),
    ):
        refused = toy(*RUN, "--init", address)
        assert refused.returncode == 2
        assert said in refused.stderr
    other = toy("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-slow", "--init", CELL)
    assert other.returncode == 2
    assert "its networks are of toy-affine, not toy-slow; give --models toy-affine" in other.stderr


def test_other_units_are_refused() -> None:
    task = TaskSpec(
        "t", "a.b:c", source_modality="A", target_modality="B", source_unit="SUV", target_unit="HU", profile="p"
    )
    start = StartingCell("run/cell", Start("id", "sha", "path"), "m", ("a.u.", "HU"))
    with pytest.raises(UsageError, match=r"it translates a\.u\. to HU, and t is SUV to HU"):
        start.check("m", task)


class Networks:
    """What is asked of a model."""

    def __init__(self, **networks: nn.Module) -> None:
        self._networks = networks

    def networks(self) -> dict[str, nn.Module]:
        return self._networks


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"generator": nn.Conv2d(1, 2, 3)}, "weight of generator is 2x1x3x3 there and 1x1x3x3 here"),
        ({"generator": nn.Conv2d(1, 1, 3, bias=False)}, "bias of generator is missing there and 1 here"),
        ({"generator_a": nn.Conv2d(1, 1, 3)}, "its networks are generator_a, and here they are generator"),
    ],
)
def test_another_architecture_is_refused(other: dict[str, nn.Module], said: str) -> None:
    weights = {name: network.state_dict() for name, network in other.items()}
    with pytest.raises(UsageError, match=said):
        start_from(Networks(generator=nn.Conv2d(1, 1, 3)), weights, "run/cell")
