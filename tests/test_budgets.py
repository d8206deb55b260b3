"""``benchmark run --budgets``: one training from which each budget branches its own decay."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import CommandLine
from made_records import made, spec
from test_leaderboard import METRICS, scored
from test_run_toy import wait_for
from torch import nn

from benchmark.cell.cost import StepCost, step_cost
from benchmark.contracts.budget import Budget, budgets_from
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import PRESETS
from benchmark.contracts.protocols import Batch, ModelContext, TaskInfo
from benchmark.contracts.specs import ModelSpec
from benchmark.errors import UsageError
from benchmark.json_fields import Fields
from benchmark.leaderboard import Leaderboard, build, to_csv, to_json, to_text
from benchmark.leaderboard.budgets import at_budget
from benchmark.plan.claim import CellSpec, Start
from benchmark.plan.expand import PlannedCell
from benchmark.plan.grid import parse_grid
from benchmark.report.budget_charts import against_budget
from benchmark.report.curve_figure import curve_figure
from benchmark.store.plan_table import cells_from_json, cells_to_json

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
    plain = toy(*BUDGETS, "--steps", "20", "--name", run_folder(toy).name)
    assert "1 of 1 cells are done already" in plain.stdout, "a cell of a budget is that of a run of its length"
    record = cells(run_folder(toy))["toy-affine s0 b0"]
    assert record["spec"]["recipe"]["steps"] == 20, "asked for without budgets, it stands in the table without one"


@pytest.mark.slow
def test_killed_in_a_branch_and_run_again_it_is_the_same_to_the_bit(toy: CommandLine) -> None:
    request = (*BUDGETS[:-1], "toy-slow", "--budgets", "8,120", "--jobs", "1", "-p", "toy-slow.seconds=0.02")
    process = toy.start(*request)
    wait_for(lambda: list((toy.folder / "results").glob("*/trunks/*/60.pt")))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    folder = run_folder(toy)
    assert "toy-slow s0 b120" not in cells(folder)  # what is not finished lies with its lease
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


def test_two_budgets_that_are_one_training_say_so_in_a_line(toy: CommandLine) -> None:
    planned = toy(*BUDGETS, "--budget-in", "flops", "--budgets", "100000000,100000001", "--seeds", "2", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    (line,) = [line for line in planned.stdout.splitlines() if "as many steps as" in line]
    assert line == (
        "100000001 flops buys toy-shift/toy-affine as many steps as 100000000 flops: trained once, shown at "
        "100000000 flops alone"
    )


def boards() -> Leaderboard:
    """Two models that change places between 100 and 1,000 steps, beyond chance, and a baseline."""
    definition = {"id": "physical/1", "unit": "HU", "primary": "psnr", "metrics": [{"metric": "psnr"}]}
    common = {"task": "t", "state": "done", "profile_definition": definition}
    records = []
    for name, levels in {"early": (30.0, 31.0), "late": (25.0, 36.0)}.items():
        for budget, level in zip((100, 1000), levels, strict=True):
            for seed in range(3):
                values = [level + 0.3 * patient + 0.1 * seed for patient in range(12)]
                facts = {"model": name, "seed": seed, "id": f"{name}{budget}{seed}"}
                training = {"steps": budget, "flops_per_step": 1e9, "updates_per_step": 3.0}
                record = made({**common, **facts, "scores": {"psnr": scored(values)}, "training": training})
                records.append(replace(record, spec=replace(record.spec, budget=Budget(float(budget)))))
    copy = {
        "model": "copy",
        "kind": "fixed",
        "baseline": True,
        "scores": {"psnr": scored([20.0 + x for x in range(12)])},
    }
    return build([*records, made({**common, **copy})], METRICS)


def test_a_leaderboard_has_a_table_for_each_budget_and_the_curve_over_them() -> None:
    board = boards()
    assert [str(table.budget) for table in board.tables] == ["100 steps", "1000 steps"]
    assert [[row.name for row in table.rows] for table in board.tables] == [
        ["early", "late", "copy"],
        ["late", "early", "copy"],
    ]
    rows = {row.name: row for row in board.tables[1].rows}
    assert (rows["late"].steps, rows["late"].updates, rows["late"].flops) == (1000, 3000.0, 1e12)
    assert (rows["copy"].steps, rows["copy"].updates, rows["copy"].flops) == (0, 0.0, 0.0)
    (curve,) = board.curves
    assert [point.rank for point in curve.rows["late"]] == [2, 1]
    assert curve.free == ("copy",)
    assert json.loads(to_json(board))["curves"][0]["free"] == ["copy"]
    (turn,) = curve.turns
    assert (turn.winner, turn.loser, turn.claimed) == ("late", "early", True)
    text = to_text(board, 160)
    assert "rank and PSNR against budget" in text
    assert "From 100 to 1000: late passes early." in text
    assert "3000" in text, "the table of a currency shows the others"
    lines = [line.split(",") for line in to_csv(board).splitlines()]
    budgets = {line[lines[0].index("budget")] for line in lines[1:]}
    assert budgets == {"100.0", "1000.0"}
    assert board.overall is None, "budgets of one task are not several tasks"


def test_one_budget_can_be_asked_for_and_one_above_what_was_trained_is_refused() -> None:
    board = boards()
    (table,) = at_budget(board, "1e3", "results/run").tables
    assert table == board.tables[1]
    with pytest.raises(UsageError, match=r"was trained for 100, 1000 steps; .* --budgets 100,1000,3000 goes on"):
        at_budget(board, "3000", "results/run")
    with pytest.raises(UsageError, match="it has no budgets"):
        at_budget(Leaderboard((), None), "3000", "results/run")


def test_the_report_draws_rank_and_metric_against_budget() -> None:
    charts = against_budget(boards().curves[0])
    assert [chart.title for chart in charts] == ["PSNR against budget", "Rank against budget"]
    points = charts[1].spec["data"]["values"]
    assert {"model": "late", "budget": 1000.0, "rank": 1, "low": 1, "high": 1} in points


def test_the_curve_is_drawn_for_papers() -> None:
    figure = curve_figure(boards())
    values, ranks = figure.axes
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["late", "early", "copy"]
    assert [label.get_text() for label in values.get_xticklabels()] == ["100", "1000"]
    assert "simulated data" in figure.get_suptitle()
    drawn: dict[str, Any] = {str(container.get_label()): container for container in ranks.containers}
    assert list(drawn["late"].lines[0].get_ydata()) == [2, 1]
    assert drawn["copy"].lines[0].get_marker() == "None", "what uses no budget has no marks on it"
    with pytest.raises(UsageError, match="say which task: t"):
        curve_figure(boards(), "other")
    with pytest.raises(UsageError, match="two budgets or more"):
        curve_figure(Leaderboard((), None))


@pytest.mark.parametrize(
    ("said", "currency", "amount", "label"),
    [(300, "steps", 300.0, "300"), ("1e3", "updates", 1000.0, "1000"), ("2.5T", "flops", 2.5e12, "2.5e12")],
)
def test_an_amount_is_a_number_with_a_label_of_its_own(said: Any, currency: Any, amount: float, label: str) -> None:
    (budget,) = budgets_from([said, said], currency)
    assert (budget.amount, budget.label) == (amount, label)
    assert Budget.from_json(budget.to_json()) == budget


def test_a_currency_becomes_the_steps_that_it_pays_for() -> None:
    assert Budget(900, "updates").steps(3.0, "m") == 300
    assert Budget(1e12, "flops").steps(2.1e9, "m") == 476
    with pytest.raises(UsageError, match="cannot be counted"):
        Budget(1e12, "flops").steps(None, "m")
    with pytest.raises(UsageError, match="less than one step of m"):
        Budget(1e3, "flops").steps(2.1e9, "m")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('budgets = []\nbudget_in = "steps"', "'budgets' must be a list of numbers"),
        ("budgets = [100, -3]", "budget -3: give a number"),
        ("budgets = 100", "'budgets' must be a list of numbers"),
        ('budgets = [100]\nbudget_in = "hours"', "no currency of budgets 'hours'"),
    ],
)
def test_a_grid_file_may_have_budgets(lines: str, said: str) -> None:
    entries = '[[entries]]\ntasks = ["t"]\nmodels = ["m"]\n'
    with pytest.raises(UsageError, match=said):
        parse_grid(f"{lines}\n{entries}", "mine.toml")
    grid = parse_grid(f'budgets = [3e12, 1e12]\nbudget_in = "flops"\n{entries}', "mine.toml")
    assert [str(budget) for budget in grid.budgets] == ["1e12 flops", "3e12 flops"]


class Twice:
    """Updates its generator twice in a step, its discriminator once."""

    def __init__(self, options: None, context: ModelContext) -> None:
        self.nets = {name: nn.Conv2d(1, 2, 3, padding=1, bias=False) for name in ("generator", "discriminator")}
        self.optimisers = {name: torch.optim.SGD(net.parameters(), 1e-3) for name, net in self.nets.items()}

    def networks(self) -> dict[str, nn.Module]:
        return self.nets

    def training_step(self, batch: Batch) -> dict[str, torch.Tensor]:
        for name in ("discriminator", "generator", "generator"):
            loss = self.nets[name](batch.source).mean()
            self.optimisers[name].zero_grad()
            loss.backward()
            self.optimisers[name].step()
        return {"loss": loss.detach()}


def test_a_step_is_counted_in_updates_and_operations_whoever_wrote_the_model() -> None:
    recipe = PRESETS["smoke"].recipe.changed({"batch_size": 2})
    images = IntensityMap("HU", -1024.0, 2000.0)
    task = TaskInfo("t", "A", "B", images, images, (8, 8), 4)
    context = ModelContext(task, recipe, 1, torch.device("cpu"), "smoke")
    before = torch.get_rng_state()
    cost = step_cost(ModelSpec("m", f"{__name__}:Twice"), {}, context)
    forward = 2 * 2 * 64 * 2 * 9  # two operations, two images of 64 pixels, two channels, nine weights
    assert cost == StepCost(flops=3 * 2 * forward, updates=2.0), "forward, and backward for the weights alone"
    assert torch.equal(torch.get_rng_state(), before)
    assert step_cost(ModelSpec("m", "nowhere:Net"), {}, context) == StepCost()


def test_what_a_step_costs_is_in_the_record_of_trainings_that_are_long_beside_it(toy: CommandLine) -> None:
    counted = {}
    for steps in ("99", "100"):
        assert toy("run", *BUDGETS[1:], "--steps", steps, "--name", steps).returncode == 0
        training = next(iter(toy.records(f"results/{steps}").values()))["training"]
        counted[steps] = training["updates_per_step"]
    assert counted == {"99": None, "100": 1.0}


def test_what_few_cells_have_is_kept_in_the_plan_and_in_records() -> None:
    plain = spec()
    unusual = replace(plain, budget=Budget(1e12, "flops"), split="val", start=Start("id", "sha", "path"), trials=12)
    cells = (PlannedCell(plain, 1.0, False), PlannedCell(unusual, 1.0, False))
    assert cells_from_json(Fields(json.loads(json.dumps(cells_to_json(cells))), "run")) == cells
    for one in (plain, unusual):
        assert CellSpec.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert not {"budget", "split", "start", "trials"} & {*plain.to_json(), *plain.claim}
    assert {*unusual.claim} - {*plain.claim} == {"split", "start"}
    assert unusual.title == "pet-ct/a/s0/b1e12"
