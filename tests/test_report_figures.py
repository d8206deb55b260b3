"""Figures for papers and what notebooks show: the right patients, text that is text, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import Catalogue, MadeRun
from test_report import HOSTILE

import benchmark
from benchmark import BenchmarkError, UsageError
from benchmark.report import draw, gather
from benchmark.report.figures import Look, save
from benchmark.report.notebook import board_html


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gather, draw):
        monkeypatch.setattr(module, "registry", Catalogue)
    monkeypatch.setattr("benchmark.runs.read.registry", Catalogue)


@pytest.fixture
def run(tmp_path: Path) -> MadeRun:
    made = MadeRun(tmp_path / "run")
    for name, error in (("good", 10.0), ("bad", 200.0)):
        made.add(name, error)
    return made


def texts(figure: Any) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def pictures(figure: Any) -> list[Any]:
    return [image.get_array() for axis in figure.axes for image in axis.get_images()]


def test_cases_are_drawn_with_their_errors(run: MadeRun) -> None:
    figure = draw.cases_of(run.path, "mr-ct", ["good", "bad"], ["worst", "best"], "", Look())
    shown = texts(figure)
    assert [text for text in shown if text.startswith("test")] == ["test2/s1", "test0/s1"]
    assert {"good", "bad", "CT", "MR T1", "PSNR 39.50 dB", "image [HU]", "error [HU]", "10 mm"} <= set(shown)
    assert any("simulated data" in text for text in shown)
    errors = [picture for picture in pictures(figure) if np.ptp(picture) < 1e-2]
    assert sorted(round(float(np.mean(error))) for error in errors) == [10, 10, 200, 200]


def test_window_error_and_slice_are_those_asked_for(run: MadeRun) -> None:
    look = Look(window=(-100.0, 300.0), error=50.0, slice=2, inset=(1, 2, 4))
    figure = draw.cases_of(run.path, "", ["good"], ["test1"], "", look)
    limits = [image.get_clim() for axis in figure.axes for image in axis.get_images()]
    assert (-100.0, 300.0) in limits
    assert (-50.0, 50.0) in limits
    target = next(volume for key, volume in run.targets.items() if key.patient == "test1")
    assert any(picture.shape == target[2].shape and (picture == target[2]).all() for picture in pictures(figure))
    assert any(picture.shape == (4, 4) for axis in figure.axes for child in axis.child_axes
               for picture in (image.get_array() for image in child.get_images()))  # fmt: skip


@pytest.mark.parametrize(
    ("models", "patients", "metric", "look", "what"),
    [
        (["godo"], ["worst"], "", Look(), "model"),
        (["good"], ["nobody"], "", Look(), "patient"),
        (["good"], ["worst"], "psn", Look(), "metric"),
        (["good"], ["worst"], "", Look(slice=3), "slices 0 to 2"),
        (["good"], ["worst"], "", Look(inset=(50, 0, 4)), "12 x 12 pixels"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    run: MadeRun, models: list[str], patients: list[str], metric: str, look: Look, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        draw.cases_of(run.path, "mr-ct", models, patients, metric, look)


@pytest.mark.parametrize("kind", ["pdf", "svg", "png", "eps"])
def test_files_are_of_the_kind_that_their_names_say(run: MadeRun, tmp_path: Path, kind: str) -> None:
    save(draw.order_of(run.path, "", ""), tmp_path / f"order.{kind}")
    begin = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG", "eps": b"%!PS"}[kind]
    assert (tmp_path / f"order.{kind}").read_bytes().startswith(begin)


def test_text_stays_text_in_vector_files(run: MadeRun, tmp_path: Path) -> None:
    save(draw.order_of(run.path, "", ""), tmp_path / "order.svg")
    assert ">good</text>" in (tmp_path / "order.svg").read_text()


def test_other_endings_are_refused(run: MadeRun, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.pdf"):
        save(draw.order_of(run.path, "", ""), tmp_path / "order.docx")


@pytest.mark.parametrize("name", [*HOSTILE, "a$b$c", r"$\frac{1}{0}$"])
def test_hostile_names_are_drawn_as_they_are(tmp_path: Path, name: str) -> None:
    run = MadeRun(tmp_path / "run")
    run.add(name, 10.0)
    run.add("plain", 20.0)
    for number, figure in enumerate((draw.order_of(run.path, "", ""), draw.cases_of(run.path, "", [], [], "", Look()))):
        save(figure, tmp_path / f"{number}.svg")
        shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in name)
        assert shown in texts(figure)
    html = board_html(benchmark.load_run(run.path).leaderboard())
    assert "<script" not in html
    assert "<img" not in html


def test_from_python_the_same(run: MadeRun) -> None:
    loaded = benchmark.load_run(run.path)
    cell = loaded.cell("mr-ct/good/s0")
    assert "good" in texts(draw.plot_cell(cell, "test1"))
    assert "good" in texts(draw.plot_board(loaded.leaderboard()))
    assert "good" in texts(draw.plot_board(loaded.leaderboard(), "mr-ct", "psnr"))
    assert "good" in board_html(loaded.leaderboard())


def test_cells_without_predictions_say_so(run: MadeRun) -> None:
    run.add("broken", 0.0, state="failed", reason="it broke")
    with pytest.raises(BenchmarkError, match="failed and has no predictions"):
        draw.plot_cell(benchmark.load_run(run.path).cell("mr-ct/broken/s0"))
