"""The embedded data sets: schema, determinism, splits, ranges, and anatomy that does not depend on the grid."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
from benchmark_medical import benchmark_tasks, subjects
from benchmark_medical.canvas import Canvas, Grid
from benchmark_medical.head import Head
from benchmark_medical.options import MrMotionOptions, PetCtOptions
from benchmark_medical.tissues import LABELS, TISSUES
from benchmark_medical.torso import Torso

from benchmark.contracts.presets import DATA_SEED, DataSize
from benchmark.contracts.protocols import BuildRequest
from benchmark.data.format.reader import Dataset

SIZE = DataSize(image_size=48, train=2, validation=1, test=1, slices=2)
SPECS = {spec.name: spec for spec in benchmark_tasks() if spec.source_unit != "mask"}
"""Those that image patients; photographs of filaments have tests of their own."""


def build(folder, task, seed=0, size=SIZE, options=None, name="data.h5"):
    path = folder / name
    SPECS[task].load()(BuildRequest(task, path, size, seed, options or SPECS[task].options(), lambda _: None))
    return path


@pytest.fixture(scope="module", params=sorted(SPECS))
def built(request, tmp_path_factory):
    return request.param, build(tmp_path_factory.mktemp(request.param), request.param)


def test_file_says_what_the_record_says(built):
    task, path = built
    spec, info = SPECS[task], Dataset(path).info
    assert (info.task, info.simulated) == (task, True)
    assert (info.source.unit, info.target.unit) == (spec.source_unit, spec.target_unit)
    assert (info.source.modality, info.target.modality) == (spec.source_modality, spec.target_modality)
    assert info.image_size == (48, 48)
    assert {split: len(names) for split, names in info.splits.items()} == {"train": 2, "val": 1, "test": 1}
    assert sorted(sum(info.splits.values(), ())) == ["p001", "p002", "p003", "p004"]


def test_values_lie_in_their_physical_range(built):
    _, path = built
    data = Dataset(path)
    for case in (data.load(key) for key in data.info.cases):
        assert case.source.shape == (2, 48, 48)
        assert case.labels is not None
        assert case.labels.max() < len(TISSUES)
        assert 0.1 < case.mask.mean() < 0.8
        assert not case.labels[~case.mask].any()  # only air outside the body
        for image, side in ((case.source, data.info.source), (case.target, data.info.target)):
            if side.unit == "HU":
                assert -1024 <= image.min() < -900
                assert 600 < image.max() < 2600
                assert np.array_equal(image, np.rint(image))
            else:
                assert image.min() >= 0
                assert image[case.mask].mean() > 3 * image[~case.mask].mean()
        assert case.affine[:3, :3] == pytest.approx(np.diag([-case.spacing[2], -case.spacing[1], case.spacing[0]]))


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(built, tmp_path):
    task, path = built
    same, other = build(tmp_path, task, name="same.h5"), build(tmp_path, task, seed=1, name="other.h5")
    assert Dataset(path).info.content_sha256 == Dataset(same).info.content_sha256
    assert Dataset(path).info.content_sha256 != Dataset(other).info.content_sha256


def test_a_patient_does_not_depend_on_the_others(built, tmp_path):
    task, path = built
    more = build(tmp_path, task, size=replace(SIZE, train=1, test=3))
    for patient in ("p001", "p004"):
        with h5py.File(path) as first, h5py.File(more) as second:
            for role in ("source", "target", "labels"):
                np.testing.assert_array_equal(
                    first[f"cases/{patient}/s1/{role}"][()], second[f"cases/{patient}/s1/{role}"][()]
                )


def test_no_two_patients_are_alike(built):
    _, path = built
    data = Dataset(path)
    labels = [data.load(key).labels for key in data.info.cases]
    for index, first in enumerate(labels):
        for second in labels[:index]:
            assert (first != second).mean() > 0.02


def test_physics_is_stored_with_each_case(tmp_path):
    with h5py.File(build(tmp_path, "mr-motion")) as file:
        physics = json.loads(file["cases/p001/s1"].attrs["physics"])
    assert len(physics["severity_mm"]) == len(physics["trajectories"]) == 2
    assert {path["kind"] for path in physics["trajectories"]} <= {"step", "drift", "periodic"}
    with h5py.File(build(tmp_path, "pet-denoise")) as file:
        physics = json.loads(file["cases/p001/s1"].attrs["physics"])
    for full, low in zip(physics["counts_per_slice"], physics["low_counts_per_slice"], strict=True):
        assert full == pytest.approx(8e4, rel=0.03)
        assert low == pytest.approx(0.25 * full, rel=0.05)


def test_patients_are_of_both_sexes(tmp_path):
    size = replace(SIZE, image_size=16, train=10, slices=1)
    for task in ("mr-ct", "pet-denoise"):
        with h5py.File(build(tmp_path, task, size=size, name=f"{task}.h5")) as file:
            sexes = [json.loads(case["s1"].attrs["physics"])["sex"] for case in file["cases"].values()]
        assert set(sexes) == {"female", "male"}


def test_without_motion_source_and_target_differ_by_noise_alone(tmp_path):
    options = MrMotionOptions(severity=0.0, noise=0.0)
    data = Dataset(build(tmp_path, "mr-motion", options=options))
    case = data.load(data.info.cases[0])
    np.testing.assert_allclose(case.source, case.target, atol=1e-3 * case.target.max())


@pytest.mark.parametrize("anatomy", [Head, Torso])
def test_the_object_is_the_same_on_a_finer_grid(anatomy):
    body = anatomy(np.random.default_rng(3))
    fractions = {}
    for size in (64, 128):
        grid = Grid(size, 400 / size if anatomy is Torso else 240 / size, (10.0, 30.0))
        canvas = Canvas((2, size, size), grid.pixel)
        body.paint(canvas, grid.points(grid.z))
        np.testing.assert_allclose(canvas.fractions.sum(0), 1, atol=1e-4)
        assert canvas.fractions.min() >= -1e-6
        fractions[size] = canvas.fractions
    averaged = fractions[128].reshape(len(TISSUES), 2, 64, 2, 64, 2).mean((3, 5))
    assert np.abs(averaged - fractions[64]).mean() < 0.01
    by_volume = averaged.sum((1, 2, 3)), fractions[64].sum((1, 2, 3))
    for name in ("fat", "cortical bone"):
        assert by_volume[0][LABELS[name]] == pytest.approx(by_volume[1][LABELS[name]], rel=0.2)


def test_patients_streams_are_independent_of_task_and_number():
    draws = {
        (task, number): subjects.streams(0, task, number).anatomy.random() for task in SPECS for number in (1, 2, 3)
    }
    assert len(set(draws.values())) == len(draws)


def test_listing_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, benchmark_medical as m; list(m.benchmark_tasks());"
        "list(m.benchmark_importers()); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "scipy", "nibabel", "h5py", "torch"} & set(loaded)


@pytest.mark.parametrize(("task", "role"), [("pet-ct", "source"), ("pet-denoise", "source"), ("pet-denoise", "target")])
def test_a_body_is_not_squeezed_into_a_fifth_of_the_networks_range(tmp_path, task, role):
    data = Dataset(build(tmp_path, task))
    window = data.info.source_map if role == "source" else data.info.target_map
    case = data.load(data.info.cases[0])
    low, high = np.percentile(window.forward(getattr(case, role)[case.mask]), [5, 95])
    assert high - low > 0.4  # of a range 2 wide: a fifth of it


def test_a_pet_that_is_not_corrected_for_attenuation_is_darker_in_the_middle_and_says_so(tmp_path):
    corrected = Dataset(build(tmp_path, "pet-ct"))
    options = PetCtOptions(attenuation_correction="none")
    uncorrected = Dataset(build(tmp_path, "pet-ct", options=options, name="none.h5"))
    for key in corrected.info.cases:
        first, second = corrected.load(key), uncorrected.load(key)
        np.testing.assert_array_equal(first.target, second.target)
        assert second.source[first.mask].mean() < 0.6 * first.source[first.mask].mean()
    assert "corrected for attenuation with the target CT" in corrected.info.remarks[0]
    assert "not corrected" in uncorrected.info.remarks[0]
    assert uncorrected.info.source_map.curve == "root"
    assert uncorrected.info.source.window.kind == "percentile"


@pytest.mark.parametrize(("seed", "tuned"), [(0, True), (9, True), (DATA_SEED, False)])
def test_patients_of_a_tuning_seed_are_named_as_such(tmp_path, seed, tuned):
    remarks = Dataset(build(tmp_path, "mr-ct", seed=seed, size=replace(SIZE, image_size=16, slices=1))).info.remarks
    assert (f"Data seed {seed} is for tuning" in " ".join(remarks)) == tuned
