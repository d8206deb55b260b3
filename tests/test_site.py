"""A site of many runs: which are taken, what stands on its pages, and that it needs nothing but its own files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_runs import Catalogue, MadeRun
from test_report import HOSTILE, Parts

from benchmark import UsageError
from benchmark.report import gather, site_history
from benchmark.report.site import write_site


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plugin, and a plotting library of one line."""
    for module in (gather, site_history):
        monkeypatch.setattr(module, "registry", Catalogue)
    monkeypatch.setattr("benchmark.runs.read.registry", Catalogue)
    monkeypatch.setattr("benchmark.report.page.plotting_library", lambda: "window.vegaEmbed = null;")


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    made = [MadeRun(tmp_path / name) for name in ("first", "second", "third")]
    for step, run in enumerate(made):
        run.add("ours", 60.0 - 20 * step)
        run.add("baseline", 90.0)
    made[1].add(HOSTILE[0], 30.0)
    return [run.path for run in made]


def test_three_runs_of_which_one_is_rejected(runs: list[Path], tmp_path: Path) -> None:
    altered = next((runs[2] / "cells").iterdir()) / "predictions.h5"
    altered.write_bytes(altered.read_bytes() + b"x")
    written = write_site(tmp_path / "public", runs, title="Our lab", url="https://example.org/lab/")
    assert written.runs == ("first", "second")
    (rejected,) = written.rejected
    assert rejected.label == "third"
    assert "predictions.h5 was altered" in rejected.reason
    index = (tmp_path / "public/index.html").read_text()
    assert "Not taken" in index
    assert "predictions.h5 was altered" in Parts(index).said
    about = json.loads((tmp_path / "public/site.json").read_text())
    assert [run["name"] for run in about["runs"]] == ["first", "second"]
    assert [one["name"] for one in about["rejected"]] == ["third"]
    (table,) = about["tables"]
    names = {row["name"] for row in table["rows"]}
    assert {"ours (first)", "ours (second)", "baseline (first)"} <= names
    history = next(method for method in about["methods"] if method["name"] == "ours")
    assert [entry["run"] for entry in history["entries"]] == ["first", "second"]
    items = ElementTree.fromstring((tmp_path / "public/feed.xml").read_bytes()).findall("channel/item")
    assert [item.findtext("title") for item in items] == ["second", "first"]
    assert all((item.findtext("link") or "").startswith("https://example.org/lab/runs/") for item in items)


def test_every_link_leads_to_a_file_and_no_name_becomes_markup(runs: list[Path], tmp_path: Path) -> None:
    write_site(tmp_path / "public", runs)
    pages = [page for page in (tmp_path / "public").rglob("*.html") if page.name != "report.html"]
    assert len(pages) > 4
    for page in pages:
        parts = Parts(page.read_text())
        assert not parts.handlers
        assert "default-src 'none'" in parts.policy
        for address in parts.addresses:
            if not address.startswith(("#", "data:")):
                assert (page.parent / address.partition("#")[0]).is_file(), f"{page.name}: {address}"
        assert "<script>alert" not in page.read_text()
    assert re.search(r"alert\(1\)", Parts((tmp_path / "public/index.html").read_text()).said)


def test_a_site_is_written_anew_and_nothing_else_is_touched(runs: list[Path], tmp_path: Path) -> None:
    write_site(tmp_path / "public", runs[:1])
    write_site(tmp_path / "public", runs[:2])
    assert len(json.loads((tmp_path / "public/site.json").read_text())["runs"]) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="is no site"):
        write_site(tmp_path / "mine", runs)
    with pytest.raises(UsageError, match="no run there"):
        write_site(tmp_path / "empty", [tmp_path / "nothing"])
    assert not (tmp_path / "empty").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("fault", ["run.json", "record.json", "no cells"])
def test_what_is_wrong_with_a_run_is_said(runs: list[Path], tmp_path: Path, fault: str) -> None:
    bad = runs[2]
    if fault == "run.json":
        (bad / "run.json").write_text("{}")
    for cell in (bad / "cells").iterdir():
        if fault == "record.json":
            (cell / "record.json").write_text((cell / "record.json").read_text().replace("small", "large"))
        elif fault == "no cells":
            (cell / "record.json").unlink()
    (rejected,) = write_site(tmp_path / "public", runs, cases=False).rejected
    expected = {"run.json": "damaged", "record.json": "record.json", "no cells": "no cell of it is done"}
    assert expected[fault] in rejected.reason
