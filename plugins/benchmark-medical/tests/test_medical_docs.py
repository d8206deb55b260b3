"""Every task, measure and degrader has its place in the documentation, and every embedded data set its card."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from benchmark_medical import benchmark_degraders, benchmark_downstream, benchmark_tasks

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="not a checkout: the documentation is not here")


def test_every_task_has_a_section_and_a_data_card() -> None:
    text = (ROOT / "docs" / "tasks.md").read_text()
    assert set(re.findall(r"^## (\S+)$", text, re.M)) == {task.name for task in benchmark_tasks()}
    for task in benchmark_tasks():
        card = (ROOT / "datasets" / f"{task.name}.md").read_text()
        assert card.startswith(f"# {task.name} ")
        assert "**Simulated" in card
        assert f"../datasets/{task.name}.md" in text


def test_every_measure_and_degrader_is_described() -> None:
    text = (ROOT / "docs" / "tasks.md").read_text()
    assert {spec.name for spec in benchmark_downstream()} <= set(re.findall(r"\*\*([\w-]+)\*\*", text))
    card = (ROOT / "datasets" / "degraded.md").read_text()
    for spec in benchmark_degraders():
        assert f"| `{spec.name}` | {spec.task} |" in card
