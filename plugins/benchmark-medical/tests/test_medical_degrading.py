"""The simulators on clean images: identity where nothing is taken away, the right noise where something is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from benchmark_medical import benchmark_degraders, benchmark_tasks
from benchmark_medical.degrading import LowCounts, LowDose, Motion
from benchmark_medical.options import LowCountOptions, LowDoseOptions, ScanMotionOptions
from scipy.ndimage import gaussian_filter

from benchmark.contracts.protocols import CleanStudy
from benchmark.errors import DatasetError, UsageError

REAL = Path(os.environ.get("BENCHMARK_REAL_DATA") or Path(__file__).parents[3].parent / "shared" / "data")


def body(size=64, slices=3, inside=1.0, outside=0.0):
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    disc = np.broadcast_to(np.hypot(rows, 1.2 * columns) < 0.38 * size, (slices, size, size))
    return disc, np.where(disc, inside, outside).astype(np.float32)


def study(image, mask, other=None, unit="HU", spacing=(3.0, 4.0, 4.0)):
    return CleanStudy(np.asarray(image, np.float32), other, unit, mask, spacing)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_records_fit_the_tasks_they_make_pairs_for():
    tasks = {task.name: task for task in benchmark_tasks()}
    degraders = list(benchmark_degraders())
    assert {spec.task for spec in degraders} == {"mr-motion", "pet-denoise", "ldct"}
    for spec in degraders:
        task = tasks[spec.task]
        assert spec.unit == task.source_unit == task.target_unit
        assert spec.load()(spec.options()) is not None


@pytest.mark.parametrize(
    ("degrader", "options", "said"),
    [
        (Motion, ScanMotionOptions(severity=-1), "motion.severity: -1 is not from 0 to 100"),
        (LowCounts, LowCountOptions(counts=0), "low-counts.counts: 0 is not above 0"),
        (LowCounts, LowCountOptions(low_count_fraction=1.5), "low_count_fraction: 1.5 is not above 0 and at most 1"),
        (LowCounts, LowCountOptions(subsets=0), "subsets: 0"),
        (LowCounts, LowCountOptions(scatter_fraction=0.6, randoms_fraction=0.5), "leave no true counts"),
        (LowDose, LowDoseOptions(dose=0), "low-dose.dose: 0 is not above 0 and at most 1"),
        (LowDose, LowDoseOptions(dose=float("nan")), "dose: nan"),
    ],
)
def test_options_that_no_simulator_can_use_are_refused(degrader, options, said):
    with pytest.raises(UsageError, match=said):
        degrader(options)


class TestMotion:
    def test_without_motion_the_image_stays_and_with_it_the_energy_does(self):
        mask, image = body(inside=100)
        image = image + 20 * np.sin(np.arange(64) / 3).astype(np.float32) * mask
        still = Motion(ScanMotionOptions(severity=0)).degrade(study(image, mask), rng())
        np.testing.assert_allclose(still.source, image, atol=1e-3)
        moved = Motion(ScanMotionOptions(severity=1)).degrade(study(image, mask), rng())
        assert np.abs(moved.source - image).mean() > 2
        assert (moved.source**2).sum() == pytest.approx((image**2).sum(), rel=0.02)
        assert moved.target is not moved.source
        np.testing.assert_array_equal(moved.target, image)
        assert len(moved.physics["severity_mm"]) == 3
        assert max(moved.physics["severity_mm"]) > 0

    def test_slices_without_signal_stay_empty(self):
        mask, image = body(inside=100)
        image[1] = 0
        moved = Motion(ScanMotionOptions(severity=1)).degrade(study(image, mask), rng())
        assert not moved.source[1].any()
        assert np.isfinite(moved.source).all()
        assert np.isfinite(moved.physics["severity_mm"]).all()

    def test_slices_need_not_be_square_and_pixels_must(self):
        mask, image = body(inside=100)
        part = np.s_[:, 8:-8]
        moved = Motion(ScanMotionOptions(phase_axis="columns")).degrade(study(image[part], mask[part]), rng())
        assert moved.source.shape == image[part].shape
        with pytest.raises(DatasetError, match="not square"):
            Motion(ScanMotionOptions()).degrade(study(image, mask, spacing=(3, 4, 2)), rng())


class TestLowCounts:
    def test_all_counts_change_nothing_and_fewer_add_noise_without_bias(self):
        mask, image = body(inside=3.0)
        same = LowCounts(LowCountOptions(low_count_fraction=1.0)).degrade(study(image, mask), rng())
        np.testing.assert_allclose(same.source, image, atol=1e-4)
        spreads = []
        for fraction in (0.5, 0.25, 0.1):
            low = LowCounts(LowCountOptions(low_count_fraction=fraction)).degrade(study(image, mask), rng())
            error = (low.source - image)[mask]
            assert abs(error.mean()) < 0.1 * 3
            spreads.append(error.std())
        assert spreads == sorted(spreads)
        np.testing.assert_array_equal(low.target, image)
        assert low.source.min() >= 0

    def test_the_ct_of_the_file_attenuates_where_there_is_one(self):
        mask, image = body(inside=3.0)
        hu = np.where(mask, 40, -1000).astype(np.float32)
        with_ct = LowCounts(LowCountOptions()).degrade(study(image, mask, hu), rng())
        without = LowCounts(LowCountOptions()).degrade(study(image, mask, hu, unit="a.u."), rng())
        assert with_ct.physics["attenuation"] == "the file's CT"
        assert without.physics["attenuation"] == "water in the body"

    def test_slices_without_uptake_stay_and_a_study_without_any_is_refused(self):
        mask, image = body(inside=3.0)
        image[1] = 0
        low = LowCounts(LowCountOptions()).degrade(study(image, mask), rng())
        assert not low.source[1].any()
        with pytest.raises(DatasetError, match="no uptake"):
            LowCounts(LowCountOptions()).degrade(study(np.zeros_like(image), mask), rng())


class TestLowDose:
    def test_full_dose_changes_nothing_and_noise_grows_as_dose_falls(self):
        mask, image = body(inside=40, outside=-1000)
        spreads = []
        for dose in (1.0, 0.5, 0.25):
            low = LowDose(LowDoseOptions(dose=dose)).degrade(study(image, mask), rng())
            spreads.append(float((low.source - image)[mask].std()))
            np.testing.assert_array_equal(low.target, image)
        assert spreads[0] == 0
        # the noise that is missing: variances add up, so it goes with the square root of 1/dose - 1
        assert spreads[2] / spreads[1] == pytest.approx(np.sqrt(3), rel=0.1)

    def test_planted_signals_are_in_both_images_and_on_record(self):
        mask, image = body(inside=40, outside=-1000)
        low = LowDose(LowDoseOptions(dose=1.0, signals=4)).degrade(study(image, mask), rng())
        sites = low.physics["signals"]
        assert len(sites) >= 8
        for index, row, column, present in sites:
            assert low.target[index, row, column] == (80 if present else 40)
        np.testing.assert_array_equal(low.source, low.target)
        assert low.physics["target"] == "the scan with planted discs"

    def test_an_image_need_not_be_square(self):
        mask, image = body(inside=40, outside=-1000)
        part = np.s_[:, :, 6:-6]
        low = LowDose(LowDoseOptions()).degrade(study(image[part], mask[part]), rng())
        assert low.source.shape == image[part].shape


@pytest.mark.real_data
class TestRealScans:
    """Each simulator on the scan that it is for."""

    def volume(self, *parts):
        nibabel = pytest.importorskip("nibabel")
        path = REAL.joinpath(*parts)
        if not path.is_file():
            pytest.skip(f"{path.name} is not here ($BENCHMARK_REAL_DATA)")
        image = nibabel.as_closest_canonical(nibabel.load(path))
        return np.moveaxis(np.asarray(image.dataobj, np.float32), 2, 0), image.header.get_zooms()

    def test_motion_blurs_a_real_head(self):
        data, zooms = self.volume("ms-heads", "patient01", "study1_FLAIR.nii.gz")
        middle = data[len(data) // 2][None]
        made = Motion(ScanMotionOptions()).degrade(study(middle, middle > 20, spacing=(zooms[2], *zooms[:2])), rng())
        assert made.source.shape == middle.shape
        assert 0.03 < np.abs(made.source - middle).mean() / middle.mean() < 1.5

    def test_low_counts_and_low_dose_of_a_real_limb(self):
        folder = REAL / "sts" / "STS_004"
        names = {path.name for path in folder.rglob("*.nii.gz")} if folder.is_dir() else set()
        files = {kind: next(iter(sorted(n for n in names if kind in n.upper())), "") for kind in ("PET", "CT")}
        for kind, unit in (("PET", "SUV"), ("CT", "HU")):
            path = next((p for p in folder.rglob("*.nii.gz") if p.name == files[kind]), folder / "missing.nii.gz")
            data, zooms = self.volume(*path.relative_to(REAL).parts)
            part = data[len(data) // 2 - 1 : len(data) // 2 + 1]
            mask = gaussian_filter(part, (0, 2, 2)) > (0.1 if unit == "SUV" else -300)
            clean = study(part, mask, spacing=(zooms[2], *zooms[:2]))
            made = (LowCounts(LowCountOptions()) if unit == "SUV" else LowDose(LowDoseOptions())).degrade(clean, rng())
            error = (made.source - part)[mask]
            assert error.std() > 0
            assert abs(error.mean()) < error.std()
