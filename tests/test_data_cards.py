"""The cards under ``datasets/`` say of the embedded data what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark.contracts.presets import PRESETS
from benchmark.contracts.specs import TaskSpec
from benchmark.registry.plugins import registry

PAGES = sorted((Path(__file__).parents[1] / "datasets").glob("*.md"))
CARDS = {path.stem: path for path in PAGES if re.match(r"# \S+ \(", path.read_text(encoding="utf-8"))}
"""Pages about one set; others are about several."""


def embedded() -> dict[str, TaskSpec]:
    """Installed tasks with a card."""
    return {name: offer.spec for name, offer in registry().all("task").items() if name in CARDS}


@pytest.fixture(params=sorted(CARDS))
def card(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Name and text of a card."""
    return request.param, CARDS[request.param].read_text(encoding="utf-8")


def test_a_card_says_what_it_is_whose_it_is_and_how_to_get_it(card: tuple[str, str]) -> None:
    name, words = card
    assert re.match(rf"# {re.escape(name)} \((embedded, simulated|real|simulated degradation|.*patients?.*)\)", words)
    assert re.search(r"\| licence \| .*\b(CC|Apache|MIT|BSD)", words)
    assert re.search(r"benchmark data (build|import|degrade) ", words)


def test_a_card_of_embedded_data_agrees_with_its_task(card: tuple[str, str]) -> None:
    name, words = card
    task = embedded().get(name)
    if task is None:
        pytest.skip(f"no task {name!r} is installed: the card is of real data")
    assert re.search(r"\*\*Simulated: (no patient was scanned|nobody was photographed)\.\*\*", words)
    assert f"benchmark data build {name} --preset small" in words
    for unit in {task.source_unit, task.target_unit} - {"a.u."}:
        assert unit in words
    for modality in (task.source_modality, task.target_modality):
        assert set(re.findall(r"[A-Z]{2,}", modality)) <= set(re.findall(r"[A-Z]{2,}", words))
    size = PRESETS["small"].data
    if stated := re.search(r"preset small (\d+)x(\d+).*?, (\d+) \+ (\d+) \+ (\d+) patients x (\d+) slices", words):
        height, width, *counts = map(int, stated.groups())
        assert height == width == size.image_size
        assert counts == [size.train, size.validation, size.test, size.slices]
