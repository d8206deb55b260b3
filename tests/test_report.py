"""The report of runs: what stands in the file, whatever the runs hold, and that nothing in it comes from elsewhere."""

from __future__ import annotations

import html.parser
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_records import made
from made_runs import Catalogue, MadeRun
from test_channels import write as write_channels

from benchmark import BenchmarkError, UsageError
from benchmark.contracts.budget import Budget
from benchmark.data.format.reader import Dataset
from benchmark.leaderboard import build
from benchmark.report import bundle, gather, write_report
from benchmark.report.page import SCRIPTS, island, sort_key
from benchmark.report.pixels import Scale, unpack
from benchmark.report.summary import refusals, summary

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "=HYPERLINK(1)",
    "a‮gnp.exe",
    "{{ 7*7 }}\x1b[31m",
)


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plugin, and a plotting library of one line: it has a test of its own."""
    monkeypatch.setattr(gather, "registry", Catalogue)
    monkeypatch.setattr("benchmark.report.page.plotting_library", lambda: "window.vegaEmbed = null;")


@pytest.fixture
def run(tmp_path: Path) -> MadeRun:
    made = MadeRun(tmp_path / "run")
    for name, error in (("good", 10.0), ("middling", 60.0), ("bad", 200.0)):
        made.add(name, error)
    return made


class Parts(html.parser.HTMLParser):
    """What a browser makes of a page: text, elements, addresses and data."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.addresses, self.handlers = [], [], []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.policy = ""
        self._script: dict[str, str | None] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self._script = attributes if tag == "script" else None
        if tag == "script":
            self.scripts.append((attributes, ""))
        self.addresses += [value for key, value in attrs if key in ("src", "href") and value]
        self.handlers += [key for key, _ in attrs if key.startswith("on")]
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.text.append(data)
        else:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.text).split())

    @property
    def galleries(self) -> list[dict[str, Any]]:
        return [json.loads(text) for attributes, text in self.scripts if attributes.get("class") == "gallery"]

    @property
    def plots(self) -> list[dict[str, Any]]:
        return [json.loads(text) for attributes, text in self.scripts if str(attributes.get("id")).startswith("chart-")]


def report(*runs: MadeRun, **more: Any) -> Parts:
    written = write_report([run.path for run in runs], **more)
    assert written.size == written.path.stat().st_size
    return Parts(written.path.read_text(encoding="utf-8"))


def test_the_question_fits_one_model_and_baselines_alone(tmp_path: Path) -> None:
    alone, baselines = MadeRun(tmp_path / "alone"), MadeRun(tmp_path / "baselines")
    alone.add("ours", 10.0)
    for name in ("copy", "mean"):
        baselines.add(name, 50.0, baseline=True)
    assert "How well does ours translate PET to CT?" in report(alone, cases=False).said
    assert "Which of 2 models translates PET to CT best?" in report(baselines, cases=False).said


def test_first_screen_says_question_answer_and_limits(run: MadeRun) -> None:
    said = report(run).said
    assert "Which of 3 models translates PET to CT best?" in said
    assert "good is first" in said
    assert "SIMULATED DATA" in said
    assert "The images are simulated" in said
    assert "seed" in said
    assert "cannot separate any two models" in said
    assert "not for clinical use" in said.replace("Nothing here is for", "not for")


def test_tables_of_several_budgets_are_told_apart_and_patients_counted_once(run: MadeRun) -> None:
    material = gather.gather([run.path])
    (table,) = material.board.tables
    tables = tuple(replace(table, budget=Budget(amount, "steps")) for amount in (100.0, 300.0))
    said = summary(replace(material, board=replace(material.board, tables=tables)))
    assert [answer.heading.rpartition(", ")[2] for answer in said.answers] == ["100 steps", "300 steps"]
    assert dict(said.rests_on)["test patients a task"] == "3, 3 in all"


def test_a_model_that_is_alone_has_no_layer_of_names_that_is_empty(tmp_path: Path) -> None:
    made = MadeRun(tmp_path / "run")
    made.add("alone", 10.0)
    layers = [layer for plot in report(made).plots for layer in plot.get("layer", ()) if "transform" in layer]
    filters = [str(layer["transform"][0]["filter"]) for layer in layers]
    assert any("'left'" in text for text in filters)
    assert not any("'right'" in text for text in filters), "Vega complains of it in the browser's console"


def test_it_identifies_the_run_and_the_command_that_makes_it_again(run: MadeRun) -> None:
    said = report(run).said
    assert "benchmark run --grid made" in said
    assert run.info.content_sha256 in said
    assert "numpy 2" in said


def test_nothing_comes_from_elsewhere(run: MadeRun) -> None:
    parts = report(run)
    assert all(address.startswith(("#", "data:")) for address in parts.addresses)
    assert "default-src 'none'" in parts.policy
    assert "unsafe-inline" not in parts.policy.split("script-src")[1].split(";")[0]
    assert not parts.handlers


def test_images_are_those_of_the_files(run: MadeRun) -> None:
    parts = report(run)
    (gallery,) = parts.galleries
    blobs = {attributes.get("id"): text for attributes, text in parts.scripts}
    assert [model["name"] for model in gallery["models"]] == ["good", "middling", "bad"]
    assert len(gallery["cases"]) == 3
    for place, case in enumerate(gallery["cases"]):
        target = next(t for key, t in run.targets.items() if key.patient == case["patient"])
        scale = Scale(gallery["target"]["low"], gallery["target"]["high"], case["finer"])
        for name, error in (("target", 0.0), ("0", 10.0), ("2", 200.0)):
            import base64

            levels = unpack(base64.b64decode(blobs[f"image-0-{place}-{name}"]), tuple(case["shape"]), scale)
            inside = np.clip(target + error, scale.low, scale.high)
            assert np.abs(scale.values(levels) - inside).max() <= scale.step / 2 + 1e-6
        assert case["scores"][0][0] == [pytest.approx(39.5 - list(run.targets).index(next(
            key for key in run.targets if key.patient == case["patient"])), rel=1e-4)] * 3  # fmt: skip


def test_of_several_channels_all_are_shown_each_at_its_own_window(tmp_path: Path) -> None:
    import base64

    path = write_channels(tmp_path / "two.h5")
    made = MadeRun(tmp_path / "two", data=path, task="mp-ct")
    made.add("a", 5.0)
    parts = report(made)
    (gallery,) = parts.galleries
    assert [(side["modality"], side["unit"]) for side in gallery["sources"]] == [("MR T1", "a.u."), ("FDG-PET", "SUV")]
    blobs = {attributes.get("id"): text for attributes, text in parts.scripts}
    with Dataset(path) as dataset:
        for place, case in enumerate(gallery["cases"]):
            key = next(key for key in dataset.info.in_split("test") if key.patient == case["patient"])
            for name, side, channel in zip(
                ("source", "source-1"), gallery["sources"], dataset.load(key).channels, strict=True
            ):
                scale = Scale(side["low"], side["high"], case["finer"])
                levels = unpack(base64.b64decode(blobs[f"image-0-{place}-{name}"]), tuple(case["shape"]), scale)
                inside = np.clip(channel, scale.low, scale.high)
                assert np.abs(scale.values(levels) - inside).max() <= scale.step / 2 + 1e-6


def test_worst_median_and_best_come_first(run: MadeRun) -> None:
    (gallery,) = report(run).galleries
    assert [case["patient"] for case in gallery["cases"]] == ["test2", "test1", "test0"]


def test_a_small_limit_leaves_images_out_and_says_so(run: MadeRun) -> None:
    whole = write_report([run.path]).size
    written = write_report([run.path], run.path / "small.html", budget=whole // 2)
    assert any("3 of 3 cases" in text for _, texts in written.left_out for text in texts)
    assert "3 of 3 cases" in Parts(written.path.read_text()).said
    assert not report(run, cases=False).galleries


@pytest.mark.parametrize("state", ["failed", "timeout", "skipped", "running", "planned"])
def test_cells_that_are_not_done_are_rows_with_their_reason(run: MadeRun, state: str) -> None:
    run.add("broken", 0.0, state=state, reason="the disk was full")
    parts = report(run)
    assert "mr-ct/broken/s0" in parts.said
    assert "the disk was full" in parts.said
    assert ("Traceback" in parts.said) == (state in ("failed", "timeout"))


def test_predictions_or_data_that_are_gone_are_said_and_stop_nothing(run: MadeRun) -> None:
    victim = next(path for path in run.path.glob("cells/*/predictions.h5"))
    victim.unlink()
    parts = report(run)
    assert len(parts.galleries[0]["models"]) == 2
    assert "predictions.h5 is missing" in parts.said
    run.data.unlink()
    parts = report(run)
    assert not parts.galleries
    assert "all images" in parts.said
    assert "good is first" in parts.said


def test_altered_predictions_are_not_shown(run: MadeRun) -> None:
    victim = next(path for path in run.path.glob("cells/*/predictions.h5"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    assert "predictions.h5 was altered" in report(run).said


def test_one_patient_is_enough(tmp_path: Path) -> None:
    alone = MadeRun(tmp_path / "alone", patients=1, slices=1)
    alone.add("a", 5.0)
    alone.add("b", 9.0)
    parts = report(alone)
    assert len(parts.galleries[0]["cases"]) == 1
    assert "a is first" in parts.said


def test_a_run_without_a_finished_cell_has_a_report(tmp_path: Path) -> None:
    made = MadeRun(tmp_path / "run")
    made.add("a", 0.0, state="failed", reason="it broke")
    parts = report(made)
    assert "No cell is done." in parts.said
    assert not parts.galleries


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    run = MadeRun(tmp_path / "run")
    run.add("plain", 5.0)
    run.add(name, 50.0)
    run.add(f"{name} 2", 0.0, state="failed", reason=name)
    written = write_report([run.path])
    text = written.path.read_text(encoding="utf-8")
    parts = Parts(text)
    assert sum(attributes.get("type", "module") == "module" for attributes, _ in parts.scripts) == len(SCRIPTS) + 1

    assert not parts.handlers
    assert "‮" not in text
    assert "\x1b" not in text
    shown = name.replace("‮", "\\x202e").replace("\x1b", "\\x1b")
    assert shown in parts.said
    assert [model["name"] for model in parts.galleries[0]["models"]] == ["plain", shown]
    assert any(shown in json.dumps(plot, ensure_ascii=False).replace("\\\\", "\\") for plot in parts.plots)


def test_runs_on_the_same_data_are_ranked_together_under_their_runs_names(tmp_path: Path) -> None:
    first, second = MadeRun(tmp_path / "one"), MadeRun(tmp_path / "two")
    first.add("model", 5.0)
    second.add("model", 50.0)
    second.add("other", 80.0)
    parts = report(first, second, to=tmp_path / "both.html")
    assert "model (one) is first" in parts.said
    assert "not ranked together" not in parts.said
    assert [model["name"] for model in parts.galleries[0]["models"]] == ["model (one)", "model (two)", "other (two)"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"slices": 4}, "other data"),
        ({"patients": 2}, "other data"),
        ({"side": 10}, "other data"),
    ],
)
def test_runs_on_other_data_are_not_ranked_together(tmp_path: Path, change: dict[str, int], why: str) -> None:
    first, second = MadeRun(tmp_path / "one"), MadeRun(tmp_path / "two", **change)
    first.add("model", 5.0)
    second.add("model", 50.0)
    said = report(first, second, to=tmp_path / "both.html").said
    assert re.search(f"mr-ct: not ranked together: {why}", said)


def test_other_profiles_are_not_ranked_together(tmp_path: Path) -> None:
    first, second = (MadeRun(tmp_path / name) for name in ("one", "two"))
    first.add("model", 5.0)
    second.add("model", 5.0, profile="eight-bit/1")
    assert "other profiles" in report(first, second, to=tmp_path / "b.html").said


def test_other_presets_are_not_ranked_together() -> None:
    scores = {"mae": {"state": "scored", "mean": 1.0, "patients": {"a": 1.0}}}
    trained = [made({"state": "done", "preset": preset, "scores": scores}) for preset in ("small", "medium")]
    material = SimpleNamespace(runs=["one", "two"], board=build(trained, {}))
    assert refusals(material) == [  # type: ignore[arg-type]
        "pet-ct: not ranked together: other presets (medium and small)."
    ]


def test_many_models_are_all_in_the_table_and_the_first_in_plots_and_images(tmp_path: Path) -> None:
    run = MadeRun(tmp_path / "run", slices=1, side=8)
    for number in range(60):
        run.add(f"model-{number:02}", float(number))
    parts = report(run)
    assert "model-59" in parts.said
    assert len(parts.galleries[0]["models"]) == 16
    assert "44 models below the first 16" in parts.said
    assert "The first 40 of 60 models" in parts.said


def test_no_run_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run in"):
        write_report([tmp_path])


def test_a_file_that_cannot_be_written_is_said(run: MadeRun, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchmarkError, match=r"cannot write .*--to"):
        write_report([run.path], tmp_path / "file" / "report.html")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("26.77 ±0.31", "26.77"),
        ("2* (1-3)", "2.0"),
        ("1.23M", "1230000.0"),
        ("12k", "12000.0"),
        ("–", ""),
        ("-0.5", "-0.5"),
        ("", ""),
    ],
)
def test_columns_sort_by_the_number_that_is_shown(text: str, number: str) -> None:
    assert sort_key(text) == number


@pytest.mark.parametrize("text", ["</script>", "<!--", "&lt;", " ", "\ud800"])
def test_data_cannot_end_the_element_they_stand_in(text: str) -> None:
    shown = str(island({text: [text]}))
    assert not set("<>&") & set(shown)
    assert shown.isascii()
    json.loads(shown)


def test_the_plotting_library_is_kept_and_made_anew_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vl_convert

    made = []

    def library(snippet: object = None) -> str:
        made.append(snippet)
        return "library"

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(vl_convert, "javascript_bundle", library)
    assert [bundle.plotting_library(), bundle.plotting_library()] == ["library", "library"]
    assert len(made) == 1
    (kept,) = tmp_path.rglob("vega-*.js")
    kept.write_text(kept.read_text()[:-1])
    assert bundle.plotting_library() == "library"
    assert len(made) == 2
