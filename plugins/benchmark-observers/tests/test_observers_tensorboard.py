"""TensorBoard's event files, read back with TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SKIP = "needs benchmark-observers[tensorboard]"
pytest.importorskip("benchmark_observers", reason=SKIP)
pytest.importorskip("tensorboard", reason=SKIP)

from benchmark_observers.options import TensorBoardOptions  # noqa: E402
from benchmark_observers.tensorboard_events import TensorBoardObserver  # noqa: E402
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.plugins.hparams import plugin_data_pb2  # noqa: E402


def read(folder: Path) -> Any:
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def curve(events: Any, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_curves_scores_settings_and_state_are_in_the_folder_of_the_cell(story: Any) -> None:
    observer = TensorBoardObserver(TensorBoardOptions())
    observer.run_started(story.run)
    observer.cell_started(story.cell)
    story.log(observer, 1, 2)
    observer.cell_logged(story.cell, {"step": 4, "validation_mae": 0.25})
    observer.cell_finished(story.cell, story.record)
    observer.run_finished()
    events = read(story.run.folder / "observers/tensorboard/mr-ct/net/s0")
    assert curve(events, "loss/pixel") == [(1, 1.0), (2, 2.0)]
    assert curve(events, "training/images_per_s") == [(1, 8.0), (2, 8.0)]
    assert curve(events, "training/validation_mae") == [(4, 0.25)]
    assert curve(events, "score/psnr") == [(4, 20.5)]
    assert curve(events, "time/train_s") == [(4, 1.5)]
    assert curve(events, "parameters/generator") == [(4, 12.0)]
    assert "score/lpips" not in events.Tags()["scalars"]  # it has no value
    said = {
        name: list(events.Tensors(name)[0].tensor_proto.string_val)
        for name in events.Tags()["tensors"]
        if name.startswith("about/")
    }
    assert said == {
        "about/state": [b"done"],
        "about/dataset": [b"phantom"],
        "about/simulated": [b"yes"],
        "about/profile": [b"default/1"],
    }
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    settings = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert settings["recipe.learning_rate"].number_value == 0.001
    assert settings["option.blocks"].number_value == 3
    assert settings["option.kernels"].string_value == "[3, 5]"
    assert settings["cell"].string_value == story.cell.id


def test_a_cell_that_goes_on_replaces_its_events_in_one_process_and_in_the_next(story: Any) -> None:
    first = TensorBoardObserver(TensorBoardOptions())
    first.run_started(story.run)
    first.cell_started(story.cell)
    story.log(first, 1, 2, 3)
    first.cell_started(story.cell)  # a retry
    story.log(first, 1, 2)
    first.run_finished()
    folder = story.run.folder / "observers/tensorboard/mr-ct/net/s0"
    assert curve(read(folder), "loss/pixel") == [(1, 1.0), (2, 2.0)]
    second = TensorBoardObserver(TensorBoardOptions())
    second.run_started(story.run)
    second.cell_started(story.cell)
    story.log(second, 1, 2, 3, 4)
    second.cell_finished(story.cell, story.record)
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1
    assert curve(read(folder), "loss/pixel") == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]


def test_a_folder_of_ones_own_and_a_cell_that_never_started(story: Any, tmp_path: Path) -> None:
    observer = TensorBoardObserver(TensorBoardOptions(folder=str(tmp_path / "all")))
    observer.run_started(story.run)
    observer.cell_finished(story.cell, {"state": "skipped", "reason": "weights missing"})
    events = read(tmp_path / "all/trial/mr-ct/net/s0")
    assert list(events.Tensors("about/reason")[0].tensor_proto.string_val) == [b"weights missing"]
    assert events.Tags()["scalars"] == []
    assert not (story.run.folder / "observers").exists()
