"""``benchmark run`` from the outside, with a plugin that the harness has never heard of."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import pytest
from command_line import CommandLine

from benchmark.store.folder import CellFolder
from benchmark.store.record import Record
from benchmark.store.seal import write_sealed

SMOKE = ("run", "--grid", "toy", "--preset", "smoke")
RUN = "results/toy-smoke-1seed"


def wait_for(condition: object, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_a_grid_runs_to_a_leaderboard_and_the_second_time_does_nothing(toy: CommandLine) -> None:
    first = toy(*SMOKE)
    assert first.returncode == 0, first.stderr
    records = toy.records(RUN)
    assert {name: record["state"] for name, record in records.items()} == dict.fromkeys(
        ("toy-affine", "toy-copy", "toy-mean"), "done"
    )
    for record in records.values():
        assert record["scores"]["toy-error"]["n_scored"] == record["scores"]["toy-error"]["n_expected"] == 3
        assert record["scores"]["toy-unavailable"]["state"] == "skipped"
        assert record["dataset"]["simulated"] is True
        assert record["profile"] == "toy/1"
    assert records["toy-affine"]["parameters"] == {"generator": 10}
    for suffix in ("md", "csv", "json"):
        assert (toy.folder / RUN / f"leaderboard.{suffix}").stat().st_size > 0
    assert "toy-affine" in first.stdout
    assert "simulated" in first.stdout.lower()
    before = {path: path.stat().st_mtime_ns for path in (toy.folder / RUN).glob("cells/*/*")}
    second = toy(*SMOKE)
    assert second.returncode == 0
    assert "3 of 3 cells are done already" in second.stdout
    assert before == {path: path.stat().st_mtime_ns for path in (toy.folder / RUN).glob("cells/*/*")}


def test_failures_are_rows_and_the_others_go_on(toy: CommandLine) -> None:
    models = "toy-affine,toy-nan,toy-crash,toy-lacking,toy-hu"
    ended = toy(*SMOKE, "--models", models, "--name", "x")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stdout + ended.stderr
    records = toy.records("results/x")
    assert {name: record["state"] for name, record in records.items()} == {
        "toy-affine": "done",
        "toy-nan": "failed",
        "toy-crash": "failed",
        "toy-lacking": "skipped",
        "toy-hu": "skipped",
    }
    assert "nan" in records["toy-nan"]["reason"]
    assert "SIGKILL" in records["toy-crash"]["reason"]
    assert "toy.pth" in records["toy-lacking"]["reason"]
    assert "HU" in records["toy-hu"]["reason"]
    log = toy.folder / "results/x/cells" / records["toy-nan"]["id"] / "error.txt"
    assert "TrainingDiverged" in log.read_text()
    status = toy("status", "results/x")
    assert "2 failed" in status.stdout
    again = json.loads(toy("status", "results/x", "--json").stdout)
    assert {row["model"]: row["state"] for row in again}["toy-nan"] == "failed"


@pytest.mark.slow
def test_a_cell_that_takes_too_long_is_a_timeout(toy: CommandLine) -> None:
    ended = toy(*SMOKE, "--models", "toy-slow", "-p", "toy-slow.seconds=30", "--timeout", "3", "--name", "x")
    assert ended.returncode == 1
    assert toy.records("results/x")["toy-slow"]["state"] == "timeout"


def slow(toy: CommandLine, name: str) -> tuple[str, ...]:
    return (*SMOKE, "--models", "toy-affine,toy-slow", "-p", "toy-slow.seconds=0.3", "--steps", "20", "--name", name)


def checkpoint(toy: CommandLine, name: str) -> bytes:
    import torch

    cell = toy.records(f"results/{name}")["toy-slow"]["id"]
    payload = torch.load(toy.folder / f"results/{name}/cells/{cell}/checkpoint.pt", weights_only=True)
    return b"".join(value.numpy().tobytes() for value in payload["model"]["net"].values())


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_the_same_command_finishes_the_run(toy: CommandLine, how: signal.Signals) -> None:
    process = toy.start(*slow(toy, "broken"))
    folder = toy.folder / "results/broken"
    wait_for(lambda: any(len(path.read_text().splitlines()) > 4 for path in folder.glob("*/*/log.jsonl")))
    wait_for(lambda: toy.records("results/broken").get("toy-affine", {}).get("state") == "done")
    if how is signal.SIGKILL:
        os.kill(process.pid, how)  # the supervisor alone: its workers must notice
    else:
        os.killpg(process.pid, how)
    output, _ = process.communicate(timeout=60)
    if how is signal.SIGINT:
        assert process.returncode == 130, output
        assert "continues where it stopped" in output
        assert toy.records("results/broken")["toy-slow"]["state"] == "planned"
    finished = toy.records("results/broken")["toy-affine"]
    again = toy(*slow(toy, "broken"))
    assert again.returncode == 0, again.stdout + again.stderr
    assert toy.records("results/broken")["toy-affine"] == finished
    if how is signal.SIGINT:
        assert toy.records("results/broken")["toy-slow"]["training"]["resumed_at"] > 0
    assert toy(*slow(toy, "unbroken")).returncode == 0
    assert checkpoint(toy, "broken") == checkpoint(toy, "unbroken")


def test_workers_end_with_their_supervisor(toy: CommandLine) -> None:
    process = toy.start(*SMOKE, "--models", "toy-slow", "-p", "toy-slow.seconds=1", "--name", "x")
    wait_for(lambda: "toy-slow" in toy.records("results/x") and "pid" in toy.records("results/x")["toy-slow"])
    worker = toy.records("results/x")["toy-slow"]["pid"]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text(), 10)


def test_a_run_of_another_plan_in_the_same_folder_is_refused_by_name(toy: CommandLine) -> None:
    arguments = (*SMOKE, "--models", "toy-slow", "-p", "toy-slow.seconds=1", "--name", "x", "--lost-seconds", "2")
    process = toy.start(*arguments)
    try:
        wait_for(lambda: "pid" in toy.records("results/x").get("toy-slow", {}))
        second = toy(*arguments, "--steps", "7")
        assert second.returncode == 1
        assert f"process {toy.records('results/x')['toy-slow']['pid']}" in second.stderr
        assert "another plan" in second.stderr
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)


def test_a_model_that_prints_does_not_disturb_the_display(toy: CommandLine) -> None:
    ended = toy.alone(*SMOKE, "--models", "toy-talker", "--name", "x")
    assert ended.returncode == 0
    assert "chatter" not in ended.stdout + ended.stderr
    cell = toy.records("results/x")["toy-talker"]["id"]
    output = (toy.folder / "results/x/cells" / cell / "output.txt").read_text()
    assert "chatter from a model" in output
    assert "more chatter" in output


@pytest.mark.parametrize("fault", ["nan", "raise"])
def test_a_builder_that_fails_fails_its_cells_with_the_reason(toy: CommandLine, fault: str) -> None:
    ended = toy(*SMOKE, "-p", f"toy-shift.fault={fault}", "--name", "x")
    assert ended.returncode == 1
    reason = toy.records("results/x")["toy-affine"]["reason"]
    assert "could not be built" in reason
    assert ("NaN" if fault == "nan" else "asked to fail") in reason
    assert not list(toy.folder.glob("datasets/*.h5"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--grid", "tooy"), "'toy'"),
        ((*SMOKE, "--models", "toy-affin"), "'toy-affine'"),
        ((*SMOKE, "--tasks", "toy-shif"), "'toy-shift'"),
        (("run", "--grid", "toy", "--preset", "tiny"), "preset"),
        ((*SMOKE, "--data", "toy-shift=missing.h5"), "missing.h5"),
        ((*SMOKE, "--data", "toy-shift"), "TASK=FILE"),
        ((*SMOKE, "-p", "toy-affine.bia=1"), "'bias'"),
        ((*SMOKE, "-p", "nonsense"), "NAME.OPTION=VALUE"),
        ((*SMOKE, "--device", "tpu"), "cuda"),
        ((*SMOKE, "--jobs", "0"), "--jobs"),
        (("status", "nowhere"), "nowhere"),
        (("show", "model", "toy-afine"), "'toy-affine'"),
        (("list", "modles"), "'models'"),
    ],
)
def test_a_wrong_request_is_one_clear_line_and_exit_2(toy: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    ended = toy(*arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) <= 2


def test_a_results_folder_that_cannot_be_written_is_one_clear_line(toy: CommandLine) -> None:
    (toy.folder / "file").write_text("in the way")
    ended = toy(*SMOKE, "--results", "file/results")
    assert ended.returncode == 1
    assert "--results" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_edited_prediction_is_noticed_and_made_again(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, Path(RUN).name)
    cell = toy.folder / RUN / "cells" / toy.records(RUN)["toy-affine"]["id"]
    trained = (cell / "checkpoint.pt").read_bytes()
    (cell / "predictions.h5").write_bytes(b"tampered")
    assert "predictions.h5 was altered" in toy("status", RUN).stdout
    assert toy(*SMOKE).returncode == 0
    assert "3 done" in toy("status", RUN).stdout
    assert (cell / "checkpoint.pt").read_bytes()[:4] == trained[:4]


def test_a_changed_option_makes_the_old_cell_stale_and_says_which(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, Path(RUN).name)
    assert toy(*SMOKE, "--name", Path(RUN).name, "-p", "toy-affine.bias=false").returncode == 0
    status = toy("status", RUN).stdout
    assert "stale" in status
    assert "options.bias changed" in status
    explained = toy("explain", f"{RUN}/toy-shift/toy-affine/s0")
    assert "options.bias" in explained.stdout


def test_rescoring_trains_nothing(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, Path(RUN).name)
    before = toy.records(RUN)["toy-affine"]
    assert toy(*SMOKE, "--rescore").returncode == 0
    after = toy.records(RUN)["toy-affine"]
    assert after["files"]["checkpoint.pt"] == before["files"]["checkpoint.pt"]
    assert after["scores"] == before["scores"]


def test_verify_scores_again_and_finds_a_number_that_was_changed(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, Path(RUN).name)
    good = toy("verify", RUN)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "3 cells hold what they say" in good.stdout
    record = toy.records(RUN)["toy-mean"]
    cell = CellFolder(toy.folder / RUN / "cells" / record["id"])
    del record["sha256"]
    record["scores"]["toy-error"]["patients"]["test00"] += 1e-9
    cell.write(Record.from_json(record))
    bad = toy("verify", RUN)
    assert bad.returncode == 1
    assert "toy-error.patients.test00 is recorded as" in bad.stdout


def test_a_run_of_one_seed_says_how_to_go_on_and_goes_on(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, Path(RUN).name)
    once = toy(*SMOKE)
    line = next(line for line in once.stdout.splitlines() if line.startswith("trained once"))
    command = shlex.split(line.partition("To go on from here: ")[2])
    assert command == ["benchmark", *SMOKE, "--seeds", "3", "--name", "toy-smoke-1seed"]
    before = {path: path.stat().st_mtime_ns for path in (toy.folder / RUN).glob("cells/*/record.json")}
    more = toy(*command[1:])
    assert more.returncode == 0, more.stderr
    assert "trained once" not in more.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    seeds = sorted(json.loads(path.read_text())["seed"] for path in (toy.folder / RUN).glob("cells/*/record.json"))
    assert seeds.count(0) == seeds.count(1) == seeds.count(2) == 3


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_signed_run_says_by_whom_and_a_changed_one_that_it_is_not(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, Path(RUN).name)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(toy.folder / "key")], check=True)
    (toy.folder / "allowed").write_text(f"alice {(toy.folder / 'key.pub').read_text()}")
    before = toy("verify", RUN, "--signers", "allowed")
    assert before.returncode == 1
    assert "signed.txt: signature: the run is not signed" in before.stdout
    signed = toy("sign", RUN, "--key", "key")
    assert "signed 3 records and the plan" in signed.stdout, signed.stderr
    good = toy("verify", RUN, "--signers", "allowed")
    assert good.returncode == 0, good.stdout + good.stderr
    assert "3 cells hold what they say; signed by alice" in good.stdout
    assert toy(*SMOKE, "--rescore").returncode == 0
    changed = toy("verify", RUN, "--signers", "allowed", "--json")
    assert changed.returncode == 1
    assert {row["problem"] for row in json.loads(changed.stdout)} == {
        "",
        "signature: it is not the one that was signed",
    }


def edited(toy: CommandLine, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """A record that somebody changed, and hashed again."""
    record = toy.records(RUN)[name]
    del record["sha256"]
    change(record)
    write_sealed(toy.folder / RUN / "cells" / record["id"] / "record.json", record)


def test_a_model_has_the_weights_that_its_record_says(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, Path(RUN).name)
    edited(toy, "toy-affine", lambda record: record.update(parameters=dict.fromkeys(record["parameters"], 1)))
    ended = toy("verify", RUN)
    assert ended.returncode == 1
    assert re.search(r"parameters\.\w+ is recorded as 1 and comes out as", ended.stdout), ended.stdout


def one_patient_less(record: dict[str, Any]) -> None:
    for score in record["scores"].values():
        if score["state"] == "scored":
            del score["patients"]["test00"]
            score["n_expected"] -= 1
            score["n_scored"] -= 1


@pytest.mark.parametrize(
    "changes",
    [
        [
            (
                lambda record: record["scores"]["toy-error"].update(infinite=["test00"]),
                "toy-error.infinite is recorded",
            ),
            (one_patient_less, "toy-error.patients.test00 comes out and is not recorded"),
            (lambda record: record["dataset"].update(simulated=False), "dataset.simulated is recorded as False"),
        ],
        [
            (lambda record: record.update(kind="evaluated"), "kind is recorded as 'evaluated'"),
            (lambda record: record.update(baseline=not record["baseline"]), "baseline is recorded as"),
            (lambda record: record["spec"].update(seed=7), "and its claim says"),
        ],
        [
            (lambda record: record["scores"]["toy-error"].update(unit="dB"), "toy-error.unit is recorded as 'dB'"),
            (lambda record: record["scores"]["toy-error"].update(n_failed=1), "toy-error.n_failed is recorded as 1"),
            (lambda record: record["scores"].pop("toy-error"), "toy-error comes out and is not recorded"),
        ],
    ],
    ids=["scores and data", "identity", "units and counts"],
)
def test_a_record_that_was_changed_and_hashed_again_is_found(
    toy: CommandLine, finished: Path, changes: Sequence[tuple[Callable[[dict[str, Any]], Any], str]]
) -> None:
    toy.adopt(finished, Path(RUN).name)
    for name, (change, _) in zip(("toy-affine", "toy-copy", "toy-mean"), changes, strict=True):
        edited(toy, name, change)
    ended = toy("verify", RUN, "--json")
    assert ended.returncode == 1, ended.stderr
    problems = {row["cell"].split("/")[1]: row["problem"] for row in json.loads(ended.stdout)}
    for name, (_, said) in zip(("toy-affine", "toy-copy", "toy-mean"), changes, strict=True):
        assert said in problems[name]


def test_predictions_cannot_pose_as_another_seed_of_what_the_run_trained(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, Path(RUN).name)
    posing = ("evaluate", "--task", "toy-shift", "--predictions", "nowhere", "--into", RUN, "--name", "toy-affine")
    refused = toy(*posing, "--seed", "1")
    assert refused.returncode == 2
    assert "'toy-affine' is a model that" in " ".join(refused.stderr.split())
    meant = toy(*posing, "--seed", "1", "--same-method")
    assert "no such file or folder" in " ".join(meant.stderr.split())


def test_targets_overwritten_by_predictions_under_the_stated_hash_are_found(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, Path(RUN).name)
    (data,) = (toy.folder / "datasets").glob("*.h5")
    for name in ("toy-affine", "toy-copy", "toy-mean"):  # their data are the copy's, where they can be spoiled
        edited(toy, name, lambda record: record["spec"]["dataset"].update(path=str(data)))
    assert toy("verify", RUN).returncode == 0
    with h5py.File(data, "r+") as file:
        targets: list[h5py.Dataset] = []
        file.visititems(lambda name, item: targets.append(item) if name.endswith("target") and "test" in name else None)
        assert targets
        for target in targets:
            if isinstance(target, h5py.Dataset):
                target[...] = target[...] + 1
    ended = toy("verify", RUN)
    assert ended.returncode == 1
    assert "and the file says" in ended.stdout


def test_the_same_grid_in_another_folder_gives_the_same_numbers(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, Path(RUN).name)
    assert toy(*SMOKE, "--results", "b", "--jobs", "1").returncode == 0
    first, second = toy.records(RUN), toy.records("b/toy-smoke-1seed")
    for name in first:
        assert first[name]["id"] == second[name]["id"]
        assert first[name]["scores"] == second[name]["scores"]


def test_help_is_there_for_every_command(toy: CommandLine) -> None:
    for command in ("run", "status", "leaderboard", "explain", "verify", "list", "show", "plugins", "doctor", "data"):
        shown = toy(command, "--help")
        assert shown.returncode == 0
        assert "Usage" in shown.stdout


def test_doctor_prints_and_finds_the_plugin(toy: CommandLine) -> None:
    shown = toy("doctor")
    assert "plugin toy (benchmark-toy 1.2.3)" in shown.stdout
