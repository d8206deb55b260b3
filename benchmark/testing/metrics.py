"""What every metric has to do, as tests that a metric's author subclasses.

Each failure says which law was broken, on what, and what to change.
"""

from __future__ import annotations

import math
import unittest
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Estimate, Images
from benchmark.contracts.specs import MetricSpec
from benchmark.testing import phantoms
from benchmark.testing.components import NOBODYS_OPTION, ComponentTests, load

TIE = 1e-9
"""Relative difference below which two scores are the same."""


class MetricTests(ComponentTests):
    """Conformance tests of one metric. Subclass, set :attr:`spec`, and say what the metric promises.

    Every check is a method ``test_...``; pytest collects them. ``Test`` must begin the subclass's name.
    """

    kind = "metric"
    spec: ClassVar[MetricSpec]
    """The metric's record."""
    options: ClassVar[Mapping[str, Any]] = {}
    """What its factory is called with."""
    volume: ClassVar[bool] = False
    """Test ``score_volume`` of a metric of level ``slice`` instead of ``score``."""
    best: ClassVar[float | None] = None
    """The score of identical images; ``None``: not promised."""
    worse_with: ClassVar[tuple[str, ...]] = ("noise", "blur")
    """Distortions that make the score worse step by step: ``noise``, ``blur``, ``misplaced`` (label maps)."""
    symmetric: ClassVar[bool] = False
    """Prediction and target may be swapped."""
    region: ClassVar[bool] = True
    """Voxels outside the mask do not matter."""
    low_outside: ClassVar[bool] = False
    """Profiles set the outside of the region to the lower end of the range before this metric."""
    scales: ClassVar[bool] = True
    """False: values are taken as they are, because of a threshold in HU, say."""
    scale: ClassVar[int | None] = None
    """Images and range times ``k`` give the score times ``k ** scale``; ``None``: as the spec's unit says
    (1 for ``target``, 2 for ``target^2``, else 0)."""
    finite: ClassVar[bool] = True
    """Images that differ give a finite score."""
    degenerate: ClassVar[Mapping[str, float]] = {}
    """Scores that the metric declares for the cases of :func:`benchmark.testing.phantoms.degenerate`; the
    others have to give a number or NaN without an error."""
    oracle: ClassVar[staticmethod[[NDArray[np.float64], NDArray[np.float64], tuple[float, float]], float] | None] = None
    """An independent implementation, ``oracle(prediction, target, data_range) -> float`` of whole slices
    ``(H, W)`` (of volumes for level ``volume``); write it as a ``staticmethod``."""
    tolerance: ClassVar[float] = 1e-6
    """Largest difference from the oracle, absolute or relative."""
    data_range: ClassVar[tuple[float, float]] = (-1000.0, 3000.0)
    shape: ClassVar[tuple[int, int, int]] = (4, 64, 56)
    """Slices, rows and columns of the images; raise it for metrics that need large ones."""

    # -- how the metric is called -------------------------------------------------------------------------

    @property
    def level(self) -> str:
        """What a score is about."""
        return "volume" if self.volume else self.spec.level

    def make(self) -> Any:
        """A fresh metric."""
        return self.spec.load()(**self.options)

    def score(self, images: Images) -> NDArray[np.float64]:
        """Scores of a study: one a slice, or a single one."""
        return self._score(self.make(), images)

    def _score(self, metric: Any, images: Images) -> NDArray[np.float64]:
        if self.level == "distribution":
            return np.array([self._estimate(metric, [images]).value])
        given = np.asarray(metric.score_volume(images) if self.volume else metric.score(images), np.float64)
        if given.shape != ((len(images),) if self.level == "slice" else ()):
            raise unittest.SkipTest(f"{self.spec.name}: see test_gives_what_its_level_says")
        return given.reshape(-1)

    def _estimate(self, metric: Any, studies: Iterable[Images]) -> Estimate:
        metric.reset()
        for study in studies:
            metric.update(study)
        estimate: Estimate = metric.compute()
        return estimate

    def images(self) -> Images:
        """The study that the checks distort; prediction and target are the same."""
        return phantoms.phantom(self.shape, self.data_range)

    def noisy(self) -> Images:
        """The same with a little noise in the body, and structures moved by a pixel."""
        images = self.images()
        _, noisy, _ = phantoms.noisier(images, self.low_outside)
        return replace(noisy, predicted_labels=next(phantoms.misplaced(images)).predicted_labels)

    # -- the checks ---------------------------------------------------------------------------------------

    def test_unknown_options_are_refused(self) -> None:
        """An option that a metric does not have is an error, never ignored."""
        factory = load(self.spec)
        try:
            factory(**{**self.options, NOBODYS_OPTION: 1})
        except Exception:
            return
        self._fail(f"took the option {NOBODYS_OPTION!r}", "name the parameters of its factory; take no **options")

    def test_gives_what_its_level_says(self) -> None:
        """One finite-or-NaN number a slice, a study or a set."""
        images = self.noisy()
        metric = self.make()
        if self.level == "distribution":
            given = self._estimate(metric, [images])
            assert isinstance(given, Estimate), self._says(
                f"compute() gave {type(given).__name__}", "return a benchmark.contracts.protocols.Estimate"
            )
        elif self.level == "slice":
            values = np.asarray(metric.score(images))
            assert values.shape == (len(images),), self._says(
                f"score() gave shape {values.shape} for {len(images)} slices",
                "return one number a slice, or declare level='volume' in the MetricSpec",
            )
        else:
            value = metric.score_volume(images) if self.volume else metric.score(images)
            assert np.ndim(value) == 0, self._says(
                f"gave shape {np.shape(value)} for a study", "return one float, or declare level='slice'"
            )

    def test_identity_is_best(self) -> None:
        """Identical images score :attr:`best`, those with flat regions included."""
        if self.best is None:
            raise unittest.SkipTest(f"{self.spec.name} promises no best score")
        same = self.score(self.images())
        assert np.allclose(same, self.best, rtol=1e-9, atol=1e-9), self._says(
            f"identical images score {_text(same)}, not {self.best:g}",
            "look for a rule missing for flat windows or a constant background, or correct `best`",
        )

    def test_the_declared_direction_is_right(self) -> None:
        """A badly distorted image scores worse than the identical one."""
        self._only_if(self.spec.higher_is_better is not None, "has no better direction")
        same, worse = self.score(self.images()), self.score(self._worst())
        right = same > worse if self.spec.higher_is_better else same < worse
        assert right.all(), self._says(
            f"identical images score {_text(same)}, badly distorted ones {_text(worse)}",
            f"higher_is_better={self.spec.higher_is_better} is the wrong way round",
        )

    def test_more_noise_is_worse(self) -> None:
        """The score falls off step by step as noise grows."""
        self._falls("noise", phantoms.noisier(self.images(), self.low_outside))

    def test_more_blur_is_worse(self) -> None:
        """The score falls off step by step as the prediction is blurred."""
        self._falls("blur", phantoms.blurrier(self.images(), self.low_outside))

    def test_misplaced_structures_are_worse(self) -> None:
        """The score falls off step by step as the predicted structures move away."""
        self._falls("misplaced", phantoms.misplaced(self.images()))

    def test_prediction_and_target_can_be_swapped(self) -> None:
        """Where :attr:`symmetric` is promised."""
        self._only_if(self.symmetric, "does not promise symmetry")
        images = self.noisy()
        swapped = replace(
            images,
            prediction=images.target,
            target=images.prediction,
            labels=images.predicted_labels,
            predicted_labels=images.labels,
        )
        self._same(
            self.score(images),
            self.score(swapped),
            "prediction and target swapped",
            "something is taken from the target alone; make it symmetric or set symmetric = False",
        )

    def test_voxels_outside_the_mask_do_not_matter(self) -> None:
        """Where :attr:`region` is promised; the outside is as profiles leave it."""
        self._only_if(self.region, "looks at the whole image")
        self._only_if(not self.low_outside, "gets the lower end of the range there from its profiles")
        images = self.noisy()
        low, high = images.data_range
        other = np.random.default_rng(2).uniform(low, high, (2, *images.target.shape))
        altered = replace(
            images,
            prediction=np.where(images.mask, images.prediction, other[0]),
            target=np.where(images.mask, images.target, other[1]),
        )
        self._same(
            self.score(images),
            self.score(altered),
            "voxels outside the mask changed",
            "use images.mask, or set region = False and have the profile use outside='low'",
        )

    def test_slices_are_scored_on_their_own(self) -> None:
        """A slice's score depends neither on the other slices nor on their order; a set's not on the studies'."""
        images = self.noisy()
        advice = "compute ranges, means and states for each slice by itself, and keep nothing between calls"
        if self.level == "slice":
            forward, backward = self.score(images), self.score(images.at(slice(None, None, -1)))
            self._same(forward, backward[::-1], "slices in reverse order", advice)
            alone = np.concatenate([self.score(images.at(slice(i, i + 1))) for i in range(len(images))])
            self._same(forward, alone, "each slice given alone", advice)
        metric = self.make()
        parts = [images.at(slice(0, 1)), images.at(slice(1, None))]
        if self.level == "distribution":
            orders = [self._estimate(metric, order).value for order in (parts, parts[::-1])]
            self._same(np.array(orders[:1]), np.array(orders[1:]), "studies in another order", advice)
        else:
            self._score(metric, self.images().at(slice(0, 2)))
            self._same(self.score(images), self._score(metric, images), "another study scored before", advice)

    def test_images_and_range_scale_together(self) -> None:
        """The score does not know the unit, but for the unit it declares."""
        self._only_if("labels" not in self.spec.requires, "is about label maps")
        self._only_if(self.scales, "takes values as they are")
        images, factor = self.noisy(), 0.01
        low, high = images.data_range
        scaled = replace(
            images,
            prediction=images.prediction * factor,
            target=images.target * factor,
            data_range=(low * factor, high * factor),
        )
        power = {"target": 1, "target^2": 2}.get(self.spec.unit, 0) if self.scale is None else self.scale
        self._same(
            self.score(images) * factor**power,
            self.score(scaled),
            f"images and data range times {factor}",
            "take every constant from images.data_range, or declare the unit in the MetricSpec",
            tolerance=1e-6,
        )

    def test_degenerate_inputs_are_as_declared(self) -> None:
        """Constants, empty images and missing structures give what :attr:`degenerate` says, never an error."""
        for name, images in phantoms.degenerate(self.images()).items():
            about_labels = "structure" in name
            if about_labels != ("labels" in self.spec.requires):
                continue
            with np.errstate(all="ignore"):
                try:
                    values = self.score(images)
                except unittest.SkipTest:
                    raise
                except Exception as error:
                    raise AssertionError(
                        self._says(f"{name}: raised {type(error).__name__}: {error}", "decide the case, or return NaN")
                    ) from error
            if name in self.degenerate:
                expected = self.degenerate[name]
                right = np.allclose(values, expected, rtol=1e-6, atol=1e-9, equal_nan=True)
                assert right, self._says(
                    f"{name}: declared {expected:g}, gave {_text(values)}", "mend the rule, or correct `degenerate`"
                )

    def test_is_finite_and_within_its_bounds(self) -> None:
        """Ordinary images give numbers inside the bounds of the MetricSpec."""
        low, high = self.spec.bounds
        for images in (self.noisy(), *phantoms.blurrier(self.images(), self.low_outside)):
            values = self.score(images)
            if self.finite:
                assert np.isfinite(values).all(), self._says(
                    f"gave {_text(values)} on ordinary images", "guard the division, or set finite = False"
                )
            slack = 1e-9 * max(1.0, abs(low) if math.isfinite(low) else 0.0, abs(high) if math.isfinite(high) else 0.0)
            inside = np.isnan(values) | ((values >= low - slack) & (values <= high + slack))
            assert inside.all(), self._says(
                f"gave {_text(values)}, outside its bounds {low:g}..{high:g}", "correct `bounds` in the MetricSpec"
            )

    def test_does_not_change_its_input(self) -> None:
        """Images are shared between metrics."""
        images = self.noisy()
        names = ("prediction", "target", "mask", "labels", "predicted_labels")
        before = {name: getattr(images, name).copy() for name in names}
        self.score(images)
        changed = [name for name, array in before.items() if not np.array_equal(array, getattr(images, name))]
        assert not changed, self._says(f"changed {', '.join(changed)} in place", "work on a copy")

    def test_agrees_with_its_oracle(self) -> None:
        """The same number as an independent implementation, the whole image being the region."""
        oracle = type(self).oracle
        if oracle is None:
            raise unittest.SkipTest(f"{self.spec.name}: no oracle given")
        distorted = (*phantoms.noisier(self.images(), False), *phantoms.blurrier(self.images(), False))
        for images in distorted:
            whole = replace(images, mask=np.ones_like(images.mask))
            pairs = zip(whole.prediction, whole.target, strict=True)
            if self.level == "slice":
                expected = np.array([oracle(p, t, whole.data_range) for p, t in pairs])
            else:
                expected = np.array([oracle(whole.prediction, whole.target, whole.data_range)])
            self._same(
                expected,
                self.score(whole),
                "an independent implementation",
                "find out which convention differs (window, border, variance, order of arguments)",
                tolerance=self.tolerance,
            )

    # -- helpers ------------------------------------------------------------------------------------------

    def _worst(self) -> Images:
        """The study with the last step of the first distortion that the metric notices."""
        steps = {
            "blur": lambda images: phantoms.blurrier(images, self.low_outside),
            "misplaced": phantoms.misplaced,
        }.get(next(iter(self.worse_with), "noise"), lambda images: phantoms.noisier(images, self.low_outside))
        return list(steps(self.images()))[-1]

    def _falls(self, distortion: str, steps: Iterable[Images]) -> None:
        """Scores move away from those of identical images with every step, to the side of bad ones."""
        self._only_if(distortion in self.worse_with, f"does not promise to notice {distortion}")
        scores = np.stack([self.score(images) for images in steps])
        upwards = self.score(self._worst()) > self.score(self.images())
        falling = np.diff(scores, axis=0) * np.where(upwards, 1, -1)
        assert (falling > 0).all(), self._says(
            f"more and more {distortion} scores {_text(scores.mean(axis=1))}, which does not get worse every time",
            f"let it see {distortion}, or leave it out of `worse_with`",
        )

    def _same(self, one: NDArray[Any], other: NDArray[Any], what: str, advice: str, *, tolerance: float = TIE) -> None:
        equal = np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)
        assert equal, self._says(f"{what}: {_text(other)} instead of {_text(one)}", advice)


def _text(values: NDArray[Any]) -> str:
    """A few numbers, short."""
    shown = ", ".join(f"{value:.6g}" for value in np.ravel(values)[:4])
    return f"{shown}, ..." if np.size(values) > 4 else shown
