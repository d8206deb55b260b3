"""Low-dose CT: the pair, the planted signals, and the measures that look at noise and at them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmark_medical import benchmark_tasks
from benchmark_medical.downstream.ct_noise import LowContrast, NoisePower, observer_template, power_spectrum
from benchmark_medical.inserts import MARGIN_PIXELS, choose, even_object, plant, radius_in_pixels
from benchmark_medical.options import LdctOptions
from scipy.ndimage import gaussian_filter

from benchmark import NotApplicable
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import DataSize
from benchmark.contracts.protocols import BuildRequest, DownstreamContext, DownstreamStudy
from benchmark.data.format.reader import Dataset

SPEC = next(spec for spec in benchmark_tasks() if spec.name == "ldct")
SIZE = DataSize(image_size=64, train=1, validation=0, test=4, slices=10)
CONTEXT = DownstreamContext("ldct", IntensityMap("HU", -1024, 2000), IntensityMap("HU", -1024, 2000), True, {})


def build(path, **options):
    SPEC.load()(BuildRequest("ldct", path, SIZE, 0, LdctOptions(**options), lambda _: None))
    with Dataset(path) as data:
        return [
            DownstreamStudy(
                case.key.patient, case.key.study, case.source, case.target, case.target, case.mask, case.labels,
                case.spacing, data.physics(case.key),
            )
            for case in data.iterate("test")
        ]  # fmt: skip


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    return build(tmp_path_factory.mktemp("ldct") / "data.h5")


def even(noise, *, size=48, slices=6, seed=0):
    """Even soft tissue with noise of some standard deviation."""
    image = 40 + np.random.default_rng(seed).normal(0, noise, (slices, size, size))
    return DownstreamStudy(
        "p", "s", image, np.full_like(image, 40), image, np.ones(image.shape, bool), None, (3, 5, 5), {}
    )


def test_source_and_target_differ_by_noise_that_quarter_dose_doubles(studies):
    for study in studies:
        error = (study.source - study.target)[study.mask]
        assert abs(error.mean()) < 0.2 * error.std()
        assert study.physics["dose"] == 0.25
        assert np.array_equal(study.source, np.rint(study.source))
    noise = NoisePower(None, CONTEXT)
    measured = []
    for study in studies:
        try:
            full, low = (noise.evaluate(replace(study, prediction=each)) for each in (study.target, study.source))
            measured.append(low["noise"] / full["noise"])
        except NotApplicable:
            continue
    assert np.mean(measured) == pytest.approx(2, abs=0.35)


def test_full_dose_is_the_target_itself(tmp_path):
    for study in build(tmp_path / "full.h5", dose=1.0, signals=0):
        np.testing.assert_array_equal(study.source, study.target)
        assert study.physics["signals"] == []


class TestSignals:
    def test_places_are_in_soft_tissue_and_apart_and_half_hold_a_signal(self):
        hu = np.full((2, 64, 64), -100, np.float32)
        hu[:, 8:56, 8:56] = 60
        hu[:, 30:34, 8:56] = 1000
        sites = choose(even_object(hu), 2.0, 6, np.random.default_rng(0))
        assert len(sites) == 12
        assert sum(site.present for site in sites) == 6
        for site in sites:
            assert min(site.row - 8, 55 - site.row, site.column - 8, 55 - site.column) >= 2
            assert abs(site.row - 31.5) > 4
            for other in sites:
                if other is not site and other.slice == site.slice:
                    assert np.hypot(site.row - other.row, site.column - other.column) > 2 * (2 + MARGIN_PIXELS)

    def test_a_disc_adds_its_contrast_over_its_area(self):
        sites = choose(np.ones((1, 40, 40), bool), 3.0, 1, np.random.default_rng(0))
        added = plant(np.zeros((1, 40, 40), np.float32), sites, 3.0, -20.0)
        assert added.min() == -20
        assert added.sum() / -20 == pytest.approx(np.pi * 9, rel=0.05)
        assert added[0, sites[0].row, sites[0].column] == -20

    def test_no_disc_is_smaller_than_pixels_can_show(self):
        assert radius_in_pixels(6, 2) == 3
        assert radius_in_pixels(6, 7.2) == 1.5


class TestNoisePower:
    def test_white_noise_by_hand(self):
        found = NoisePower(None, CONTEXT).evaluate(even(20.0))
        side, spacing = 8, 0.5
        frequency = np.fft.fftfreq(side, spacing)
        white = np.hypot(frequency[:, None], frequency[None, :])
        assert found["noise"] == pytest.approx(20 * np.sqrt(1 - 3 / side**2), rel=0.05)  # a plane is taken out
        assert found["frequency"] == pytest.approx(white.mean(), rel=0.05)

    def test_the_spectrum_sums_to_the_variance_and_knows_no_plane(self):
        rng = np.random.default_rng(1)
        rows, columns = np.indices((8, 8))
        patches = rng.normal(0, 3, (50, 8, 8))
        spectrum = power_spectrum(patches)
        np.testing.assert_allclose(power_spectrum(patches + 5 * rows - 2 * columns + 100), spectrum, atol=1e-9)
        assert power_spectrum((5.0 * rows - 2.0 * columns)[None]).sum() == pytest.approx(0, abs=1e-18)

    def test_blur_takes_noise_and_its_high_frequencies(self, studies):
        noise = NoisePower(None, CONTEXT)
        study = even(20.0)
        steps = [
            noise.evaluate(replace(study, prediction=gaussian_filter(study.source, (0, sigma, sigma))))
            for sigma in (0, 0.7, 1.5)
        ]
        for name in ("noise", "frequency"):
            values = [step[name] for step in steps]
            assert values == sorted(values, reverse=True)

    def test_where_nothing_is_even_there_is_nothing_to_measure(self):
        study = even(0.0)
        edges = 300 * (np.indices(study.target.shape)[2] // 4 % 2)
        with pytest.raises(NotApplicable, match="even soft tissue"):
            NoisePower(None, CONTEXT).evaluate(replace(study, target=edges))


class TestLowContrast:
    def planted(self, noise, contrast=30.0, count=150):
        hu = np.full((count, 32, 32), 60, np.float32)
        sites = choose(even_object(hu), 2.0, 4, np.random.default_rng(3))
        clean = plant(hu, sites, 2.0, contrast)
        image = clean + np.random.default_rng(4).normal(0, noise, clean.shape)
        physics = {"signals": [s.to_json() for s in sites], "signal_radius_pixels": 2.0, "signal_hu": contrast}
        return DownstreamStudy(
            "p", "s", image, clean, image, np.ones(image.shape, bool), None, (3.0, 2.0, 2.0), physics
        )

    def test_in_white_noise_it_is_the_observer_s_signal_to_noise_ratio(self):
        template = observer_template(2.0)
        rows, columns = np.indices(template.shape) - template.shape[0] // 2
        signal = 30 * np.clip(2.5 - np.hypot(rows, columns), 0, 1)
        expected = (template * signal).sum() / (60 * np.sqrt((template**2).sum()))
        assert template.sum() == pytest.approx(0, abs=1e-9)
        found = LowContrast(None, CONTEXT).evaluate(self.planted(60.0))["detectability"]
        assert found == pytest.approx(expected, rel=0.15)

    def test_dark_signals_count_as_bright_ones_do_and_a_constant_image_shows_nothing(self):
        observer = LowContrast(None, CONTEXT)
        bright, dark = (observer.evaluate(self.planted(60.0, contrast))["detectability"] for contrast in (30, -30))
        assert dark == pytest.approx(bright, rel=0.2)
        study = self.planted(60.0)
        assert observer.evaluate(replace(study, prediction=np.zeros_like(study.target))) == {"detectability": 0.0}

    def test_dose_and_blur_cost_detectability(self, studies):
        observer = LowContrast(None, CONTEXT)
        enough = [s for s in studies if sum(site[3] for site in s.physics["signals"]) >= 6]
        assert len(enough) > 1
        means = [
            np.mean([observer.evaluate(replace(s, prediction=make(s)))["detectability"] for s in enough])
            for make in (
                lambda s: s.target,
                lambda s: s.source,
                lambda s: gaussian_filter(s.source, (0, 2, 2)),
            )
        ]
        assert means[0] > 1.3 * means[1]
        assert means[1] > means[2]

    def test_without_planted_signals_it_is_not_applicable(self):
        study = self.planted(10.0)
        for physics in ({}, {**study.physics, "signals": []}):
            with pytest.raises(NotApplicable, match="no signals were planted"):
                LowContrast(None, CONTEXT).evaluate(replace(study, physics=physics))
        few = {**study.physics, "signals": study.physics["signals"][:8]}
        with pytest.raises(NotApplicable, match="fewer than 5"):
            LowContrast(None, CONTEXT).evaluate(replace(study, physics=few))
