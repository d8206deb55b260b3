"""Training images whose sources and targets do not belong together: format, checks, batches, and who may learn so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from small_datasets import SOURCE, TARGET, anatomy
from small_datasets import write as write_pairs

from benchmark import DatasetError, MetricSpec, ModelSpec, ProfileSpec, TaskSpec
from benchmark.cell.batches import Batches, Slices
from benchmark.contracts.intensity import Window
from benchmark.contracts.specs import MetricUse
from benchmark.data.checks import file as checks
from benchmark.data.contact_sheet import contact_sheet
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.data.summary import summary
from benchmark.plan.expand import make_plan
from benchmark.plan.grid import parse_grid
from benchmark.registry.plugins import Offer, Plugin, Registry
from benchmark.settings.statement import PlanChoices

CPU = torch.device("cpu")


def write(path: Path, *, sources: int = 3, targets: int = 2, paired: bool = False, spoil: str = "") -> Path:
    """Training patients ``a*`` with a source alone and ``b*`` with a target alone, two slices each; ten test pairs."""
    with DatasetWriter(
        path, task="mr-ct", name="unpaired", source=SOURCE, target=TARGET, simulated=True, paired=paired
    ) as writer:
        names: dict[str, list[str]] = {"train": [], "test": []}
        for letter, role, count in (("a", "source", sources), ("b", "target", targets)):
            for number in range(count):
                patient = f"{letter}{number}"
                arrays = anatomy(patient)
                writer.add_case(patient, "s1", **{role: arrays[role]}, mask=arrays["mask"], spacing=(3.0, 2.0, 1.0))
                names["train"].append(patient)
        for number in range(10):
            arrays = anatomy(f"t{number}")
            if spoil == f"t{number}":
                del arrays["target"]
            writer.add_case(f"t{number}", "s1", **arrays, spacing=(3.0, 2.0, 1.0))
            names["test"].append(f"t{number}")
        writer.set_splits(names)
    return path


def test_a_file_of_single_sides_is_sound_and_says_that_it_is_unpaired(tmp_path: Path) -> None:
    path = write(tmp_path / "u.h5")
    assert [problem for problem in checks.check(path) if problem.severity == "error"] == []
    with Dataset(path) as dataset:
        assert not dataset.info.paired
        assert dataset.load_sides(dataset.info.in_split("train")[0]).target is None
        with pytest.raises(DatasetError, match="a0/s1 has no target"):
            dataset.load(dataset.info.in_split("train")[0])
        assert dataset.load(dataset.info.in_split("test")[0]).target.shape == (2, 8, 8)
    assert summary(path)["paired"] is False
    contact_sheet(path, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_pairs_are_paired_unless_said_otherwise_also_in_older_files(tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "p.h5")
    with h5py.File(path, "a") as file:
        del file.attrs["paired"], file.attrs["mirror_safe"]
    assert not any(problem.severity == "error" for problem in checks.check(path))
    with Dataset(path) as dataset:
        assert dataset.info.paired
        assert not dataset.info.mirror_safe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"paired": True}, "a0/s1 has no target; only training cases of a file with paired=False"),
        ({"spoil": "t3"}, "case t3/s1 has no target"),
        ({"targets": 0}, "no training case has a target"),
        ({"sources": 0}, "no training case has a source"),
    ],
)
def test_a_side_that_must_be_there_is_missed_when_writing(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        write(tmp_path / "u.h5", **settings)
    assert not list(tmp_path.iterdir())


def test_calling_unpaired_data_paired_afterwards_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "u.h5")
    with h5py.File(path, "a") as file:
        file.attrs["paired"] = True
    found = " ".join(problem.what for problem in checks.check(path) if problem.severity == "error")
    assert "has no target" in found
    assert "content_sha256 differs" in found
    with pytest.raises(DatasetError, match="has no target"):
        Dataset(path)


def test_batches_draw_each_side_over_its_own_slices(tmp_path: Path) -> None:
    with Dataset(write(tmp_path / "u.h5")) as dataset:
        slices = Slices(dataset, "train")
        assert (len(slices.source), len(slices.target), len(slices.mask), len(slices)) == (6, 4, 4, 6)
        assert len(list(slices)) == 6
        assert len(Slices(dataset, "test")) == 20
    batches = Batches(slices, 2, seed=0, unpaired=True, device=CPU)
    for role, count in (("source", 6), ("target", 4)):
        for epoch in range(3):
            first = epoch * count // 2
            seen = torch.cat([getattr(batches[first + step], role) for step in range(count // 2)])
            assert len(torch.unique(seen.flatten(1), dim=0)) == count
    # the mask is the target's
    batch = batches[1]
    for target, mask in zip(batch.target[:, 0].numpy(), batch.mask[:, 0].numpy(), strict=True):
        place = next(i for i, known in enumerate(slices.target) if np.array_equal(known, target))
        assert np.array_equal(slices.mask[place], mask > 0)


def test_pairs_cannot_be_drawn_from_it(tmp_path: Path) -> None:
    with Dataset(write(tmp_path / "u.h5", sources=2)) as dataset:
        slices = Slices(dataset, "train")
    with pytest.raises(DatasetError, match="not paired"):
        Batches(slices, 1, seed=0, unpaired=False, device=CPU)


def test_models_that_learn_from_pairs_are_skipped_with_the_reason(tmp_path: Path) -> None:
    plugin = Plugin("p", "benchmark-p", "1.0", "json", "loaded")
    models = [
        ModelSpec("pairs", "m:f"),
        ModelSpec("cycle", "m:f", pairing="unpaired"),
        ModelSpec("curve", "m:f", kind="fitted"),
        ModelSpec("copy", "m:f", kind="fixed"),
    ]
    task = TaskSpec(
        "mr-ct",
        "m:t",
        source_modality="MR",
        target_modality="CT",
        source_unit="a.u.",
        target_unit="HU",
        profile="p",
    )
    registry = Registry(
        (plugin,),
        {
            "model": [Offer(model, plugin) for model in models],
            "task": [Offer(task, plugin)],
            "metric": [Offer(MetricSpec("mae", "m:m", label="MAE", higher_is_better=False), plugin)],
            "profile": [Offer(ProfileSpec("p", 1, (MetricUse("mae"),), primary="mae"), plugin)],
        },
    )
    grid = parse_grid('[[entries]]\ntasks = ["mr-ct"]\nmodels = ["pairs", "cycle", "curve", "copy"]\n', "g")
    data = {"mr-ct": write(tmp_path / "u.h5")}
    skips = {cell.spec.name: cell.skip for cell in make_plan(registry, grid, PlanChoices(data=data)).cells}
    assert "pairs learns from pairs, and the training images of u.h5 are not paired" in skips["pairs"]
    assert "not paired" in skips["curve"]
    assert skips["cycle"] == skips["copy"] == ""
    data = {"mr-ct": write_pairs(tmp_path / "p.h5")}
    assert not any(cell.skip for cell in make_plan(registry, grid, PlanChoices(data=data)).cells)
    declared = Side("MR T1", "a.u.", Window(0, 1000))
    data = {"mr-ct": write_pairs(tmp_path / "t.h5", splits={"test": 2}, source=declared)}
    skips = {cell.spec.name: cell.skip for cell in make_plan(registry, grid, PlanChoices(data=data)).cells}
    assert skips.pop("copy") == ""
    assert all("t.h5 is a test set without training patients" in skip for skip in skips.values())
