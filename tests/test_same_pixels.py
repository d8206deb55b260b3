"""A run goes on with the pixels that it began with, or not at all."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from made_records import made, spec
from small_datasets import write

from benchmark.cell.job import CellJob
from benchmark.cell.workbench import lay_out
from benchmark.data.format.reader import Dataset
from benchmark.errors import DatasetError
from benchmark.plan.claim import DataSource
from benchmark.runs.same_pixels import require_same_pixels
from benchmark.store.folder import CellFolder
from benchmark.store.record import Record


def content(path: Path) -> str:
    with Dataset(path) as dataset:
        return dataset.info.content_sha256


def trained(name: str, path: Path, on: str) -> Record:
    source = DataSource("embedded", "k", str(path))
    return made({"model": name, "state": "done", "scores": {}, "dataset": {"content_sha256": on}}, source)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "d.h5", splits={"train": 1, "test": 1})


def test_the_same_data_are_taken_wherever_no_file_is(data: Path, tmp_path: Path) -> None:
    require_same_pixels([trained("a", data, content(data)), trained("b", data, content(data))])
    require_same_pixels([trained("a", tmp_path / "gone.h5", "0" * 64)])
    require_same_pixels([])


@pytest.mark.parametrize("change", ["pixels", "splits", "another task's"])
def test_other_data_under_the_same_name_are_refused(change: str, data: Path, tmp_path: Path) -> None:
    record = trained("a", data, content(data))
    data.unlink()
    if change == "pixels":
        write(data, splits={"train": 1, "test": 1}, change=lambda _, arrays: arrays["source"].__iadd__(1))
    elif change == "splits":
        write(data, splits={"train": 2, "test": 1})
    else:
        write(data, splits={"train": 1, "test": 1}, task="pet-ct", slices=3)
    with pytest.raises(DatasetError, match=r"d\.h5 holds other data .* than pet-ct/a/s0 was trained on .*--name"):
        require_same_pixels([record])


def test_cells_of_different_content_are_told_apart(data: Path) -> None:
    with pytest.raises(DatasetError, match="pet-ct/a/s0 and pet-ct/b/s0 were trained on different content"):
        require_same_pixels([trained("a", data, content(data)), trained("b", data, "1" * 64)])


def test_a_users_file_that_was_replaced_is_noticed_by_the_worker(data: Path, tmp_path: Path) -> None:
    job = CellJob(spec(dataset=DataSource("file", "2" * 64, str(data))), CellFolder(tmp_path / "cell"), False, "cpu")
    with Dataset(data) as dataset, pytest.raises(DatasetError, match="was replaced: it holds"):
        lay_out(job, SimpleNamespace(), dataset)  # type: ignore[arg-type]
