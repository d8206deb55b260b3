"""A plugin that breaks when its components are built or running costs its own cells and scores, and nothing else."""

from __future__ import annotations

import pytest
from command_line import CommandLine, make_discoverable

PARTS = """
import sys
from benchmark import CheckSpec, MetricSpec, MetricUse, ModelSpec, ProfileSpec, hookimpl

benchmark_api = 1


def boom(*_, **__):
    raise RuntimeError("boom \\x1b[31m<b>")


def leave(*_, **__):
    sys.exit("leaving")


class BadMetric:
    def score(self, images):
        raise ZeroDivisionError("bad slice")


class TooFew:
    def score(self, images):
        return [1.0]


class BadSet(BadMetric):
    def reset(self):
        pass

    def update(self, images):
        raise KeyError("features")

    def compute(self):
        pass


@hookimpl
def benchmark_models():
    yield ModelSpec("parts-boom", "parts:boom")
    yield ModelSpec("parts-leave", "parts:leave")
    yield ModelSpec("parts-gone", "parts.nowhere:Net")


@hookimpl
def benchmark_metrics():
    for name, factory in (("boom", "boom"), ("leave", "leave"), ("bad", "BadMetric"), ("few", "TooFew")):
        yield MetricSpec(f"parts-{name}", f"parts:{factory}", label=name, higher_is_better=False)
    yield MetricSpec("parts-set", "parts:BadSet", label="set", higher_is_better=False, level="distribution")


@hookimpl
def benchmark_profiles():
    uses = [MetricUse(f"parts-{name}") for name in ("boom", "leave", "bad", "few", "set")]
    yield ProfileSpec("parts", 1, (MetricUse("toy-error"), *uses), primary="toy-error")
    yield ProfileSpec("parts-first", 1, (MetricUse("parts-bad"), MetricUse("toy-error")), primary="parts-bad")


@hookimpl
def benchmark_checks():
    yield CheckSpec("parts-leave", "parts:leave")
    yield CheckSpec("parts-boom", "parts:boom")
"""


@pytest.fixture
def parts(toy: CommandLine) -> CommandLine:
    site = toy.folder.parent / "site"
    make_discoverable(site, "benchmark-parts", "0.1", "parts", "parts")
    (site / "parts.py").write_text(PARTS)
    return toy


def test_a_model_that_cannot_be_built_is_a_row_and_the_others_go_on(parts: CommandLine) -> None:
    models = "parts-boom,parts-leave,parts-gone,toy-copy"
    ended = parts("run", "--grid", "toy", "--preset", "smoke", "--models", models, "--name", "r")
    assert ended.returncode == 1
    found = {name: (record["state"], record["reason"]) for name, record in parts.records("results/r").items()}
    assert found.pop("toy-copy")[0] == "done"
    assert found == {
        "parts-boom": ("failed", "RuntimeError: boom \x1b[31m<b>"),
        "parts-leave": ("failed", "SystemExit: leaving"),
        "parts-gone": ("failed", "ModuleNotFoundError: No module named 'parts.nowhere'; 'parts' is not a package"),
    }
    assert "\x1b[31m" not in ended.stdout + ended.stderr


def test_a_metric_that_breaks_costs_its_own_scores(parts: CommandLine) -> None:
    arguments = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-copy", "--name", "r")
    ended = parts(*arguments, "--profile", "parts")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    scores = parts.records("results/r")["toy-copy"]["scores"]
    assert scores["toy-error"]["state"] == "scored"
    assert {name: summary["reason"] for name, summary in scores.items() if name != "toy-error"} == {
        "parts-boom": "failed: RuntimeError: boom \x1b[31m<b>",
        "parts-leave": "failed: SystemExit: leaving",
        "parts-bad": "failed: ZeroDivisionError: bad slice",
        "parts-few": "failed: it gave shape (1,) for 4 slices; a metric of level 'slice' gives one number a slice",
        "parts-set": "failed: KeyError: 'features'",
    }
    assert "bad: failed: ZeroDivisionError: bad slice" in parts("leaderboard", "results/r").stdout


def test_without_its_primary_metric_a_cell_has_failed(parts: CommandLine) -> None:
    arguments = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-copy", "--name", "r")
    assert parts(*arguments, "--profile", "parts-first").returncode == 1
    record = parts.records("results/r")["toy-copy"]
    assert (record["state"], record["reason"]) == (
        "failed",
        "metric parts-bad failed: ZeroDivisionError: bad slice",
    )


def test_doctor_outlives_checks_that_raise_or_exit(parts: CommandLine) -> None:
    ended = parts("doctor")
    assert ended.returncode == 1
    assert r"check parts-boom of benchmark-parts 0.1: RuntimeError: boom \x1b[31m<b>" in ended.stdout
    assert "check parts-leave of benchmark-parts 0.1: SystemExit: leaving" in ended.stdout
