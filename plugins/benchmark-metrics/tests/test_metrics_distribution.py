"""KID and FID: formulas against torchmetrics and by hand, floors, intervals, ranges, and the features they name."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import benchmark_metrics
import numpy as np
import pytest
from oracles import oracle_package

from benchmark.contracts.protocols import Estimate, Images
from benchmark.errors import Unavailable
from benchmark.pretrained import imagenet, weights
from benchmark.testing import MetricTests

torch = pytest.importorskip("torch")

from benchmark_metrics.distribution import SetDistance, fid, kid  # noqa: E402
from benchmark_metrics.set_distances import frechet_distance, kernel_distance  # noqa: E402
from benchmark_metrics.set_features import DEEPEST, SliceFeatures  # noqa: E402

SPECS = {spec.name: spec for spec in benchmark_metrics.benchmark_metrics()}
torch.set_num_threads(1)


def vectors(seed: int, groups: int = 6, size: int = 12, shift: float = 0.0, dimension: int = 8) -> list[np.ndarray]:
    """Groups of correlated vectors: each group has its own mean."""
    rng = np.random.default_rng(seed)
    means = rng.normal(shift, 0.5, (groups, 1, dimension))
    return list(np.maximum(0.0, means + rng.normal(0.5, 1.0, (groups, size, dimension))))


def study(seed: int, shape: tuple[int, int, int] = (4, 40, 36), error: float = 0.0) -> Images:
    """Smooth random blobs in HU; the prediction is noisier by ``error``."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    target = 600 * np.sin(x / (3 + seed % 4) + seed) * np.cos(y / 4 + z / 3) + rng.normal(0, 20, shape)
    prediction = target + rng.normal(0, error, shape) if error else target
    low, high = -1000.0, 1000.0
    return Images(np.clip(prediction, low, high), np.clip(target, low, high), np.ones(shape, bool), (low, high))


def estimate(metric: SetDistance, studies: list[Images]) -> Estimate:
    metric.reset()
    for each in studies:
        metric.update(each)
    return metric.compute()


class TestFormulas:
    def test_kid_is_torchmetrics_on_all_vectors(self) -> None:
        module = oracle_package("torchmetrics.image.kid")
        for shift in (0.0, 0.4):
            first, second = vectors(0), vectors(1, shift=shift)
            sets = (torch.from_numpy(np.concatenate(each)) for each in (second, first))
            expected = float(module.poly_mmd(*sets))
            assert kernel_distance(first, second).value == pytest.approx(expected, rel=1e-10)

    @pytest.mark.parametrize("size", [12, 1])
    def test_fid_is_torchmetrics_on_all_vectors(self, size: int) -> None:
        """With fewer vectors than values (size 1) as well, where covariances are singular."""
        module = oracle_package("torchmetrics.image.fid")
        first, second = vectors(0, size=size), vectors(1, size=size, shift=0.3)
        moments = []
        for each in (second, first):
            joined = torch.from_numpy(np.concatenate(each))
            moments += [joined.mean(0), torch.cov(joined.T)]
        expected = float(module._compute_fid(*moments))
        assert frechet_distance(first, second).value == pytest.approx(expected, rel=1e-6 if size > 1 else 1e-4)

    def test_kid_by_hand(self) -> None:
        first, second = [np.array([[0.0], [1.0]])], [np.array([[2.0], [2.0]])]
        within = (0 * 1 + 1) ** 3 + (2 * 2 + 1) ** 3
        across = np.mean([(0 * 2 + 1) ** 3, (1 * 2 + 1) ** 3])
        assert kernel_distance(first, second).value == pytest.approx(within - 2 * across)

    def test_fid_by_hand(self) -> None:
        """Along each axis: distance of means, and of standard deviations."""
        first = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
        second = np.array([[8.0, 1.0], [2.0, 1.0], [5.0, 3.0], [5.0, -1.0]])
        deviations = math.sqrt(2 / 3), math.sqrt(18 / 3)
        expected = 5.0**2 + 1.0**2 + (deviations[0] - deviations[1]) ** 2
        assert frechet_distance([first], [second]).value == pytest.approx(expected)

    def test_fid_of_the_same_set_is_zero(self) -> None:
        assert frechet_distance(vectors(3), vectors(3)).value == pytest.approx(0.0, abs=1e-12)
        few = vectors(3, groups=2, size=2, dimension=50)
        assert frechet_distance(few, few).value == pytest.approx(0.0, abs=1e-12)

    @pytest.mark.parametrize("distance", [kernel_distance, frechet_distance])
    def test_each_group_is_left_out_in_turn(self, distance: Any) -> None:
        first = [group[: 9 + index] for index, group in enumerate(vectors(4, groups=4))]
        second = [group[: 9 + index] for index, group in enumerate(vectors(5, groups=4, shift=0.3))]
        found = distance(first, second)
        without = [distance(first[:g] + first[g + 1 :], second[:g] + second[g + 1 :]).value for g in range(4)]
        spread = sum((value - np.mean(without)) ** 2 for value in without)
        assert found.error == pytest.approx(math.sqrt(3 / 4 * spread))
        assert found.bias == pytest.approx(3 * (np.mean(without) - found.value))

    @pytest.mark.parametrize("distance", [kernel_distance, frechet_distance])
    def test_one_group_has_a_value_and_no_interval(self, distance: Any) -> None:
        found = distance(vectors(0, groups=1), vectors(1, groups=1))
        assert math.isfinite(found.value)
        assert math.isnan(found.error)

    def test_the_bias_of_few_correlated_slices_is_seen(self) -> None:
        """Two samples of one population: the truth is 0, and FID is far above it."""
        found = [frechet_distance(vectors(2 * s, 16), vectors(2 * s + 1, 16)) for s in range(10)]
        value, bias = (float(np.mean([getattr(each, name) for each in found])) for name in ("value", "bias"))
        assert value > 0.2
        assert 0.5 * value < bias < 1.5 * value

    @pytest.mark.parametrize(("distance", "trials"), [(kernel_distance, 120), (frechet_distance, 80)])
    def test_intervals_cover_what_other_patients_would_give(self, distance: Any, trials: int) -> None:
        """Slices of a study are alike (ICC 0.2); intervals over studies cover nonetheless."""
        found = [distance(vectors(2 * s, 12), vectors(2 * s + 1, 12, shift=0.3)) for s in range(trials)]
        values, errors = (np.array([getattr(each, name) for each in found]) for name in ("value", "error"))
        covered = np.abs(values - values.mean()) < 2.201 * errors  # Student's t, 11 degrees
        assert 0.88 <= covered.mean() <= 1.0


class TestFloors:
    def test_too_few_slices_or_studies_give_a_reason_and_no_number(self) -> None:
        with pytest.raises(Unavailable, match=r"too few for KID: 40 slices .* from 10 studies; needs 50 from 5"):
            estimate(kid(), [study(seed) for seed in range(10)])
        with pytest.raises(Unavailable, match=r"60 slices .* from 4 studies; needs 50 from 5"):
            estimate(kid(), [study(seed, (15, 32, 32)) for seed in range(4)])
        with pytest.raises(Unavailable, match=r"too few for FID: 60 slices .*; needs 320 from 5"):
            estimate(fid(), [study(seed, (10, 32, 32)) for seed in range(6)])
        with pytest.raises(Unavailable, match="0 slices of 32 pixels a side or more, from 0 studies"):
            estimate(kid(), [study(seed, (20, 40, 31)) for seed in range(6)])

    def test_slices_without_a_region_do_not_count(self) -> None:
        empty = study(0)
        empty = replace(empty, mask=np.zeros_like(empty.mask))
        with pytest.raises(Unavailable, match="48 slices"):
            estimate(kid(), [*(study(seed, (8, 32, 32)) for seed in range(6)), empty])

    def test_enough_give_value_interval_and_bias(self) -> None:
        studies = [study(seed, (9, 32, 32), error=150.0) for seed in range(6)]
        found = estimate(kid(), studies)
        assert found.n == 54
        assert found.low < found.value < found.high
        assert found.bias is not None
        features = [[SliceFeatures("embedded")(side / 1000.0) for side in sides] for sides in
                    ([s.prediction for s in studies], [s.target for s in studies])]  # fmt: skip
        assert found.value == pytest.approx(kernel_distance(*features).value)
        noisier = estimate(kid(), [study(seed, (9, 32, 32), error=400.0) for seed in range(6)])
        assert noisier.value > found.value


def test_raw_hu_are_refused() -> None:
    raw = study(0)
    raw = replace(raw, prediction=raw.prediction * 2.0)
    for metric in (kid(), fid()):
        with pytest.raises(ValueError, match=r"values outside -1000\.\.1000; use it with clip=True in the profile"):
            metric.update(raw)


class TestFeatures:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
        return tmp_path

    def test_the_embedded_network_is_named_as_such(self) -> None:
        features = SliceFeatures("embedded")
        assert features.provenance["features"] == "embedded: trained on this project's phantoms"
        assert len(features.provenance["sha256"]) == 64
        found = features(np.linspace(-1, 1, 3 * 40 * 40).reshape(3, 40, 40))
        assert found.shape == (3, features.dimension)
        assert 0.05 < np.sqrt(np.mean(found**2)) < 5.0

    @pytest.mark.parametrize("name", [*sorted(set(DEEPEST) - {"embedded"}), "inception_v3"])
    @pytest.mark.usefixtures("folder")
    def test_missing_weights_are_named_and_nothing_takes_their_place(self, name: str) -> None:
        with pytest.raises(Unavailable, match=rf"weights missing: .*benchmark weights fetch {name}$"):
            kid(features=name)
        with pytest.raises(ValueError, match="features 'resnet' are none of embedded, alexnet"):
            fid(features="resnet")

    def test_imagenet_networks_see_normalised_colours(self, folder: Path) -> None:
        """Made-up weights of VGG-16's shape; only that they are read and fed rightly is looked at."""
        models = pytest.importorskip("torchvision.models", exc_type=Exception, reason="torchvision is not installed")
        torch.manual_seed(0)
        network = models.vgg16(weights=None).eval()
        path = folder / "vgg16.npz"
        np.savez(path, **{name: value.numpy() for name, value in network.state_dict().items() if "features" in name})
        features = SliceFeatures("vgg16")
        assert features.provenance == {
            "features": "vgg16",
            "weights": "vgg16.npz",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "layer": "conv5_3",
        }
        slices = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32))
        mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
        colours = torch.from_numpy(slices.astype(np.float32))[:, None].expand(-1, 3, -1, -1)
        with torch.no_grad():
            expected = network.features[:30]((colours / 2 + 0.5 - mean) / deviation).mean((2, 3))
        assert features.dimension == expected.shape[1] == 512
        np.testing.assert_allclose(features(slices), expected.numpy(), rtol=1e-4, atol=1e-7)

    def test_inception_gives_what_torchvisions_gives_before_its_classifier(self, folder: Path) -> None:
        models = pytest.importorskip("torchvision.models", exc_type=Exception, reason="torchvision is not installed")
        torch.manual_seed(0)
        network = models.inception_v3(weights=None, init_weights=False, transform_input=False).eval()
        state = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
        torch.save(state, folder / "inception_v3.pth")
        features = SliceFeatures("inception_v3")
        assert features.provenance["layer"] == "pool"
        slices = np.random.default_rng(0).uniform(-1, 1, (1, 299, 299))
        seen: list[Any] = []
        network.avgpool.register_forward_hook(lambda *given: seen.append(given[2]))
        with torch.no_grad():
            network(torch.from_numpy(slices.astype(np.float32))[:, None].expand(-1, 3, -1, -1))
        np.testing.assert_allclose(features(slices), seen[0].flatten(1).numpy(), rtol=1e-4, atol=1e-6)
        state.pop("fc.bias")
        state["other"] = torch.zeros(1000)
        torch.save(state, folder / "inception_v3.pth")
        with pytest.raises(Unavailable, match=r"does not hold Inception v3: it has no fc\.bias"):
            SliceFeatures("inception_v3")

    @pytest.mark.real_data
    @pytest.mark.parametrize("wanted", [imagenet.ALEXNET, imagenet.SQUEEZENET], ids=lambda spec: spec.name)
    def test_real_features_tell_noise_from_images(self, wanted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        place = os.environ.get(weights.VARIABLE) or Path(__file__).parents[3].parent / "shared" / "weights"
        monkeypatch.setenv(weights.VARIABLE, str(place))
        if weights.find(wanted) is None:
            pytest.skip(f"no {wanted.title} weights in ${weights.VARIABLE} or ../shared/weights")
        metric = kid(features=wanted.name)
        values = [
            estimate(metric, [study(seed, (9, 64, 64), error=error) for seed in range(6)]).value
            for error in (30.0, 100.0, 300.0)
        ]
        assert values == sorted(values)
        assert metric.provenance()["sha256"] == weights.require(wanted).sha256


class TestKID(MetricTests):
    """Identical sets score a little below 0: the estimate is unbiased."""

    spec = SPECS["kid"]
    options = {"least_slices": 2, "least_studies": 1}  # noqa: RUF012
    symmetric = True
    region = False


class TestFID(MetricTests):
    spec = SPECS["fid"]
    options = {"least_slices_per_value": 0.0, "least_studies": 1}  # noqa: RUF012
    best = 0.0
    symmetric = True
    region = False


def test_records_hold_interval_bias_and_features(tmp_path: Path) -> None:
    """Through the harness, with a profile of both: KID has enough slices, FID has not."""
    from benchmark.contracts.specs import MetricUse, ProfileSpec
    from benchmark.scoring.judge import Judge, ReadyMetric
    from benchmark.scoring.summarise import summarise

    profile = ProfileSpec("sets", 1, (MetricUse("kid"), MetricUse("fid")), primary="kid")
    metrics = {"kid": kid(), "fid": fid()}
    estimates: dict[str, Estimate | str] = {}
    for name, metric in metrics.items():
        try:
            estimates[name] = estimate(metric, [study(seed, (9, 32, 32), error=150.0) for seed in range(6)])
        except Unavailable as reason:
            estimates[name] = str(reason)
    ready = [
        ReadyMetric(use, "distribution", "", (), metric, provenance=metric.provenance())
        for use, metric in zip(profile.metrics, metrics.values(), strict=True)
    ]
    kept = summarise(Judge(profile, (0.0, 1.0), "", tuple(ready)), {"p": False, "q": True}, [], estimates)
    found = json.loads(json.dumps({name: summary.to_json() for name, summary in kept.items()}))
    assert found["kid"]["interval"][0] < found["kid"]["mean"] < found["kid"]["interval"][1]
    assert found["kid"]["bias"] is not None
    assert [found["kid"][name] for name in ("n_expected", "n_scored", "n_failed")] == [2, 1, 1]
    assert found["kid"]["provenance"]["features"].startswith("embedded")
    assert found["fid"]["state"] == "skipped"
    assert "needs 320 from 5" in found["fid"]["reason"]
