"""The conformance kit finds planted faults: each faulty metric fails the check that names its fault, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted_faults import failures

from benchmark import MetricSpec
from benchmark.contracts.protocols import Estimate, Images
from benchmark.testing import MetricTests


def voxels(images: Images, index: int) -> tuple[np.ndarray, np.ndarray]:
    mask = images.mask[index]
    return images.prediction[index][mask], images.target[index][mask]


class Sound:
    """Root mean square error inside the region."""

    def score(self, images: Images) -> Any:
        return np.array([self.of(*voxels(images, index), images) for index in range(len(images))])

    def of(self, prediction: np.ndarray, target: np.ndarray, images: Images) -> float:
        return float(np.sqrt(np.mean((prediction - target) ** 2)))


class NeverPerfect(Sound):
    def of(self, prediction: np.ndarray, target: np.ndarray, images: Images) -> float:
        return super().of(prediction, target, images) + 1e-3 * (images.data_range[1] - images.data_range[0])


class Saturated(Sound):
    """Cannot tell much noise from very much."""

    def of(self, prediction: np.ndarray, target: np.ndarray, images: Images) -> float:
        width = images.data_range[1] - images.data_range[0]
        if prediction.std() < target.std():  # blurred
            return float(1 - np.corrcoef(prediction, target)[0, 1]) * width
        return min(width, 50 * float((prediction - target).std()))


class BlindToBlur(Sound):
    """Sees what was added to the texture, not what was taken away."""

    def of(self, prediction: np.ndarray, target: np.ndarray, images: Images) -> float:
        return float(np.sqrt(max(0.0, prediction.var() - target.var())))


class Relative(Sound):
    """Relative to the target, which is one of the two only."""

    def of(self, prediction: np.ndarray, target: np.ndarray, images: Images) -> float:
        energy = np.sqrt(np.mean((target - images.data_range[0]) ** 2)) or 1.0
        return super().of(prediction, target, images) * (images.data_range[1] - images.data_range[0]) / energy


class WithoutMask(Sound):
    def score(self, images: Images) -> Any:
        return super().score(replace(images, mask=np.ones_like(images.mask)))


class RangeOfTheBatch(Sound):
    """Relative to the brightest voxel of all slices."""

    def of(self, prediction: np.ndarray, target: np.ndarray, images: Images) -> float:
        width = images.data_range[1] - images.data_range[0]
        return (
            super().of(prediction, target, images)
            * width
            / max(1e-9, images.target[images.mask].max() - images.data_range[0])
        )


class Remembering(Sound):
    """A running mean over all studies so far."""

    def __init__(self) -> None:
        self.past: list[float] = []

    def score(self, images: Images) -> Any:
        scores = super().score(images)
        offset = float(np.mean(self.past)) if self.past else 0.0
        self.past.append(1.0)
        return scores + offset


class FixedConstant(Sound):
    def of(self, prediction: np.ndarray, target: np.ndarray, images: Images) -> float:
        error = super().of(prediction, target, images)
        return error * error / (error + 58.5)


class Undecided(Sound):
    def of(self, prediction: np.ndarray, target: np.ndarray, images: Images) -> float:
        if target.std() == 0:
            raise ZeroDivisionError("float division by zero")
        return super().of(prediction, target, images)


class Wasteful(Sound):
    """Empties the background of the study it was handed."""

    def score(self, images: Images) -> Any:
        images.target[~images.mask] = 0.0
        return super().score(images)


class MeanAbsolute(Sound):
    def of(self, prediction: np.ndarray, target: np.ndarray, images: Images) -> float:
        return float(np.mean(np.abs(prediction - target)))


class TakesAnything(Sound):
    def __init__(self, **options: Any) -> None:
        pass


class Overall(Sound):
    """One number where one a slice was declared."""

    def score(self, images: Images) -> Any:
        return super().score(images).mean()


class DistanceOfMeans:
    """A sound metric of sets."""

    def reset(self) -> None:
        self.energy, self.count = 0.0, 0

    def update(self, images: Images) -> None:
        self.energy += float(np.square(images.prediction - images.target)[images.mask].sum())
        self.count += int(images.mask.sum())

    def compute(self) -> Estimate:
        return Estimate((self.energy / self.count) ** 0.5, float("nan"), float("nan"), self.count)


class LastStudyOnly(DistanceOfMeans):
    def update(self, images: Images) -> None:
        self.reset()
        super().update(images)


def rms(prediction: np.ndarray, target: np.ndarray, data_range: tuple[float, float]) -> float:
    return float(np.sqrt(np.mean((prediction - target) ** 2)))


def conforming(implementation: type, **promises: Any) -> MetricTests:
    """A subclass as a plugin's author writes it, for a metric that promises to be a root mean square error."""
    level = "distribution" if hasattr(implementation, "compute") else "slice"
    values = {"label": "RMSE", "higher_is_better": False, "unit": "target", "bounds": (0.0, float("inf"))}
    spec = MetricSpec("rmse", f"{implementation.__module__}:{implementation.__name__}", level=level, **values)
    sound = {"spec": spec, "best": 0.0, "symmetric": True, "oracle": rms if level == "slice" else None}
    sound["degenerate"] = {"both the same constant": 0.0, "two different constants": 1000.0}
    return type("TestPlanted", (MetricTests,), {**sound, **promises, "make": lambda _: implementation()})()


@pytest.mark.parametrize("sound", [Sound, DistanceOfMeans])
def test_a_sound_metric_passes(sound: type) -> None:
    assert failures(conforming(sound)) == {}


UNLIKE = {"oracle": None, "degenerate": {}, "symmetric": False}
FAULTS = [
    (NeverPerfect, {"degenerate": {}, "oracle": None}, "test_identity_is_best", "identical images score 4, "),
    (Saturated, UNLIKE, "test_more_noise_is_worse", "more and more noise"),
    (BlindToBlur, UNLIKE, "test_more_blur_is_worse", "let it see blur"),
    (Relative, {"oracle": None, "degenerate": {}}, "test_prediction_and_target_can_be_swapped", "symmetric = False"),
    (WithoutMask, {}, "test_voxels_outside_the_mask_do_not_matter", "use images.mask"),
    (RangeOfTheBatch, UNLIKE, "test_slices_are_scored_on_their_own", "alone"),
    (Remembering, {}, "test_slices_are_scored_on_their_own", "another study scored before"),
    (LastStudyOnly, {}, "test_slices_are_scored_on_their_own", "studies in another order"),
    (FixedConstant, {"oracle": None, "degenerate": {}}, "test_images_and_range_scale_together", "images.data_range"),
    (Undecided, {}, "test_degenerate_inputs_are_as_declared", "both the same constant: raised ZeroDivisionError"),
    (Sound, {"degenerate": {"two different constants": 5.0}}, "test_degenerate_inputs_are_as_declared", "gave 1000"),
    (Wasteful, {}, "test_does_not_change_its_input", "changed target in place"),
    (MeanAbsolute, {}, "test_agrees_with_its_oracle", "an independent implementation"),
    (TakesAnything, {}, "test_unknown_options_are_refused", "take no **options"),
    (Overall, {}, "test_gives_what_its_level_says", "shape () for 4 slices; return one number a slice"),
]  # fmt: skip


@pytest.mark.parametrize(("faulty", "promises", "check", "message"), FAULTS)
def test_a_planted_fault_fails_the_check_that_names_it(
    faulty: type, promises: dict[str, Any], check: str, message: str
) -> None:
    failed = failures(conforming(faulty, **promises))
    assert list(failed) == [check], failed
    assert message in failed[check]
    assert failed[check].startswith("metric rmse: ")


def test_the_wrong_direction_and_wrong_bounds_are_found() -> None:
    tests = conforming(Sound)
    type(tests).spec = replace(type(tests).spec, higher_is_better=True)
    assert list(failures(tests)) == ["test_the_declared_direction_is_right"]
    type(tests).spec = replace(type(tests).spec, higher_is_better=False, bounds=(0.0, 1.0))
    failed = failures(tests)
    assert list(failed) == ["test_is_finite_and_within_its_bounds"]
    assert "outside its bounds 0..1; correct `bounds`" in failed["test_is_finite_and_within_its_bounds"]


class TestInPytest(MetricTests):
    """The kit as a plugin's author uses it; pytest collects the checks from here."""

    spec = MetricSpec(
        "rmse", f"{__name__}:Sound", label="RMSE", higher_is_better=False, unit="target", bounds=(0.0, float("inf"))
    )
    best = 0.0
    symmetric = True
    oracle = staticmethod(rms)

    def make(self) -> Any:
        return Sound()
