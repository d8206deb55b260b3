"""Scoring: what a metric is shown, at which level it scores, and how its numbers are averaged and counted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmark import MetricSpec, MetricUse, ProfileSpec, Unavailable, hookimpl
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.protocols import Estimate, Images
from benchmark.data.format.cases import Case
from benchmark.data.format.schema import CaseKey
from benchmark.errors import PluginError, UsageError
from benchmark.plan.claim import CellAddress
from benchmark.registry import plugins
from benchmark.scoring.judge import make_judge, profile_definition
from benchmark.scoring.prepare import Study, prepare, prepared
from benchmark.scoring.score import score_studies

WINDOW = (-1000.0, 1000.0)


class Error:
    def score(self, images: Images) -> np.ndarray:
        errors = np.abs(images.prediction - images.target)
        return np.array([error[mask].mean() for error, mask in zip(errors, images.mask, strict=True)])

    def score_volume(self, images: Images) -> float:
        return float(np.abs(images.prediction - images.target)[images.mask].mean())


class Depth:
    """How many slices it is shown at once."""

    def score(self, images: Images) -> float:
        return float(len(images))


class Scalar:
    def score(self, images: Images) -> float:
        return 1.0


class NeverDefined:
    def score(self, images: Images) -> np.ndarray:
        return np.full(len(images), np.nan)


class Perfect:
    def score(self, images: Images) -> np.ndarray:
        return np.full(len(images), np.inf)


class Sets:
    """Counts studies; needs two."""

    def reset(self) -> None:
        self.seen = 0

    def update(self, images: Images) -> None:
        self.seen += 1

    def compute(self) -> Estimate:
        if self.seen < 2:
            raise Unavailable("needs 2 studies")
        return Estimate(float(self.seen), 1.0, 3.0, self.seen)


def unavailable() -> Error:
    raise Unavailable("weights missing: x.pth")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> plugins.Registry:
    """A plugin that offers the metrics above; profiles are given by the tests."""
    module = ModuleType("plugin_of_scoring")
    vars(module).update(
        {name: globals()[name] for name in ("Error", "Depth", "Scalar", "NeverDefined", "Perfect", "Sets")}
    )
    module.unavailable = unavailable  # type: ignore[attr-defined]

    @hookimpl
    def benchmark_metrics() -> Iterator[MetricSpec]:
        def metric(name: str, factory: str, **more: Any) -> MetricSpec:
            values = {"label": name, "higher_is_better": False, **more}
            return MetricSpec(name, f"plugin_of_scoring:{factory}", **values)

        yield metric("error", "Error", unit="target")
        yield metric("square", "Error", unit="target^2")
        yield metric("depth", "Depth", level="volume")
        yield metric("scalar", "Scalar")
        yield metric("never", "NeverDefined")
        yield metric("perfect", "Perfect")
        yield metric("neither", "Error", higher_is_better=None)
        yield metric("sets", "Sets", level="distribution")
        yield metric("absent", "unavailable")
        yield metric("structures", "Depth", level="volume", requires=("labels",))

    module.benchmark_metrics = benchmark_metrics  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return plugins.load([EntryPoint("made-up", module.__name__, "benchmark.plugins")])


def study(error: float = 0.0, slices: int = 3, *, empty: int = 0, side: int = 6) -> Study:
    """A study off by ``error`` in the mask and by a lot elsewhere; the first ``empty`` slices have no region."""
    target = np.full((slices, side, side), 100.0, np.float32)
    mask = np.zeros(target.shape, bool)
    mask[empty:, 1:-1, 1:-1] = True
    case = Case(CaseKey("p", "s"), target, target, mask, None, (3.0, 1.0, 1.0), np.eye(4))
    return Study(case, np.where(mask, target + error, 900.0))


def scores(
    registry: plugins.Registry, uses: Any, studies: dict[str, Study | str], *, unit: str = "HU", **profile: Any
) -> Any:
    """Score studies named ``patient/study`` under a profile of these uses."""
    uses = tuple(MetricUse(use, clip=False) if isinstance(use, str) else use for use in uses)
    spec = ProfileSpec("p", 1, uses, **{"primary": uses[0].metric, **profile})
    known = SimpleNamespace(profile=lambda _: SimpleNamespace(spec=spec), metric=registry.metric)
    info = SimpleNamespace(target_map=IntensityMap(unit, *WINDOW), name="made up")
    judge = make_judge(known, "p", info)  # type: ignore[arg-type]
    named = ((CaseKey(*name.split("/")), each) for name, each in studies.items())
    scores = score_studies(judge, named, CellAddress("t", "m", 3))
    return SimpleNamespace(summary={name: kept.to_json() for name, kept in scores.summary.items()}, rows=scores.rows)


class TestLevels:
    def test_slices_volumes_and_sets_have_their_own_rows(self, registry: plugins.Registry) -> None:
        found = scores(registry, ["error", "depth", "sets"], {"a/1": study(10.0), "b/1": study(20.0)})
        by_metric = {name: [row for row in found.rows if row["metric"] == name] for name in found.summary}
        assert [(r["patient"], r["slice"], r["value"]) for r in by_metric["error"]] == [
            (patient, index, value) for patient, value in (("a", 10.0), ("b", 20.0)) for index in range(3)
        ]
        assert [(r["patient"], r["slice"], r["value"]) for r in by_metric["depth"]] == [
            ("a", None, 3.0),
            ("b", None, 3.0),
        ]
        assert [(r["patient"], r["value"], r["state"]) for r in by_metric["sets"]] == [(None, 2.0, "scored")]
        assert found.summary["sets"]["interval"] == [1.0, 3.0]
        assert found.summary["sets"]["n"] == 2
        assert {row["seed"] for row in found.rows} == {3}

    def test_a_metric_of_slices_scores_volumes_where_the_profile_says_so(self, registry: plugins.Registry) -> None:
        use = MetricUse("error", clip=False, dimension="volume")
        found = scores(registry, [use], {"a/1": study(10.0, empty=1)})
        assert [(row["slice"], row["value"]) for row in found.rows] == [(None, 10.0)]
        assert found.summary["error"]["level"] == "volume"

    def test_one_that_cannot_is_refused(self, registry: plugins.Registry) -> None:
        with pytest.raises(UsageError, match="never cannot score volumes"):
            scores(registry, [MetricUse("never", dimension="volume")], {})

    def test_one_number_for_many_slices_is_the_plugins_fault(self, registry: plugins.Registry) -> None:
        with pytest.raises(PluginError, match=r"metric scalar failed: it gave shape \(\) for 3 slices"):
            scores(registry, ["scalar"], {"a/1": study()})

    def test_a_set_that_is_too_small_is_skipped_with_the_reason(self, registry: plugins.Registry) -> None:
        found = scores(registry, ["error", "sets"], {"a/1": study()})
        assert found.summary["sets"] == {"state": "skipped", "reason": "needs 2 studies"}
        assert found.rows[-1]["state"] == "undefined: needs 2 studies"

    def test_a_metric_without_direction_is_shown_but_cannot_rank(self, registry: plugins.Registry) -> None:
        assert scores(registry, ["error", "neither"], {"a/1": study(5.0)}).summary["neither"]["mean"] == 5.0
        with pytest.raises(UsageError, match="neither has no better direction, so it cannot rank"):
            scores(registry, ["neither"], {})


class TestCounting:
    def test_slices_without_region_are_excluded_and_counted(self, registry: plugins.Registry) -> None:
        found = scores(registry, ["error"], {"a/1": study(10.0, empty=2)})
        assert [row["state"] for row in found.rows] == ["excluded: empty region"] * 2 + ["scored"]
        assert found.summary["error"]["slices_excluded"] == 2
        assert found.summary["error"]["patients"] == {"a": 10.0}

    def test_undefined_and_perfect_are_said(self, registry: plugins.Registry) -> None:
        found = scores(registry, ["error", "never", "perfect"], {"a/1": study(1.0)})
        assert {row["state"] for row in found.rows if row["metric"] == "never"} == {"undefined"}
        assert found.summary["never"]["patients"] == {"a": None}
        assert found.summary["never"]["mean"] is None
        assert found.summary["perfect"]["infinite"] == ["a"]
        assert found.summary["perfect"]["n_scored"] == 0

    def test_lost_studies_take_the_patients_value_with_them(self, registry: plugins.Registry) -> None:
        studies = {"a/1": study(1.0), "a/2": "missing", "b/1": "failed: 7 voxels are NaN", "c/1": study(3.0)}
        found = scores(registry, ["error", "depth", "sets"], studies)
        for name in ("error", "depth"):
            summary = found.summary[name]
            assert (summary["n_expected"], summary["n_scored"], summary["n_failed"]) == (3, 1, 2)
        assert found.summary["error"]["patients"] == {"a": None, "b": None, "c": 3.0}
        assert [row["state"] for row in found.rows if row["patient"] == "b"] == ["failed: 7 voxels are NaN"] * 2
        assert found.summary["sets"]["mean"] == 2.0

    def test_missing_weights_and_label_maps_are_skipped(self, registry: plugins.Registry) -> None:
        found = scores(registry, ["error", "absent", "structures"], {"a/1": study()})
        assert found.summary["absent"] == {"state": "skipped", "reason": "weights missing: x.pth"}
        assert found.summary["structures"] == {"state": "skipped", "reason": "no label maps"}

    @pytest.mark.parametrize(
        ("averaging", "expected"), [("slice, patient, cohort", 4.0), ("slice, study, patient, cohort", 6.0)]
    )
    def test_the_profile_orders_the_averages(self, registry: plugins.Registry, averaging: str, expected: float) -> None:
        studies = {"a/1": study(2.0, slices=3), "a/2": study(10.0, slices=1)}
        found = scores(registry, ["error"], studies, averaging=averaging)
        assert found.summary["error"]["patients"] == {"a": expected}

    def test_units_follow_the_scale(self, registry: plugins.Registry) -> None:
        uses = [MetricUse("error"), MetricUse("square", scale="0..255"), MetricUse("neither", scale="from-low")]
        summary = scores(registry, uses, {"a/1": study()}).summary
        assert [summary[name]["unit"] for name in ("error", "square", "neither")] == ["HU", "", ""]
        assert scores(registry, [MetricUse("square")], {"a/1": study()}).summary["square"]["unit"] == "HU²"

    def test_one_study_is_in_memory_at_a_time(self, registry: plugins.Registry) -> None:
        import weakref

        alive: list[Any] = []
        most = 0

        def one_by_one() -> Iterator[tuple[CaseKey, Study]]:
            nonlocal most
            for number in range(5):
                each = study(float(number))
                alive.append(weakref.ref(each.prediction))
                most = max(most, sum(reference() is not None for reference in alive))
                yield CaseKey(f"p{number}", "s"), each
                del each

        spec = ProfileSpec("p", 1, (MetricUse("error"), MetricUse("sets")), primary="error")
        known = SimpleNamespace(profile=lambda _: SimpleNamespace(spec=spec), metric=registry.metric)
        info = SimpleNamespace(target_map=IntensityMap("HU", *WINDOW), name="made up")
        judge = make_judge(known, "p", info)  # type: ignore[arg-type]
        score_studies(judge, one_by_one(), CellAddress("t", "m", 0))
        assert most <= 2  # the one being scored, and the next being read


class TestPreparing:
    PROFILE = ProfileSpec("p", 1, (MetricUse("error"),), primary="error")

    def images(self, use: MetricUse, **profile: Any) -> Images:
        spec = replace(self.PROFILE, **profile)
        return prepare(spec, use, study(10.0), (0.0, 200.0), "HU")

    def test_clip_outside_and_scale_in_this_order(self) -> None:
        images = self.images(MetricUse("error", outside="low", scale="0..255"))
        assert set(np.unique(images.prediction)) == {0.0, 110 * 255 / 200}
        assert images.data_range == (0.0, 255.0)
        assert images.unit == ""
        kept = self.images(MetricUse("error", clip=False))
        assert kept.prediction.max() == 900.0
        assert kept.unit == "HU"
        assert self.images(MetricUse("error")).prediction.max() == 200.0

    def test_from_low_keeps_the_unit_and_moves_the_range(self) -> None:
        spec, use = self.PROFILE, MetricUse("error", scale="from-low")
        images = prepare(spec, use, study(10.0), (-1000.0, 1000.0), "HU")
        assert images.target.max() == 1100.0
        assert images.data_range == (0.0, 2000.0)
        assert images.unit == "HU"

    def test_the_region_is_the_mask_or_everything(self) -> None:
        assert not self.images(MetricUse("error")).mask.all()
        assert self.images(MetricUse("error"), region="image").mask.all()

    def test_slices_without_a_region_count_under_no_profile(self) -> None:
        spec = replace(self.PROFILE, region="image")
        images = prepare(spec, MetricUse("error"), study(10.0, empty=1), (0.0, 200.0), "HU")
        assert images.mask.all(axis=(1, 2)).tolist() == [False, True, True]
        assert not images.mask[0].any()

    def test_the_study_is_left_as_it_is(self) -> None:
        each = study(10.0)
        before = each.prediction.copy(), each.case.target.copy()
        prepare(self.PROFILE, MetricUse("error", outside="low", scale="0..1"), each, (0.0, 200.0), "HU")
        assert np.array_equal(before[0], each.prediction)
        assert np.array_equal(before[1], each.case.target)

    def test_uses_with_the_same_preparation_share_it(self) -> None:
        uses = (MetricUse("a"), MetricUse("b", outside="low"), MetricUse("c"), MetricUse("d", data_range=(0.0, 1.0)))
        spec = replace(self.PROFILE, metrics=uses, primary="a")
        groups = [[use.metric for use in group] for group, _ in prepared(spec, study(), WINDOW, "HU")]
        assert groups == [["a", "c"], ["b"], ["d"]]

    def test_ranges_of_the_study(self) -> None:
        each = study(10.0)
        source = np.linspace(-50, 1000, each.case.target.size).reshape(each.case.target.shape).astype(np.float32)
        each = Study(replace(each.case, source=source), each.prediction)

        def range_of(**profile: Any) -> Any:
            ((_, images),) = prepared(replace(self.PROFILE, **profile), each, WINDOW, "HU")
            return images if isinstance(images, str) else images.data_range

        assert range_of() == WINDOW
        assert range_of(data_range=(-5.0, 7.0)) == (-5.0, 7.0)
        assert range_of(data_range="target-maximum") == (0.0, 100.0)
        low, high = range_of(data_range="source-percentiles", percentiles=(0.5, 99.5))
        assert low == 0.0
        assert high == pytest.approx(994.75, abs=0.5)
        each = Study(replace(each.case, target=-each.case.target), each.prediction)
        assert range_of(data_range="target-maximum") == "empty range 0..-100"

    def test_rows_beyond_the_square_are_cropped_around_the_centre(self) -> None:
        target = np.arange(9 * 4, dtype=np.float32).reshape(1, 9, 4)
        case = Case(CaseKey("p", "s"), target, target, np.ones(target.shape, bool), None, (1.0, 1.0, 1.0), np.eye(4))
        ((_, images),) = prepared(replace(self.PROFILE, crop="square"), Study(case, target + 1), WINDOW, "HU")
        assert isinstance(images, Images)
        assert images.target[0, :, 0].tolist() == [8, 12, 16, 20]


class TestImages:
    def test_shapes_and_range_are_checked(self) -> None:
        image, mask = np.zeros((2, 3, 4)), np.ones((2, 3, 4), bool)
        with pytest.raises(ValueError, match=r"mask has shape \(3, 4\), target \(2, 3, 4\)"):
            Images(image, image, mask[0], (0.0, 1.0))
        with pytest.raises(ValueError, match=r"expected \(slices, rows, columns\)"):
            Images(image[0], image[0], mask[0], (0.0, 1.0))
        with pytest.raises(ValueError, match="low must be below high"):
            Images(image, image, mask, (1.0, 1.0))

    def test_some_slices_of_everything(self) -> None:
        image, labels = np.arange(24.0).reshape(2, 3, 4), np.ones((2, 3, 4), np.uint8)
        images = Images(image, image + 1, image > 3, (0.0, 30.0), spacing=(5.0, 1.0, 1.0), labels=labels)
        last = images.at(slice(1, None))
        assert (len(last), last.labels.shape, last.predicted_labels, last.spacing) == (
            1,
            (1, 3, 4),
            None,
            (5.0, 1.0, 1.0),
        )  # type: ignore[union-attr]
        assert np.array_equal(last.target, image[1:] + 1)


def test_a_definition_names_what_was_resolved_and_survives_json() -> None:
    spec = ProfileSpec("p", 2, (MetricUse("error", options={"a": (1, 2)}),), primary="error", summary="words")
    definition = profile_definition(spec, (-5.0, 5.0), "HU")
    assert definition["id"] == "p/2"
    assert definition["data_range"] == [-5.0, 5.0]
    assert definition["metrics"][0]["options"] == {"a": [1, 2]}
    assert "summary" not in definition
