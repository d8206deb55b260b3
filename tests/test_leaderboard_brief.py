"""A leaderboard on one screen, and its brackets drawn as text."""

from __future__ import annotations

import functools
import re

import pytest
from command_line import CommandLine
from test_leaderboard import HOSTILE, METRICS, ladder, record, scored

from benchmark import MetricSpec, leaderboard
from benchmark.leaderboard import Leaderboard, to_brackets, to_brief
from benchmark.store.record import Record


def records(models: int, tasks: int = 1) -> list[Record]:
    """Models a step apart, on every task."""
    steps = {f"model-{place:03}": 4.0 * (models - place) for place in range(models)}
    return [entry for task in range(tasks) for entry in ladder(steps, task=f"task-{task:02}")]


@functools.cache
def board(models: int, tasks: int = 1) -> Leaderboard:
    """The leaderboard of :func:`records`."""
    return leaderboard.build(records(models, tasks), METRICS)


@pytest.mark.parametrize(("models", "tasks"), [(3, 1), (8, 4), (130, 2), (3, 16)])
@pytest.mark.parametrize(("width", "height"), [(140, 48), (80, 24), (200, 30)])
def test_it_fits_the_screen_and_counts_what_does_not(models: int, tasks: int, width: int, height: int) -> None:
    lines = to_brief(board(models, tasks), width, height).splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    shown = len(set(re.findall(r"task-\d+", text)))
    left = re.search(r"\.\.\. and (\d+) more tables", text)
    assert shown + (int(left[1]) if left else 0) == tasks
    assert "model-000" in text
    if "first " not in text:
        assert f"model-{models - 1:03}" in text


def test_what_failed_is_named_and_the_rest_counted() -> None:
    failed = [record(f"broken-{n}", None, state="failed", reason=f"reason {n}") for n in range(12)]
    text = to_brief(leaderboard.build([*records(2), *failed], METRICS), 120, 40)
    assert "pet-ct/broken-0: failed: reason 0" in text
    assert "... and 6 more that are not done" in text
    assert to_brief(leaderboard.build([], METRICS), 80, 24) == "nothing to rank yet"


def test_a_metric_that_failed_everywhere_is_named() -> None:
    broken = {"mae": {"state": "skipped", "reason": "failed: ZeroDivisionError: bad slice"}}
    missing = {"mae": {"state": "skipped", "reason": "weights missing"}}
    text = to_brief(leaderboard.build([record("a", [1.0, 2.0], scores=broken)], METRICS), 120, 40)
    assert "failed: ZeroDivisionError: bad slice" in text
    assert "missing" not in to_brief(leaderboard.build([record("a", [1.0, 2.0], scores=missing)], METRICS), 120, 40)


def test_what_belongs_beside_an_order_is_said_once_for_all_tables() -> None:
    """That one seed claims nothing, and what is not matched."""
    sizes = {"small": 1_000_000, "usual": 1_000_000, "huge": 6_000_000}
    trained = [
        record(name, [1.0, 2.0, 3.0], task=task, parameters={"generator": size}, timings={"train_s": 10.0})
        for task in ("one", "two")
        for name, size in sizes.items()
    ]
    text = to_brief(leaderboard.build(trained, METRICS), 120, 40)
    assert text.count("one seed: nothing is claimed of a trained model; --seeds 3 can tell them apart") == 1
    assert text.count("6M (6x)") == 2
    assert text.count("--grid matched compares at equal capacity") == 1
    matched = [record("a", [1.0, 2.0, 3.0], seed=seed) for seed in range(3)]
    text = to_brief(leaderboard.build(matched, METRICS), 120, 40)
    assert "one seed" not in text
    assert "matched" not in text


def test_a_perceptual_metric_stands_beside_the_primary_one_with_its_agreement() -> None:
    """The last of the profile's that has values: the stand-in only where the other could not be had."""
    seen = {
        name: MetricSpec(name, "x:y", label=name.upper(), higher_is_better=False, perceptual=True)
        for name in ("blur", "lpips")
    }
    metrics = {"mae": METRICS["mae"], **seen}
    definition = {"id": "p/1", "primary": "mae", "metrics": [{"metric": name} for name in metrics]}

    def shown(**distances: tuple[float, float, float]) -> str:
        made = [
            record(
                model,
                scores={
                    "mae": scored([10.0 + 10 * place + patient for patient in range(8)]),
                    **{name: scored([values[place]] * 8) for name, values in distances.items()},
                },
                profile_definition=definition,
            )
            for place, model in enumerate(("sharp", "plain", "blurred"))
        ]
        return to_brief(leaderboard.build(made, metrics), 140, 40)

    both = shown(blur=(0.1, 0.2, 0.3), lpips=(0.3, 0.2, 0.1))
    assert "LPIPS ↓" in both
    assert "BLUR" not in both
    assert "pet-ct LPIPS -1.00" in both
    alone = shown(blur=(0.1, 0.2, 0.3))
    assert "BLUR ↓" in alone
    assert "pet-ct BLUR 1.00" in alone
    assert "tau" not in shown()


def test_names_stay_text_and_short() -> None:
    names = {HOSTILE: 3.0, "x" * 500: 2.0, "a\u202egnp.exe": 1.0}
    text = to_brief(leaderboard.build(ladder(names), METRICS), 100, 60)
    assert all(line.isprintable() for line in text.splitlines())
    assert max(map(len, text.splitlines())) <= 100


def test_brackets_stand_where_the_ranks_do() -> None:
    made = board(4)
    lines = to_brackets(made, 80).splitlines()
    axis = lines[1]
    for line, row in zip(lines[2:6], made.tables[0].rows, strict=True):
        assert row.rank is not None
        assert row.rank_range is not None
        assert line.index("●") == axis.index(str(row.rank))
        ends = [place for place, char in enumerate(line) if char in "├┤●"]
        assert (ends[0], ends[-1]) == tuple(axis.index(str(rank)) for rank in row.rank_range)
    assert all(len(line) <= 70 for line in to_brackets(board(130, 2), 70).splitlines())
    assert to_brackets(board(1)) == "nothing to rank yet"


def test_a_run_ends_with_a_screen_and_a_report(toy: CommandLine) -> None:
    ended = toy("run", "--grid", "toy", "--preset", "smoke", "--name", "x", BENCHMARK_REPORT="yes")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "report: results/x/report.html" in ended.stdout
    page = (toy.folder / "results/x/report.html").read_text()
    assert "toy-affine" in page
    again = toy("run", "--grid", "toy", "--preset", "smoke", "--name", "x", "--no-report", BENCHMARK_REPORT="yes")
    assert "report:" not in again.stdout
    drawn = toy("leaderboard", "results/x", "--plot").stdout
    assert "●" in drawn
    assert "toy-affine" in drawn
