"""The physics the simulators claim: conservation, statistics, adjoints and known answers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from benchmark_medical import ct, motion, mr, pet
from benchmark_medical.options import CtOptions, MrOptions, PetOptions
from benchmark_medical.projector import Projector, refined
from hypothesis import given
from hypothesis import strategies as st

SIZE, PIXEL_CM = 48, 0.4
QUIET = PetOptions(scatter_fraction=0.0, randoms_fraction=0.0, resolution_mm=0.0, filter_mm=0.0)


def disc(radius_cm: float, size: int = SIZE, pixel_cm: float = PIXEL_CM) -> np.ndarray:
    """A disc of ones with partial volume at its rim, ``(1, size, size)``."""
    fine = 8
    axis = (np.arange(size * fine) - (size * fine - 1) / 2) * pixel_cm / fine
    inside = (axis[:, None] ** 2 + axis[None, :] ** 2 <= radius_cm**2).astype(np.float32)
    return inside.reshape(size, fine, size, fine).mean((1, 3))[None]


@pytest.fixture(scope="module")
def system() -> Projector:
    return Projector(SIZE, PIXEL_CM, 60)


# projector


GEOMETRIES = pytest.mark.parametrize(
    "geometry", [{}, {"ray_cm": 0.2}, {"source_cm": 57.0}, {"source_cm": 40.0, "ray_cm": 0.15}], ids=str
)


@GEOMETRIES
def test_back_projector_is_the_adjoint(geometry):
    system = Projector(SIZE, PIXEL_CM, 24, **geometry)
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, SIZE, SIZE)).astype(np.float32)
    sinogram = rng.standard_normal((2, system.views, system.rays)).astype(np.float32)
    left = np.vdot(system.forward(image).astype(np.float64), sinogram)
    right = np.vdot(image.astype(np.float64), system.backward(sinogram))
    assert left == pytest.approx(right, rel=1e-4, abs=1e-2)


@GEOMETRIES
def test_line_integrals_through_a_disc_are_its_chords(geometry):
    system = Projector(SIZE, PIXEL_CM, 20, **geometry)
    rows, columns = 2, -3  # pixels off the centre
    profile = system.forward(np.roll(disc(6.0), (rows, columns), (1, 2)))[0]
    x, y = columns * PIXEL_CM, rows * PIXEL_CM
    for view, angle in enumerate(system.angles):
        place = (np.arange(system.rays) - (system.rays - 1) / 2) * system.ray_cm
        across = x * np.cos(angle) + y * np.sin(angle)
        if np.isfinite(system.source_cm):
            along = system.source_cm + y * np.cos(angle) - x * np.sin(angle)
            miss = np.hypot(along, across) * np.sin(system.fan_angles() - np.arctan2(across, along))
        else:
            miss = place - across
        middle = np.abs(miss) < 4.5
        chord = 2 * np.sqrt(36 - miss[middle] ** 2)
        assert np.abs(profile[view, middle] - chord).max() < 0.25
        if not np.isfinite(system.source_cm):
            assert profile[view].sum() * system.ray_cm == pytest.approx(disc(6.0).sum() * PIXEL_CM**2, rel=1e-4)


def test_matrices_that_are_too_large_to_keep_give_the_same(monkeypatch):
    image = np.random.default_rng(1).random((2, SIZE, SIZE)).astype(np.float32)
    kept = Projector(SIZE, PIXEL_CM, 12, source_cm=57.0)
    monkeypatch.setattr("benchmark_medical.projector.KEPT_WEIGHTS", 0)
    fresh = Projector(SIZE, PIXEL_CM, 12, source_cm=57.0)
    sinogram = kept.forward(image)
    np.testing.assert_allclose(sinogram, fresh.forward(image), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(kept.spread(sinogram, 1), fresh.spread(sinogram, 1), rtol=1e-5)
    assert len(kept.blocks) == 12
    for view, block in enumerate(kept.blocks):  # quarter turns of the image are other views
        np.testing.assert_allclose(block @ image[0].ravel(), sinogram[0, view], rtol=1e-5, atol=1e-5)


# PET


def test_expected_counts_are_as_requested_and_background_adds(system):
    activity, mu = disc(7.0), 0.096 * disc(7.0)
    options = PetOptions(counts=1e5, scatter_fraction=0.3, randoms_fraction=0.2)
    expected, _, background = pet.expectation(activity, mu, system, options)
    assert expected.sum() == pytest.approx(1e5, rel=1e-5)
    assert background.sum() == pytest.approx(0.5e5, rel=1e-4)
    trues, _, none = pet.expectation(
        activity, mu, system, replace(options, counts=0.5e5, scatter_fraction=0.0, randoms_fraction=0.0)
    )
    assert not none.any()
    np.testing.assert_allclose(expected - background, trues, rtol=1e-4, atol=1e-4)
    assert background.min() > 0  # randoms reach rays that miss the patient


def test_counts_are_poisson(system):
    activity, mu = disc(7.0), 0.096 * disc(7.0)
    options = PetOptions(counts=2e5)
    expected, _, _ = pet.expectation(activity, mu, system, options)
    rng = np.random.default_rng(1)
    repeats = np.stack([pet.acquire(activity, mu, system, options, rng).counts for _ in range(60)])
    ratio = repeats.var(0, ddof=1).sum() / repeats.mean(0).sum()
    assert ratio == pytest.approx(1.0, abs=0.03)
    assert repeats.sum((1, 2, 3)).mean() == pytest.approx(2e5, rel=3 * np.sqrt(2e5 / 60) / 2e5)
    assert repeats.mean(0) == pytest.approx(expected, abs=6 * np.sqrt(expected.max() / 60))
    # bin by bin: variance over mean is chi-squared with 59 degrees of freedom, sqrt(2 / 59) wide
    counted = expected[0] > 5
    each = repeats.var(0, ddof=1)[0][counted] / expected[0][counted]
    assert counted.sum() > 1000
    assert (np.abs(each - 1) > 3 * np.sqrt(2 / 59)).mean() < 0.01


def test_thinned_counts_keep_the_fraction_and_forget_the_rest():
    rng = np.random.default_rng(2)
    expected = np.full((400, 40, 10), 50.0)
    counts = rng.poisson(expected).astype(np.float32)
    full = pet.Acquisition(counts, np.ones_like(counts), np.zeros_like(counts))
    low = pet.thin(full, 0.25, rng).counts
    rest = counts - low
    assert low.mean() == pytest.approx(12.5, rel=0.01)
    assert low.var() == pytest.approx(12.5, rel=0.02)
    assert rest.var() == pytest.approx(37.5, rel=0.02)
    assert abs(np.corrcoef(low.ravel(), rest.ravel())[0, 1]) < 0.01
    fixed = pet.Acquisition(np.full((1, 200, 200), 80.0), np.ones((1, 200, 200)), np.zeros((1, 200, 200)))
    kept = pet.thin(fixed, 0.25, rng).counts
    assert kept.var() == pytest.approx(80 * 0.25 * 0.75, rel=0.05)


def test_thinning_scales_what_the_reconstruction_knows(system):
    acquired = pet.acquire(disc(7.0), 0.096 * disc(7.0), system, PetOptions(), np.random.default_rng(3))
    low = pet.thin(acquired, 0.25, np.random.default_rng(4))
    np.testing.assert_allclose(low.sensitivity, acquired.sensitivity / 4)
    np.testing.assert_allclose(low.background, acquired.background / 4)
    assert (low.counts <= acquired.counts).all()
    with pytest.raises(ValueError, match="fraction"):
        pet.thin(acquired, 0.0, np.random.default_rng(0))


def test_likelihood_never_falls_with_one_subset(system):
    acquired = pet.acquire(disc(7.0), 0.096 * disc(7.0), system, PetOptions(counts=5e4), np.random.default_rng(5))
    values = [
        float(
            pet.log_likelihood(
                pet.osem(acquired, system, PetOptions(iterations=n, subsets=1, filter_mm=0.0)), acquired, system
            )[0]
        )
        for n in range(1, 8)
    ]
    assert all(after > before for before, after in pairwise(values))


def test_unit_cylinder_recovers_with_attenuation_correction_and_is_cupped_without(system):
    activity, mu = disc(8.0), 0.096 * disc(8.0)
    expected, sensitivity, background = pet.expectation(activity, mu, system, QUIET)
    ideal = pet.Acquisition(expected.astype(np.float32), sensitivity, background)
    options = replace(QUIET, iterations=8, subsets=6)
    image = pet.osem(ideal, system, options)
    inner, rim = disc(5.0)[0] == 1, (disc(7.6)[0] == 1) & (disc(6.4)[0] == 0)
    assert image[0][inner].mean() == pytest.approx(1.0, abs=0.03)
    assert image[0][rim].mean() == pytest.approx(1.0, abs=0.05)
    bare = pet.osem(pet.corrected(ideal, mu, 0 * mu, system), system, options)
    centre = disc(1.5)[0] == 1
    assert bare[0][centre].mean() < 0.75 * bare[0][rim].mean()
    assert bare[0][centre].mean() < 0.5


def test_nothing_to_count_is_an_error(system):
    with pytest.raises(ValueError, match="without activity"):
        pet.expectation(0 * disc(7.0), disc(7.0), system, PetOptions())
    with pytest.raises(ValueError, match="less than 1"):
        pet.expectation(disc(7.0), disc(7.0), system, PetOptions(scatter_fraction=0.6, randoms_fraction=0.4))


def test_the_point_spread_is_as_wide_as_asked(system):
    """A rod's profile has the variance of the rod and of the point spread."""
    rod = disc(0.8)
    options = replace(QUIET, resolution_mm=9.0, counts=1e4)
    profile = pet.expectation(rod, 0 * rod, system, options)[0][0].mean(0)
    place = (np.arange(system.rays) - (system.rays - 1) / 2) * PIXEL_CM
    variance = (profile * place**2).sum() / profile.sum()
    axis = (np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL_CM
    strips = 2 * PIXEL_CM**2 / 12  # of pixels and of rays
    own = (rod[0].sum(0) * axis**2).sum() / rod.sum() + strips
    assert variance == pytest.approx(own + (0.9 / pet.FWHM) ** 2, rel=0.06)


def test_a_reconstruction_that_knows_the_point_spread_recovers_more(system):
    activity = 1 * disc(7.0) + 3 * disc(0.8)
    options = replace(QUIET, resolution_mm=14.0, counts=1e6, iterations=12)
    expected, sensitivity, background = pet.expectation(activity, 0 * activity, system, options)
    ideal = pet.Acquisition(expected.astype(np.float32), sensitivity, background)
    rod = disc(0.7)[0] == 1
    plain, sharp = (
        float(pet.osem(ideal, system, replace(options, model_resolution=known))[0][rod].mean())
        for known in (False, True)
    )
    assert plain < 3.2
    assert plain + 0.3 < sharp < 4.8


def test_few_counts_make_noise_by_the_root_and_no_bias(system):
    activity, mu = np.repeat(disc(7.0), 30, 0), np.repeat(0.096 * disc(7.0), 30, 0)
    options = PetOptions(counts=2e6, iterations=4)
    rng = np.random.default_rng(12)
    full = pet.acquire(activity, mu, system, options, rng)
    inside = disc(5.0)[0] == 1
    images = [pet.osem(each, system, options)[:, inside] for each in (full, pet.thin(full, 0.25, rng))]
    noise = [np.sqrt(image.var(0, ddof=1).mean()) for image in images]
    assert noise[1] / noise[0] == pytest.approx(2.0, rel=0.08)
    assert images[1].mean() == pytest.approx(images[0].mean(), rel=0.01)


@given(st.floats(-900, 3000), st.sampled_from(sorted(pet.BONE)))
def test_hu_to_attenuation_and_back(hu, kvp):
    mu = pet.attenuation_511(np.array([hu]), kvp)
    low, high = pet.attenuation_511(np.array([49.9, 60.1]), kvp)
    if not low - 1e-4 <= mu[0] <= high + 1e-4:  # the two lines do not quite meet at the break
        assert pet.hounsfield(mu, kvp)[0] == pytest.approx(hu, abs=0.8)
    assert ct.hu_from_mu(ct.mu_from_hu(np.array([hu])))[0] == pytest.approx(hu, abs=1e-3)


def test_attenuation_of_water_and_bone():
    np.testing.assert_allclose(pet.attenuation_511(np.array([-1000.0, 0.0, 1000.0])), [0, 0.096, 0.1493], atol=1e-6)
    bone = [float(pet.attenuation_511(np.array([1500.0]), kvp)[0]) for kvp in (80, 100, 120, 140)]
    assert bone == sorted(bone)  # the same bone has less HU at a higher voltage: the same HU is denser bone
    with pytest.raises(ValueError, match="90 kV"):
        pet.attenuation_511(np.zeros(1), 90)
    step = np.where(np.arange(40) < 20, -1000.0, 0.0)[None, None, :].repeat(40, 1)
    blurred = pet.attenuation_map(step, 2.0, 8.0)[0, 20]
    assert blurred[5] == pytest.approx(0.0, abs=1e-6)
    assert blurred[35] == pytest.approx(0.096, abs=1e-6)
    assert 0.1 < blurred[18] / 0.096 < 0.3


# CT


BEAMS = pytest.mark.parametrize("geometry", ["parallel", "fan"])


def water(radius_cm: float, size: int, pixel_cm: float, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """A water disc in air, in HU, ``(1, size, size)``; moved by whole pixels."""
    return np.roll(1000 * disc(radius_cm, size, pixel_cm) - 1000, shift, (1, 2)).astype(np.float32)


@BEAMS
def test_a_noiseless_scan_gives_the_hounsfield_units_back(geometry):
    options = CtOptions(noise_hu=0.0, resolution_mm=0.0, geometry=geometry)
    image = ct.scan(water(8.0, 72, 0.33, (5, -7)), 3.3, np.random.default_rng(0), options)
    inner, outer = (np.roll(part, (5, -7), (1, 2)) for part in (disc(7.1, 72, 0.33) == 1, disc(8.9, 72, 0.33) == 0))
    assert np.abs(image[inner]).max() < 12
    assert image[inner].mean() == pytest.approx(0, abs=0.3)
    assert np.abs(image[outer] + 1000).max() < 20
    rods = (1500 * disc(1.2, 72, 0.33) + 1000 * disc(8.0, 72, 0.33) - 1000).astype(np.float32)
    sharp = ct.scan(rods, 3.3, np.random.default_rng(0), options)
    assert sharp[disc(0.7, 72, 0.33) == 1].mean() == pytest.approx(1500, rel=0.02)


@BEAMS
def test_ct_noise_is_as_asked_and_falls_with_the_root_of_the_dose(geometry):
    options = CtOptions(noise_hu=20.0, resolution_mm=0.0, electronic_noise=0.0, geometry=geometry)
    stack = np.repeat(water(10.0, 48, 0.5), 60, 0)
    centre = disc(2.6, 48, 0.5)[0] == 1

    def noise(images: np.ndarray) -> float:
        return float(np.sqrt(images.var(0, ddof=1)[centre].mean()))

    full, low = ct.scan_pair(stack, 5.0, 0.25, np.random.default_rng(6), options)
    assert noise(full) == pytest.approx(20.0, rel=0.08)
    assert noise(low) / noise(full) == pytest.approx(2.0, rel=0.06)
    again = ct.scan(stack, 5.0, np.random.default_rng(7), options, dose=4.0)
    assert noise(again) == pytest.approx(10.0, rel=0.08)
    added = ct.lower_dose(full, 5.0, 0.25, np.random.default_rng(8), options)
    assert noise(added) == pytest.approx(40.0, rel=0.08)  # thinned counts of an image that has its noise already
    assert np.corrcoef((added - full)[:, centre].ravel(), full[:, centre].ravel())[0, 1] == pytest.approx(0, abs=0.1)
    assert added.mean(0)[centre].mean() == pytest.approx(full.mean(0)[centre].mean(), abs=3.0)


def test_photons_are_poisson_with_electronic_noise_added():
    options = CtOptions(noise_hu=30.0, electronic_noise=1e-3)
    scanner = ct.Scanner(24, 8.0, options)
    stack = np.repeat(water(6.0, 24, 0.8), 400, 0)
    counts = scanner.measure(stack, np.random.default_rng(9))
    expected = scanner.unattenuated * np.exp(-scanner.fine.forward(refined(ct.mu_from_hu(stack[:1]), 2)))[0]
    assert scanner.electronic == pytest.approx(np.sqrt(1e-3 * scanner.unattenuated))
    air = expected > 0.999 * scanner.unattenuated
    assert counts.photons.mean(0)[air] == pytest.approx(
        expected[air], rel=float(6 / np.sqrt(400 * expected[air].min()))
    )
    variance = counts.photons.var(0, ddof=1).sum() / (expected + scanner.electronic**2).sum()
    assert variance == pytest.approx(1.0, abs=0.03)
    low = scanner.thin(counts, 0.25, np.random.default_rng(10))
    assert low.photons.mean() == pytest.approx(0.25 * counts.photons.mean(), rel=0.01)
    variance = low.photons.var(0, ddof=1).sum() / (0.25 * expected + scanner.electronic**2).sum()
    assert variance == pytest.approx(1.0, abs=0.03)
    with pytest.raises(ValueError, match="dose"):
        scanner.thin(counts, 1.5, np.random.default_rng(0))


def test_full_dose_changes_nothing_and_bad_slices_are_named():
    image = water(6.0, 32, 0.6)
    np.testing.assert_allclose(ct.lower_dose(image, 6.0, 1.0, np.random.default_rng(0)), image, atol=1e-2)
    with pytest.raises(ValueError, match="pad them"):
        ct.scan(np.zeros((2, 8, 9)), 6.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="source"):
        ct.scan(np.zeros((1, 8, 8)), 200.0, np.random.default_rng(0), CtOptions(geometry="fan"))


def test_the_object_is_projected_finer_than_the_image():
    scanner = ct.Scanner(32, 4.0, CtOptions())
    assert scanner.fine.size == 2 * scanner.image.size
    assert scanner.fine.ray_cm == scanner.image.ray_cm == pytest.approx(0.2)
    image = np.random.default_rng(11).random((1, 8, 8)).astype(np.float32)
    blocks = refined(1 + image, 3).reshape(8, 3, 8, 3)
    np.testing.assert_allclose(blocks.mean((1, 3)), 1 + image[0], rtol=1e-6)
    assert blocks[2:6, :, 2:6].std((1, 3)).min() > 0  # not the same squares again
    assert np.array_equal(refined(image, 1), image)


# MR


def test_signal_equations_at_known_points():
    t1, t2, pd = np.float32(1000.0), np.float32(100.0), np.float32(0.8)
    assert mr.spin_echo(t1, t2, pd, 1e9, 0.0) == pytest.approx(0.8)
    assert mr.spin_echo(t1, t2, pd, 1000.0, 100.0) == pytest.approx(0.8 * (1 - np.exp(-1)) * np.exp(-1))
    null = 1000 * np.log(2)
    assert mr.mprage(t1, t2, pd, 1e9, 0.0, null) == pytest.approx(0.0, abs=1e-6)
    white, grey, csf = (
        mr.signal(*map(np.float32, values), MrOptions())
        for values in ((620, 75, 0.72), (950, 95, 0.83), (3500, 1500, 1))
    )
    assert white > grey > csf  # T1 weighting


def test_rician_noise_in_air_and_tissue():
    rng = np.random.default_rng(8)
    air = mr.rician(np.zeros((200, 200), np.float32), 2.0, rng)
    assert air.mean() == pytest.approx(2.0 * np.sqrt(np.pi / 2), rel=0.01)
    tissue = mr.rician(np.full((200, 200), 100.0, np.float32), 2.0, rng)
    assert tissue.mean() == pytest.approx(100 + 2.0**2 / 200, rel=1e-3)
    assert tissue.std() == pytest.approx(2.0, rel=0.02)


# motion


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    rng = np.random.default_rng(9)
    smooth = np.fft.ifft2(
        np.fft.fft2(rng.standard_normal((32, 32))) * (np.hypot(*np.meshgrid(*[np.fft.fftfreq(32)] * 2)) < 0.3)
    )
    image = np.zeros((32, 32), np.float32)
    image[8:24, 10:22] = 1 + 0.2 * smooth.real[8:24, 10:22]
    return image


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_no_motion_is_the_identity(head, axis):
    spectrum = motion.corrupt(head, np.zeros((32, 3)), axis, 4.0)
    np.testing.assert_allclose(np.abs(np.fft.ifft2(spectrum)), head, atol=1e-6)


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_the_same_shift_at_all_lines_shifts_the_magnitude_image(head, axis):
    spectrum = motion.corrupt(head, np.tile([8.0, -12.0, 0.0], (32, 1)), axis, 4.0)
    np.testing.assert_allclose(np.abs(np.fft.ifft2(spectrum)), np.roll(head, (2, -3), (0, 1)), atol=1e-5)


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_a_fixed_turn_does_not_depend_on_the_phase_axis_and_keeps_energy(head, axis):
    spectrum = motion.corrupt(head, np.tile([0.0, 0.0, 5.0], (32, 1)), axis, 4.0)
    np.testing.assert_allclose(spectrum, np.fft.fft2(motion.rotate(head, np.deg2rad(5.0))), atol=1e-3)
    assert np.sum(np.abs(spectrum) ** 2) == pytest.approx(np.sum(np.abs(np.fft.fft2(head)) ** 2), rel=1e-4)


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_a_fixed_position_does_not_depend_on_the_order_of_lines(head, axis):
    away = motion.Trajectory("step", ((0.0, 3.0, -5.0, 4.0),))
    images = [
        np.abs(np.fft.ifft2(motion.corrupt(head, away.at(motion.line_times(32, order)), axis, 4.0)))
        for order in ("sequential", "interleaved", "centre-out")
    ]
    for image in images[1:]:
        np.testing.assert_allclose(image, images[0], atol=1e-6)


def test_the_order_of_lines_decides_what_a_step_does(head):
    halfway = motion.Trajectory("step", ((0.5, 12.0, 0.0, 6.0),))
    harm = {}
    for order in ("sequential", "centre-out"):
        positions = halfway.at(motion.line_times(32, order))
        image = np.abs(np.fft.ifft2(motion.corrupt(head, positions, "rows", 4.0)))
        harm[order] = float(np.abs(image - head).mean())
        weights = motion.line_weights(head, 0)
        harm[order + " severity"] = motion.severity(positions, weights, 50.0)
    assert harm["centre-out"] < harm["sequential"]
    assert harm["centre-out severity"] < harm["sequential severity"]


def test_a_turn_and_back_is_the_identity_and_the_direction_is_known(head):
    back = motion.rotate(motion.rotate(head, 0.1), -0.1)
    np.testing.assert_allclose(back.real, head, atol=0.02)
    spot = np.zeros((33, 33), np.float32)
    spot[16, 24] = 1.0
    turned = np.abs(motion.rotate(spot, np.deg2rad(30)))
    row, column = np.unravel_index(turned.argmax(), turned.shape)
    assert np.hypot(row - 16, column - 16) == pytest.approx(8, abs=0.8)
    assert np.degrees(np.arctan2(row - 16, column - 16)) == pytest.approx(30, abs=6)


@given(
    st.integers(0, 10_000), st.sampled_from(motion.KINDS), st.sampled_from(["sequential", "interleaved", "centre-out"])
)
def test_shifts_keep_the_energy_of_every_line(seed, kind, order):
    image = np.random.default_rng(seed).random((24, 24)).astype(np.float32)
    path = motion.draw(np.random.default_rng(seed), 1.0, kind)
    positions = path.at(motion.line_times(24, order))
    positions[:, 2] = 0.0
    before = np.abs(np.fft.fft2(image))
    np.testing.assert_allclose(np.abs(motion.corrupt(image, positions, "rows", 4.0)), before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("order", ["sequential", "interleaved", "centre-out"])
@pytest.mark.parametrize("lines", [24, 33, 64])
def test_every_line_has_its_own_time(order, lines):
    times = motion.line_times(lines, order)
    assert sorted(times) == pytest.approx(np.arange(lines) / (lines - 1))


def test_line_orders_are_what_they_say():
    frequency = np.fft.fftfreq(32)
    assert (np.diff(motion.line_times(32, "sequential")[np.argsort(frequency)]) > 0).all()
    assert motion.line_times(32, "centre-out")[0] == 0
    with pytest.raises(ValueError, match="spiral"):
        motion.line_times(32, "spiral")


def test_trajectories_move_as_named():
    time = np.linspace(0, 1, 101)
    step = motion.Trajectory("step", ((0.5, 2.0, 0.0, 1.0),)).at(time)
    assert not step[:50].any()
    np.testing.assert_allclose(step[50:], np.tile([2.0, 0.0, 1.0], (51, 1)))
    drift = motion.Trajectory("drift", ((0.0, 4.0, -2.0, 0.0),)).at(time)
    np.testing.assert_allclose(drift[:, 0], 4 * time)
    periodic = motion.Trajectory("periodic", ((0.0, 1.0, 0.0, 0.0),), 4.0, 0.0).at(time)
    np.testing.assert_allclose(periodic[:, 0], np.sin(8 * np.pi * time), atol=1e-12)


def test_severity_measures_motion_where_the_energy_is(head):
    weights = motion.line_weights(head, 0)
    assert weights.sum() == pytest.approx(1.0)
    still = np.tile([5.0, -3.0, 2.0], (32, 1))
    assert motion.severity(still, weights, 70.0) == pytest.approx(0.0, abs=1e-9)  # a constant pose is no motion
    centre, edge = np.zeros((32, 3)), np.zeros((32, 3))
    centre[1, 0] = edge[16, 0] = 5.0
    assert motion.severity(centre, weights, 70.0) > 3 * motion.severity(edge, weights, 70.0)
    assert motion.severity(2 * centre, weights, 70.0) == pytest.approx(2 * motion.severity(centre, weights, 70.0))
    assert motion.draw(np.random.default_rng(0), 0.0, "drift").at(np.ones(1)).any() == np.False_
