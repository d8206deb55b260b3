"""Filaments: trees that branch and taper, photographs that show them, a segmenter that learns from pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmark_medical import benchmark_tasks
from benchmark_medical.downstream.filaments import TaughtSegmenter
from benchmark_medical.filaments.photographs import camera, photograph
from benchmark_medical.filaments.trees import Habit, Segments, draw, grow
from benchmark_medical.options import FilamentOptions
from scipy.ndimage import gaussian_filter, label

from benchmark import NotApplicable
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import DataSize
from benchmark.contracts.protocols import BuildRequest, DownstreamContext, DownstreamStudy
from benchmark.data.checks.file import check
from benchmark.data.format.reader import Dataset

SPEC = next(spec for spec in benchmark_tasks() if spec.name == "filaments")
SIZE = DataSize(image_size=64, train=2, validation=1, test=4, slices=3)
CONTEXT = DownstreamContext("filaments", IntensityMap("mask", 0, 1), IntensityMap("a.u.", 0, 255), True, {})


def build(folder, kind="vessels", seed=0, size=SIZE, name="data.h5"):
    path = folder / name
    SPEC.load()(BuildRequest("filaments", path, size, seed, FilamentOptions(kind), lambda _: None))
    return path


@pytest.fixture(scope="module", params=["vessels", "neurons"])
def built(request, tmp_path_factory):
    return request.param, build(tmp_path_factory.mktemp(request.param), request.param)


def test_the_file_is_sound_and_says_what_the_record_says(built):
    kind, path = built
    assert [problem for problem in check(path) if problem.severity == "error"] == []
    info = Dataset(path).info
    assert (info.task, info.name, info.simulated, info.mirror_safe) == ("filaments", f"filaments-{kind}", True, True)
    assert (info.source.unit, info.target.unit) == (SPEC.source_unit, SPEC.target_unit) == ("mask", "a.u.")
    assert (info.source.modality, info.target.modality) == (SPEC.source_modality, SPEC.target_modality)


def test_masks_are_shares_photographs_are_eight_bits_and_filaments_can_be_seen(built):
    kind, path = built
    for case in Dataset(path).iterate("train"):
        for image, most in ((case.source, 1), (case.target, 255)):
            assert image.min() >= 0
            assert image.max() <= most
        assert np.array_equal(case.target, np.rint(case.target))
        for mask, image, field in zip(case.source, case.target, case.mask, strict=True):
            assert 0.02 < (mask[field] > 0.5).mean() < 0.45
            local = image - gaussian_filter(image.astype(float), 5)
            assert local[field & (mask > 0.9)].mean() < local[field & (mask < 0.05)].mean() - 1
        assert case.mask.all() == (kind == "neurons")


def test_seeds_and_patients_as_in_every_embedded_set(tmp_path):
    first, same, other = (build(tmp_path, seed=seed, name=f"{n}.h5") for n, seed in enumerate((0, 0, 1)))
    content = [Dataset(path).info.content_sha256 for path in (first, same, other)]
    assert content[0] == content[1] != content[2]
    more = Dataset(build(tmp_path, size=replace(SIZE, train=1, test=5), name="more.h5"))
    few = Dataset(first)
    for key in few.info.cases:
        np.testing.assert_array_equal(few.load(key).target, more.load(key).target)


def test_a_tree_hangs_together_and_its_branches_get_thinner():
    rng = np.random.default_rng(5)
    grown = grow(rng, [((0.5, 0.5), 0.3, 0.02)], Habit(), 0.003)
    assert len(grown.start) > 30
    assert (grown.end_radius <= grown.start_radius).all()
    ends = {(0.5, 0.5), *(tuple(np.float32(end)) for end in grown.end)}
    known = np.array([[*end] for end in ends])
    gaps = [np.abs(known - start).sum(1).min() for start in grown.start]
    assert max(gaps) < 1e-5
    pieces, count = label(draw(grown, 256).coverage > 0, np.ones((3, 3)))
    rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    assert len(set(range(1, count + 1)) - set(rim.tolist()) - {pieces[128, 128]}) == 0  # else it left and came back


def test_a_straight_filament_covers_its_area_and_is_as_deep_as_wide():
    one = Segments(
        np.array([[0.5, 0.2]], np.float32), np.array([[0.5, 0.8]], np.float32),
        np.array([0.05], np.float32), np.array([0.05], np.float32), np.array([3]),
    )  # fmt: skip
    drawn = draw(one, 200)
    assert drawn.coverage.mean() == pytest.approx(0.6 * 0.1 + np.pi * 0.05**2, rel=0.01)
    assert drawn.depth.max() == pytest.approx(0.1, rel=0.01)
    assert drawn.tree[100, 100] == 3
    assert drawn.tree[0, 0] == -1


@pytest.mark.parametrize("kind", ["vessels", "neurons"])
def test_the_same_random_numbers_give_the_same_photograph(kind):
    shots = [photograph(np.random.default_rng(1), kind, 48, camera(np.random.default_rng(2), kind)) for _ in range(2)]
    np.testing.assert_array_equal(shots[0].image, shots[1].image)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    with Dataset(build(tmp_path_factory.mktemp("f1"))) as data:
        return [
            DownstreamStudy(
                case.key.patient, case.key.study, case.source, case.target, case.target, case.mask, None,
                case.spacing, {},
            )
            for case in data.iterate("test")
        ]  # fmt: skip


class TestTaughtSegmenter:
    def f1(self, cases, make):
        studies = [replace(case, prediction=np.asarray(make(case), np.float32)) for case in cases]
        found = TaughtSegmenter(None, CONTEXT).evaluate(studies)
        assert set(found) == {(case.patient, case.study) for case in cases}
        return float(np.mean([values["f1"] for values in found.values()]))

    def test_real_photographs_teach_best_and_copies_of_the_mask_the_opposite(self, cases):
        real = self.f1(cases, lambda case: case.target)
        blurred = self.f1(cases, lambda case: gaussian_filter(case.target, (0, 1.5, 1.5)))
        elsewhere = self.f1(cases, lambda case: np.roll(case.target, 9, axis=1))
        bright = self.f1(cases, lambda case: 255 * case.source)
        assert real > 0.55
        assert real > blurred + 0.1
        assert real > elsewhere + 0.1
        assert bright < 0.3

    def test_gain_and_offset_of_made_photographs_do_not_matter_and_the_answer_is_always_the_same(self, cases):
        real = self.f1(cases, lambda case: case.target)
        assert self.f1(cases, lambda case: case.target) == real
        assert self.f1(cases, lambda case: 0.5 * case.target + 60) == pytest.approx(real, abs=1e-3)

    def test_what_it_needs(self, cases):
        segmenter = TaughtSegmenter(None, CONTEXT)
        with pytest.raises(NotApplicable, match="1 test patient: needs 2"):
            segmenter.evaluate(cases[:1])
        with pytest.raises(NotApplicable, match="no filaments"):
            segmenter.evaluate([replace(case, source=np.zeros_like(case.source)) for case in cases])
