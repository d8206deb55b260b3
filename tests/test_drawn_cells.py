"""Cells of models that draw images, from the outside: a table of their own, scored again, never translated with."""

from __future__ import annotations

import json

import pytest
from command_line import CommandLine

SMOKE = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-copy,toy-drawer", "--name", "x")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A run of a translator and of a model that draws."""
    command = CommandLine.make(tmp_path_factory.mktemp("drawn"))
    ended = command(*SMOKE)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return command


def test_it_has_a_table_and_a_profile_of_its_own(drawn: CommandLine) -> None:
    records = drawn.records("results/x")
    assert records["toy-drawer"]["profile"] == "toy-sets/1"
    assert records["toy-copy"]["profile"] == "toy/1"
    score = records["toy-drawer"]["scores"]["toy-share"]
    assert score["state"] == "scored"
    assert 0.3 < score["interval"][0] <= score["mean"] <= score["interval"][1] < 0.7
    tables = json.loads(drawn("leaderboard", "results/x", "--json").stdout)["tables"]
    assert sorted([row["name"] for row in table["rows"]] for table in tables) == [["toy-copy"], ["toy-drawer"]]


def test_its_stored_images_give_the_same_score_again(drawn: CommandLine) -> None:
    before = drawn.records("results/x")["toy-drawer"]
    verified = drawn("verify", "results/x")
    assert verified.returncode == 0
    assert "2 cells hold what they say" in verified.stdout
    assert drawn(*SMOKE, "--rescore").returncode == 0
    after = drawn.records("results/x")["toy-drawer"]
    assert after["scores"] == before["scores"]
    assert after["files"]["predictions.h5"] == before["files"]["predictions.h5"]


@pytest.mark.parametrize("command", [("translate", "CELL", "a.nii.gz", "b.nii.gz"), ("export", "CELL", "--onnx")])
def test_nothing_is_translated_with_it(drawn: CommandLine, command: tuple[str, ...]) -> None:
    (drawn.folder / "a.nii.gz").touch()
    arguments = ["results/x/toy-shift/toy-drawer/s0" if word == "CELL" else word for word in command]
    ended = drawn(*arguments)
    assert ended.returncode == 2
    assert "toy-drawer draws images and translates none" in ended.stderr
    assert not (drawn.folder / "b.nii.gz").exists()
