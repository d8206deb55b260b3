"""``benchmark run --budgets``: one training from which each budget branches its own decay."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import CommandLine
from test_run_toy import wait_for

BUDGETS = ("run", "--grid", "toy", "--preset", "smoke", "--recipe", "decay_from=0.5", "--models", "toy-affine")


def run_folder(toy: CommandLine) -> Path:
    (folder,) = (toy.folder / "results").iterdir()
    return folder


def cells(folder: Path) -> dict[str, dict[str, Any]]:
    """Records by what stands behind the task in their address."""
    records = [json.loads(path.read_text()) for path in folder.glob("cells/*/record.json")]
    labels = {r["id"]: r["spec"].get("budget", {}).get("amount", 0) for r in records}
    return {f"{r['name']} s{r['seed']} b{labels[r['id']]:g}": r for r in records}


def weights(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    saved = torch.load(folder / "cells" / record["id"] / "checkpoint.pt", weights_only=True)
    return {"step": saved["step"], "random": saved["random"]["torch"].tolist(), **saved["model"]["net"]}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]
        for name, value in one.items()
    )


def test_a_branch_is_the_cell_that_a_run_of_its_length_makes(toy: CommandLine) -> None:
    assert toy(*BUDGETS, "--budgets", "8,20", "--jobs", "1").returncode == 0
    branched = run_folder(toy)
    found = cells(branched)
    assert [found[f"toy-affine s0 b{n}"]["training"]["branched_at"] for n in (8, 20)] == [0, 4]
    assert sorted(path.name for path in branched.glob("trunks/*/*.pt")) == ["10.pt", "4.pt"]
    for steps in (8, 20):
        alone = toy(*BUDGETS, "--steps", str(steps), "--name", f"alone-{steps}")
        assert alone.returncode == 0, alone.stderr
        plain = toy.folder / "results" / f"alone-{steps}"
        (record,) = cells(plain).values()
        branch = found[f"toy-affine s0 b{steps}"]
        assert branch["id"] == record["id"], "a budget is no part of the claim"
        assert branch["scores"] == record["scores"]
        assert same(weights(branched, branch), weights(plain, record))
        assert not (plain / "trunks").exists()


def test_a_finished_run_is_lengthened_without_starting_again(toy: CommandLine) -> None:
    assert toy(*BUDGETS, "--budgets", "8,20").returncode == 0
    before = {path: path.stat().st_mtime_ns for path in run_folder(toy).glob("cells/*/*")}
    longer = toy(*BUDGETS, "--budgets", "8,20,40")
    assert longer.returncode == 0, longer.stderr
    assert "2 of 3 cells are done already" in longer.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert cells(run_folder(toy))["toy-affine s0 b40"]["training"]["branched_at"] == 10


@pytest.mark.slow
def test_killed_in_a_branch_and_run_again_it_is_the_same_to_the_bit(toy: CommandLine) -> None:
    request = (*BUDGETS[:-1], "toy-slow", "--budgets", "8,120", "--jobs", "1", "-p", "toy-slow.seconds=0.02")
    process = toy.start(*request)
    wait_for(lambda: list((toy.folder / "results").glob("*/trunks/*/60.pt")))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    folder = run_folder(toy)
    assert cells(folder)["toy-slow s0 b120"]["state"] == "running"
    assert toy(*request).returncode == 0
    branch = cells(folder)["toy-slow s0 b120"]
    assert branch["training"]["branched_at"] == 60
    whole = toy(*BUDGETS[:-1], "toy-slow", "--steps", "120", "-p", "toy-slow.seconds=0", "--name", "whole")
    assert whole.returncode == 0
    (record,) = cells(toy.folder / "results" / "whole").values()
    assert same(weights(folder, branch), weights(toy.folder / "results" / "whole", record))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--budgets", "0"), "budget '0': give a number of training steps above 0"),
        (("--budgets", "many"), "budget 'many'"),
        (("--budgets", "1.5"), "whole numbers"),
        (("--budgets", "8", "--steps", "9"), "leave out --steps"),
        (("--budget-in", "flops"), "--budgets"),
        (("--budgets", "8", "--budget-in", "hours"), "hours"),
    ],
)
def test_a_budget_that_cannot_be_is_one_clear_line(toy: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    ended = toy(*BUDGETS, *arguments)
    assert ended.returncode == 2
    assert said in " ".join(ended.stderr.split())
