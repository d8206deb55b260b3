"""Downstream evaluations: right where the answer is known by hand, monotone on phantoms, silent without labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmark_medical import benchmark_downstream, benchmark_tasks
from benchmark_medical.downstream.attenuation import AttenuationCorrection, corrected
from benchmark_medical.downstream.brain import BrainTissues, Edges
from benchmark_medical.downstream.ct_tissues import CtTissues
from benchmark_medical.downstream.pet_lesions import PetLesions, PetLiver
from benchmark_medical.pet import UNCORRECTED
from scipy.ndimage import gaussian_filter

from benchmark import NotApplicable
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import DataSize
from benchmark.contracts.protocols import BuildRequest, DownstreamContext, DownstreamStudy
from benchmark.data.format.reader import Dataset

SIZE = DataSize(image_size=64, train=1, validation=0, test=2, slices=6)
TASKS = {spec.name: spec for spec in benchmark_tasks()}
NAMES = {"air": 0, "grey matter": 1, "white matter": 2, "csf": 3, "lesion": 4, "liver": 5}


def context(labels=NAMES):
    unit = IntensityMap("a.u.", 0.0, 1.0)
    return DownstreamContext("task", unit, unit, True, labels)


def study(target, *, source=None, prediction=None, mask=None, labels=None, spacing=(3.0, 2.0, 2.0)):
    target = np.asarray(target, np.float32)
    return DownstreamStudy(
        "p1",
        "s1",
        target if source is None else np.asarray(source, np.float32),
        target,
        target if prediction is None else np.asarray(prediction, np.float32),
        np.ones(target.shape, bool) if mask is None else mask,
        labels,
        spacing,
        {},
    )


def predicting(of, prediction):
    return replace(of, prediction=np.asarray(prediction, np.float32))


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Test studies of a task, and what a measure may know of them."""
    folder = tmp_path_factory.mktemp("phantoms")
    known = {}

    def of(task):
        if task not in known:
            path, spec = folder / f"{task}.h5", TASKS[task]
            spec.load()(BuildRequest(task, path, SIZE, 0, spec.options(), lambda _: None))
            with Dataset(path) as data:
                info = data.info
                names = {name: label for label, name in enumerate(info.provenance["labels"])}
                about = DownstreamContext(task, info.source_map, info.target_map, True, names)
                cases = [
                    DownstreamStudy(
                        case.key.patient,
                        case.key.study,
                        case.source,
                        case.target,
                        case.target,
                        case.mask,
                        case.labels,
                        case.spacing,
                        data.physics(case.key),
                    )
                    for case in data.iterate("test")
                ]
            known[task] = cases, about
        return known[task]

    return of


def blurred(case, sigma):
    return predicting(case, gaussian_filter(case.target, (0, sigma, sigma)))


def test_records_name_what_the_measures_give(phantoms):
    tasks = {"attenuation-correction": "pet-ct", "ct-tissues": "mr-ct", "pet-lesions": "pet-denoise"}
    tasks |= {"pet-liver": "pet-denoise", "brain-tissues": "mr-motion", "edges": "mr-motion"}
    specs = {spec.name: spec for spec in benchmark_downstream() if spec.level == "study"}
    for name, task in tasks.items():
        spec = specs[name]
        assert spec.fits(task, TASKS[task].source_unit, TASKS[task].target_unit)
        cases, about = phantoms(task)
        measure = spec.load()(None, about)
        given = []
        for case in cases:
            try:
                given.append(measure.evaluate(case))
            except NotApplicable:
                continue
        assert given
        assert all(set(values) == {value.name for value in spec.values} for values in given)


class TestAttenuationCorrection:
    def test_the_true_ct_costs_nothing_and_water_everywhere_a_lot(self, phantoms):
        cases, about = phantoms("pet-ct")
        measure = AttenuationCorrection(None, about)
        for case in cases:
            assert measure.evaluate(case) == {"error": 0.0, "bias": 0.0}
            water = measure.evaluate(predicting(case, np.zeros_like(case.target)))
            slight, much = (measure.evaluate(blurred(case, sigma))["error"] for sigma in (0.7, 1.5))
            assert water["error"] > 5
            assert water["bias"] < -5
            assert 0 < slight < much < water["error"]

    def test_with_the_true_map_the_activity_comes_back(self):
        rows, columns = np.mgrid[:64, :64] - 31.5
        disc = (np.hypot(rows, columns) < 22)[None].astype(np.float32)
        activity = gaussian_filter(disc, (0, 2, 2))
        right, wrong = corrected(activity, 0.096 * disc, 0.096 * disc, 4.0)
        np.testing.assert_array_equal(right, wrong)
        inner = (np.hypot(rows, columns) < 15)[None]
        assert right[inner] == pytest.approx(activity[inner], rel=0.03)

    def test_a_point_in_the_middle_of_a_disc_is_off_by_the_factor_of_its_rays(self):
        rows, columns = np.mgrid[:65, :65] - 32.0
        disc = (np.hypot(rows, columns) < 25)[None].astype(np.float32)
        activity = gaussian_filter((np.hypot(rows, columns) < 1.5)[None].astype(np.float32), (0, 1, 1))
        right, wrong = corrected(activity, 0.096 * disc, 0.086 * disc, 4.0)
        ratio = wrong[0, 32, 32] / right[0, 32, 32]
        assert ratio == pytest.approx(np.exp(-0.010 * 2 * 25 * 0.4), rel=0.01)

    def test_what_a_model_paints_outside_the_body_is_no_attenuation(self, phantoms):
        (case, *_), about = phantoms("pet-ct")
        painted = np.where(case.mask, case.target, 1500)
        assert AttenuationCorrection(None, about).evaluate(predicting(case, painted))["error"] == 0

    def test_images_need_not_be_square_and_pixels_must(self, phantoms):
        (case, *_), about = phantoms("pet-ct")
        part = np.s_[:, 4:-4]
        cut = replace(
            case,
            source=case.source[part],
            target=case.target[part],
            prediction=np.zeros_like(case.target[part]),
            mask=case.mask[part],
        )
        assert AttenuationCorrection(None, about).evaluate(cut)["error"] > 5
        with pytest.raises(NotApplicable, match="4 x 2 mm are not square"):
            AttenuationCorrection(None, about).evaluate(replace(case, spacing=(3.0, 4.0, 2.0)))
        with pytest.raises(NotApplicable, match="no uptake"):
            AttenuationCorrection(None, about).evaluate(replace(case, source=np.zeros_like(case.source)))


class TestCtTissues:
    def test_errors_are_sorted_by_the_tissue_of_the_true_image(self):
        target = np.array([[[-1000.0, 40.0, 60.0, 900.0]]])
        found = CtTissues(None, context()).evaluate(study(target, prediction=target + np.array([700, -10, 30, -800])))
        assert found["mae-air"] == 700
        assert found["mae-soft"] == 20
        assert found["mae-bone"] == 800
        assert found["dice-air"] == found["dice-bone"] == 0

    def test_a_tissue_that_is_not_there_is_undefined(self):
        found = CtTissues(None, context()).evaluate(study(np.full((1, 2, 2), 40.0)))
        assert found["mae-soft"] == 0
        assert all(np.isnan(found[name]) for name in ("mae-air", "mae-bone", "dice-air", "dice-bone"))

    def test_only_the_body_counts(self, phantoms):
        (case, *_), about = phantoms("mr-ct")
        measure = CtTissues(None, about)
        painted = predicting(case, np.where(case.mask, case.target, 3000))
        assert measure.evaluate(painted) == measure.evaluate(case)
        assert measure.evaluate(case)["dice-bone"] == 1


class TestPet:
    def lesion(self):
        labels = np.zeros((3, 24, 24), np.uint8)
        labels[1, 10:14, 10:14] = 4
        labels[:, 16:23, 2:9] = 5
        target = np.where(labels == 4, 8.0, 2.0)
        target[1, 11, 11] = 10.0
        return study(target, labels=labels)

    def test_uptake_and_contrast_by_hand(self):
        case = self.lesion()
        lesion = case.labels == 4
        halved = np.where(lesion, 2 + (case.target - 2) / 2, case.target)
        found = PetLesions(None, context()).evaluate(predicting(case, halved))
        mean = (15 * 8 + 10) / 16
        assert found["suv-mean-error"] == pytest.approx(100 * (mean - 2) / 2 / mean)
        assert found["suv-max-error"] == pytest.approx(100 * 4 / 10)
        assert found["contrast-recovery"] == pytest.approx(50)

    def test_the_ring_leaves_out_the_lesion_s_neighbours_and_other_lesions(self):
        case = self.lesion()
        prediction = case.target.copy()
        prediction[1, 9, 9:15] = 100  # touches the lesion: spill-out, not background
        found = PetLesions(None, context()).evaluate(predicting(case, prediction))
        assert found["contrast-recovery"] == pytest.approx(100)

    def test_liver_bias_and_noise_by_hand(self):
        case = self.lesion()
        inner = np.zeros(case.labels.shape, bool)
        inner[:, 17:22, 3:8] = True
        rows, columns = np.mgrid[:24, :24]
        chequered = np.where(inner, 3 + 0.3 * (-1.0) ** (rows + columns), case.target)
        found = PetLiver(None, context()).evaluate(predicting(case, chequered))
        values = chequered[0][inner[0]]
        assert found["bias"] == pytest.approx(100 * (values.mean() / 2 - 1), rel=1e-4)
        assert found["noise"] == pytest.approx(100 * values.std(ddof=1) / values.mean(), rel=1e-4)

    def test_blur_costs_contrast_and_buys_quiet(self, phantoms):
        cases, about = phantoms("pet-denoise")
        lesions, liver = PetLesions(None, about), PetLiver(None, about)
        recovered, noise = [], []
        for sigma in (0.0, 0.7, 1.5):
            rows = [lesions.evaluate(blurred(case, sigma)) for case in cases]
            recovered.append(np.mean([row["contrast-recovery"] for row in rows]))
            noise.append(liver.evaluate(blurred(cases[0], sigma))["noise"])
        assert recovered[0] == pytest.approx(100)
        assert recovered[0] > recovered[1] > recovered[2]
        assert noise[0] > noise[1] > noise[2]


class TestBrain:
    def test_motion_and_blur_cost_dice_and_edges(self, phantoms):
        cases, about = phantoms("mr-motion")
        tissues, edges = BrainTissues(None, about), Edges(None, about)
        for case in cases:
            clean, blur, moved = (case, blurred(case, 1.5), predicting(case, case.source))
            dice = [tissues.evaluate(each)["dice-mean"] for each in (clean, blur, moved)]
            sharp = [edges.evaluate(each)["sharpness"] for each in (clean, blur, moved)]
            assert dice[0] > 0.6
            assert dice[0] > max(dice[1:]) + 0.05
            assert sharp[0] == pytest.approx(1)
            assert max(sharp[1:]) < 0.8

    def test_a_perfect_contrast_is_segmented_perfectly_under_a_field(self):
        labels = np.tile(np.repeat([1, 2, 3], 8).astype(np.uint8), (4, 24, 1))
        rng = np.random.default_rng(0)
        signal = np.choose(labels, [0, 100, 150, 30]) * rng.normal(1, 0.02, labels.shape)
        field = np.exp(0.2 * np.linspace(-1, 1, 24))[None, :, None]
        found = BrainTissues(None, context()).evaluate(study(signal * field, labels=labels, spacing=(3, 3, 3)))
        assert found["dice-mean"] > 0.95

    def test_edges_elsewhere_do_not_count_and_noise_does_not_sharpen(self, phantoms):
        (case, *_), about = phantoms("mr-motion")
        edges = Edges(None, about)
        rng = np.random.default_rng(0)
        noisy = case.target + rng.normal(0, 0.05 * case.target.max(), case.target.shape)
        assert edges.evaluate(predicting(case, noisy))["sharpness"] == pytest.approx(1, abs=0.1)
        assert abs(edges.evaluate(predicting(case, np.roll(case.target, 32, axis=1)))["sharpness"]) < 0.2
        with pytest.raises(NotApplicable, match="without an edge"):
            edges.evaluate(study(np.ones((2, 8, 8))))


@pytest.mark.parametrize("measure", [PetLesions, PetLiver, BrainTissues])
def test_without_labels_a_measure_is_not_applicable(measure):
    image = np.ones((2, 16, 16), np.float32)
    with pytest.raises(NotApplicable, match="names no labels"):
        measure(None, context({}))
    with pytest.raises(NotApplicable, match="has no label for"):
        measure(None, context({"air": 0, "spleen": 1}))
    with pytest.raises(NotApplicable, match="without"):
        measure(None, context()).evaluate(study(image))
    with pytest.raises(NotApplicable, match="without"):
        measure(None, context()).evaluate(study(image, labels=np.zeros(image.shape, np.uint8)))


def test_a_source_without_attenuation_correction_cannot_stand_for_the_activity():
    images = np.ones((1, 8, 8), np.float32)
    physics = {"attenuation_correction": UNCORRECTED}
    mask = np.ones(images.shape, bool)
    study = DownstreamStudy("p", "s", images, images, images, mask, None, (3.0, 3.0, 3.0), physics)
    with pytest.raises(NotApplicable, match="not corrected for attenuation"):
        AttenuationCorrection(None, None).evaluate(study)
