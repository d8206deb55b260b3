"""Fidelity beside use: rank correlations over models and within patients, and the sentence where both disagree."""

from __future__ import annotations

import json
from typing import Any

from made_records import made

from benchmark.contracts.specs import MetricSpec
from benchmark.leaderboard import Leaderboard, build, to_brief, to_json, to_text
from benchmark.leaderboard.tables import Table, Use
from benchmark.store.record import Record

METRICS = {"mae": MetricSpec("mae", "m:M", label="MAE", higher_is_better=False, unit="target", digits=2)}
PATIENTS = tuple("abcdefgh")
WOBBLE = (0.0, 0.2, -0.1, 0.1, 0.3, -0.2, 0.05, -0.15)


def record(name: str, error: float, kept: float, *, seed: int = 0, kind: str = "fixed", better: Any = True) -> Record:
    """A model with an error and the contrast it keeps, in every patient but for a little."""

    def patients(mean: float) -> dict[str, float]:
        return {patient: mean + wobble for patient, wobble in zip(PATIENTS, WOBBLE, strict=True)}

    score = {"state": "scored", "level": "slice", "mean": error, "unit": "HU", "patients": patients(error)}
    facts = {"label": "contrast", "unit": "%", "higher_is_better": better, "digits": 0, "target": 100.0}
    contrast = {**facts, "mean": kept, "n_expected": 8, "n_scored": 8, "n_failed": 0, "patients": patients(kept)}
    evaluation = {"state": "scored", "summary": "what is left of lesions", "values": {"contrast": contrast}}
    return made({
        "state": "done", "task": "t", "preset": "smoke", "profile": "default/1", "name": name, "model": name,
        "kind": kind, "seed": seed, "device": "cpu", "precision": "fp32",
        "profile_definition": {"unit": "HU", "primary": "mae", "metrics": [{"metric": "mae"}]},
        "dataset": {"name": "discs", "content_sha256": "ab" * 32, "simulated": True},
        "scores": {"mae": score}, "downstream": {"lesions": evaluation},
    })  # fmt: skip


def table(*records: Record) -> tuple[Leaderboard, Table, Use]:
    board = build(records, METRICS)
    (only,) = board.tables
    assert only.downstream is not None
    return board, only, only.downstream.uses["lesions/contrast"]


BLUR = (("blur", 1.0, 60.0), ("net", 2.0, 80.0), ("other", 3.0, 85.0), ("copy", 4.0, 95.0))
"""The more of the noise a model takes away, the less is left of lesions."""


def test_an_order_that_use_turns_round_is_told() -> None:
    board, found, use = table(*(record(*each) for each in BLUR))
    assert [row.name for row in found.rows] == ["blur", "net", "other", "copy"]
    assert (use.models.tau, use.patients) == (-1.0, -1.0)
    said = "blur, first here, is number 4 of 4 by contrast (60 %); copy, number 4 here, is first there (95 %)"
    assert said in use.disagreement
    text = to_text(board)
    assert "Fidelity and use disagree: blur, first here" in " ".join(text.split())
    assert [line.split()[-1] for line in text.splitlines() if "(tau:" in line] == ["-1.00", "-1.00"]
    uses = json.loads(to_json(board))["tables"][0]["downstream"]["uses"]
    assert uses["lesions/contrast"]["models"]["tau"] == -1.0


def test_the_first_screen_has_the_use_beside_the_order_and_says_where_they_disagree() -> None:
    board, _, _ = table(*(record(*each) for each in BLUR))
    lines = to_brief(board, 60, 40).splitlines()
    assert any("MAE" in line and "contrast" in line for line in lines)
    assert "95 ±" in next(line for line in lines if "copy" in line)
    assert "t: Fidelity and use disagree: blur, first here, is number 4 of 4" in " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 60


def test_an_order_that_use_confirms_has_no_sentence() -> None:
    _, found, use = table(*(record(name, error, 100 - kept) for name, error, kept in BLUR))
    assert (use.models.tau, use.patients, use.disagreement) == (1.0, 1.0, "")
    assert not [note for note in found.notes if "disagree" in note]


def test_a_value_without_a_better_is_judged_by_its_nearness_to_the_target() -> None:
    bias = (("blur", 1.0, 60.0), ("net", 2.0, 130.0), ("copy", 3.0, 99.0))
    _, _, use = table(*(record(name, error, kept, better=None) for name, error, kept in bias))
    assert use.models.tau == -1.0  # 40, 30 and 1 % away from the target
    assert "copy, number 3 here, is first there (99 %)" in use.disagreement


def test_a_model_that_was_trained_once_is_accused_of_nothing() -> None:
    trained = [record(*each, kind="trained") for each in BLUR]
    _, _, use = table(*trained)
    assert (use.models.tau, use.disagreement) == (-1.0, "")
    again = [record(name, error, kept + 1, seed=1, kind="trained") for name, error, kept in BLUR]
    _, _, use = table(*trained, *again)
    assert "blur, first here" in use.disagreement


def test_seeds_that_do_not_agree_are_no_ground_for_a_sentence() -> None:
    trained = [record(*each, kind="trained") for each in BLUR]
    turned = [record(name, error, 150 - kept, seed=1, kind="trained") for name, error, kept in BLUR]
    _, _, use = table(*trained, *turned)
    assert use.disagreement == ""


def test_two_models_have_no_order_to_speak_of() -> None:
    board = build([record(*each) for each in BLUR[:2]], METRICS)
    assert board.tables[0].downstream is not None
    assert board.tables[0].downstream.uses == {}
    assert "(tau" not in to_text(board).split("Not part")[0]
