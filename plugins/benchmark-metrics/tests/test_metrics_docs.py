"""Every metric has a page whose direction, unit, range and level are those of its record."""

from __future__ import annotations

import re
from pathlib import Path

import benchmark_metrics
import pytest

from benchmark.contracts.specs import MetricSpec

FOLDER = Path(__file__).parents[3] / "docs" / "metrics"
SPECS = {spec.name: spec for spec in benchmark_metrics.benchmark_metrics()}
SECTIONS = ("Definition", "Degenerate cases", "Other implementations", "Checked against")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="installed without the documentation")


def facts(spec: MetricSpec) -> str:
    """The line under a page's title."""
    direction = {True: "higher is better", False: "lower is better", None: "no better direction"}
    unit = {"": "none", "target": "the target's", "target^2": "the target's, squared"}
    level = {"slice": "a slice", "volume": "a study", "distribution": "for the whole test split"}
    low, high = (f"{bound:g}".replace("inf", "∞") for bound in spec.bounds)
    return (
        f"`{spec.name}` · {direction[spec.higher_is_better]} · unit: {unit.get(spec.unit, spec.unit)} · "
        f"range: {low} to {high} · one number {level[spec.level]}"
    )


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_page_says_what_the_record_says(spec: MetricSpec) -> None:
    page = FOLDER / f"{spec.name}.md"
    assert page.is_file(), f"write docs/metrics/{spec.name}.md"
    text = page.read_text(encoding="utf-8")
    assert text.splitlines()[2] == facts(spec)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(SECTIONS)
    bodies = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert all(body.strip() for body in bodies)
    if spec.options is not None:
        for option in spec.options.__dataclass_fields__:
            assert option in text or option in related(spec.name), f"{page.name} says nothing of the option {option}"


def related(name: str) -> str:
    """Pages that a page refers to for what they have in common."""
    linked = re.findall(r"\]\(([a-z0-9-]+\.md)\)", (FOLDER / f"{name}.md").read_text(encoding="utf-8"))
    return "".join((FOLDER / each).read_text(encoding="utf-8") for each in linked)


def test_index_lists_every_page_and_nothing_else() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\[([a-z0-9-]+)\]\(\1\.md\)", index))
    pages = {page.stem for page in FOLDER.glob("*.md")} - {"README"}
    assert linked == pages == set(SPECS)


def test_index_gives_the_directions_of_the_records() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    row = r"^\| \[([a-z0-9-]+)\]\(\S+\) \| [^|]+ \|([^|]*)\|([^|]*)\|([^|]*)\|$"
    rows = [[cell.strip() for cell in cells] for cells in re.findall(row, index, re.MULTILINE)]
    assert len(rows) > 20
    for name, direction, unit, _ in rows:
        spec = SPECS[name]
        assert {"higher": True, "lower": False}.get(direction) == spec.higher_is_better
        units = {"target": "target's", "target^2": "target's, squared"}
        assert unit == units.get(spec.unit, spec.unit)


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
