"""LPIPS: values of its package, its range, and the weights that it needs."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.contracts.protocols import Images
from benchmark.errors import Unavailable
from benchmark.pretrained import weights
from benchmark.pretrained.imagenet import ALEXNET, SQUEEZENET

GOLDEN = Path(__file__).parent / "golden"
ENTRIES = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))


@cache
def arrays(case: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "inputs.npz") as file:
        return {name.split("/")[1]: file[name] for name in file.files if name.split("/")[0] == case}


def value_of(metric: Any, prediction: Any, truth: Any, mask: Any, data_range: tuple[float, float]) -> float:
    """The value of one slice."""
    return metric.score(Images(prediction[None], truth[None], mask[None], data_range)).item()


def weights_folder() -> Path:
    named = os.environ.get(weights.VARIABLE)
    return Path(named) if named else Path(__file__).parents[3].parent / "shared" / "weights"


@pytest.fixture(scope="module", params=["alex", "squeeze"])
def lpips(request: pytest.FixtureRequest) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(weights.VARIABLE, str(weights_folder()))
        if weights.find({"alex": ALEXNET, "squeeze": SQUEEZENET}[request.param]) is None:
            pytest.skip(f"no LPIPS weights ({request.param}) in ${weights.VARIABLE} or ../shared/weights")
        pytest.importorskip("torchvision", exc_type=Exception)
        from benchmark_metrics.perceptual import LPIPS

        metric = LPIPS(request.param)
        metric.net = request.param
        return metric


@pytest.mark.real_data
def test_lpips_matches_its_package(lpips: Any) -> None:
    import torch

    torch.set_num_threads(1)
    checked = 0
    for entry in ENTRIES:
        if entry["metric"] != f"LPIPS_{lpips.net}" or entry["use"] != "match":
            continue
        settings = entry["settings"]
        if entry["case"] == "torchmetrics docstring example":
            generator = torch.Generator().manual_seed(42)
            pair = [torch.rand(2, 3, 100, 100, generator=generator) * 2 - 1 for _ in range(2)]
            value = lpips.distance(*(images[settings["pair"]].numpy() for images in pair))
        else:
            case = arrays(entry["case"])
            truth = case["gt"].astype(np.float64)
            prediction = truth if "pair" in settings else case["pred"].astype(np.float64)
            if entry["case"] == "rgb_64":
                value = lpips.distance(prediction, truth)
            else:
                high = 1.0 if entry["case"] == "unit_128" else 255.0
                value = value_of(lpips, prediction, truth, np.ones(truth.shape, dtype=bool), (0.0, high))
        assert value == pytest.approx(entry["value"], abs=entry["atol"]), settings
        checked += 1
    assert checked == 11
    provenance = lpips.provenance()
    assert provenance["net"] == lpips.net
    assert re.fullmatch(r"[0-9a-f]{64}", provenance["sha256"])


@pytest.mark.real_data
def test_lpips_refuses_values_outside_the_range(lpips: Any) -> None:
    image = np.linspace(-1024.0, 3000.0, 64 * 64).reshape(64, 64)
    mask = np.ones(image.shape, dtype=bool)
    with pytest.raises(ValueError, match=r"outside -1000\.\.1000"):
        value_of(lpips, image, image, mask, (-1000.0, 1000.0))
    assert math.isnan(value_of(lpips, image[:31], image[:31], mask[:31], (-1024.0, 3000.0)))


class TestEmbeddedDistance:
    @pytest.fixture(scope="class")
    def metric(self) -> Any:
        from benchmark_metrics.perceptual import EmbeddedDistance

        return EmbeddedDistance()

    @pytest.fixture(scope="class")
    def image(self) -> Any:
        rng = np.random.default_rng(0)
        rows, columns = np.mgrid[:64, :64] - 31.5
        body = np.where(np.hypot(rows, columns) < 25, 40.0, -1000.0)
        return np.where((np.hypot(rows, columns) < 25) & (np.hypot(rows, columns) > 21), 900.0, body) + rng.normal(
            0, 9, body.shape
        )

    def distance(self, metric: Any, prediction: Any, truth: Any) -> float:
        low, high = -1100.0, 1100.0
        pair = (np.clip(each, low, high) for each in (prediction, truth))
        return value_of(metric, *pair, np.ones(truth.shape, dtype=bool), (low, high))

    def test_it_is_the_formula_written_out_place_by_place(self, metric: Any, image: Any) -> None:
        import torch

        from benchmark.pretrained import embedded

        network = embedded.load()[0]
        other = np.roll(image, 3, axis=1)
        pair = [torch.from_numpy(np.clip(each, -1100, 1100) / 1100.0).float()[None, None] for each in (image, other)]
        layers = []
        for name in network.taps:
            a, b = (network(each, [name])[0][0].double().numpy() for each in pair)
            places = []
            for row in range(a.shape[1]):
                for column in range(a.shape[2]):
                    lengths = [math.sqrt(float(np.square(each[:, row, column]).sum())) or 1.0 for each in (a, b)]
                    difference = a[:, row, column] / lengths[0] - b[:, row, column] / lengths[1]
                    places.append(float(np.square(difference).sum()))
            layers.append(sum(places) / len(places))
        assert self.distance(metric, image, other) == pytest.approx(sum(layers) / len(layers), abs=1e-6)

    def test_worse_images_lie_farther_away(self, metric: Any, image: Any) -> None:
        from scipy.ndimage import gaussian_filter

        blurred = [self.distance(metric, gaussian_filter(image, sigma), image) for sigma in (0.7, 1.5, 3.0)]
        moved = [self.distance(metric, np.roll(image, pixels, 0), image) for pixels in (1, 3, 6)]
        assert 0 < blurred[0] < blurred[1] < blurred[2] < 2
        assert 0 < moved[0] < moved[1] < moved[2] < 2

    def test_small_slices_have_none_and_batches_do_not_matter(self, metric: Any, image: Any) -> None:
        assert math.isnan(self.distance(metric, image[:31], image[:31]))
        truth = np.stack([np.roll(image, shift, 0) for shift in range(20)])
        images = Images(np.roll(truth, 2, 2), truth, np.ones(truth.shape, bool), (-1100.0, 1100.0))
        together = metric.score(images)
        alone = [self.distance(metric, *pair) for pair in zip(images.prediction, truth, strict=True)]
        np.testing.assert_allclose(together, alone, atol=1e-6)

    def test_it_says_which_network_it_is(self, metric: Any) -> None:
        from benchmark.pretrained import embedded

        assert metric.provenance()["sha256"] == embedded.load()[2]
        assert metric.provenance()["features"].startswith("embedded")


class TestWeights:
    @pytest.fixture
    def nowhere(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        monkeypatch.setenv(weights.VARIABLE, str(tmp_path / "weights"))
        (tmp_path / "weights").mkdir()
        (tmp_path / "torch" / "hub" / "checkpoints").mkdir(parents=True)
        return tmp_path

    @pytest.mark.usefixtures("nowhere")
    def test_missing_weights_make_lpips_unavailable_without_importing_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from benchmark_metrics.perceptual import LPIPS

        for module in ("lpips", "torchvision"):
            monkeypatch.setitem(sys.modules, module, None)  # importing it would fail with another message
        with pytest.raises(Unavailable, match=r"^weights missing: .*alexnet-owt-7be5be79\.pth.*weights fetch alexnet"):
            LPIPS()

    def test_a_file_that_breaks_its_promised_checksum_is_refused(self, nowhere: Any) -> None:
        from benchmark_metrics.perceptual import LPIPS

        (nowhere / "weights" / "alexnet-owt-7be5be79.pth").write_bytes(b"half a download")
        with pytest.raises(Unavailable, match="weights damaged"):
            LPIPS()

    def test_an_archive_without_the_features_is_refused(self, nowhere: Any) -> None:
        pytest.importorskip("torchvision", exc_type=Exception)
        from benchmark_metrics.perceptual import LPIPS

        path = nowhere / "weights" / "alexnet.npz"
        np.savez(path, **{"features.0.weight": np.zeros((64, 3, 11, 11), dtype=np.float32)})
        with pytest.raises(Unavailable, match=r"alexnet\.npz does not hold AlexNet .*23232 parameters"):
            LPIPS()

    @pytest.mark.filterwarnings("ignore:.*deprecated since 0.13")  # lpips calls torchvision so
    def test_vgg_is_the_packages_with_the_same_weights(self, nowhere: Any) -> None:
        """Made-up weights of VGG-16's shape: only that each lands in its place is looked at."""
        pytest.importorskip("torchvision", exc_type=Exception)
        package = pytest.importorskip("lpips")
        torch = pytest.importorskip("torch")
        from benchmark_metrics.perceptual import LPIPS

        from benchmark.pretrained import backbones

        torch.manual_seed(0)
        theirs = package.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
        state = theirs.net.state_dict()  # sliceK.N.weight, with N torchvision's place
        features = {f"features.{name.partition('.')[2]}": value.numpy() for name, value in state.items()}
        assert features.keys() == {f"features.{name}" for name in backbones.build("vgg16").features.state_dict()}
        np.savez(nowhere / "weights" / "vgg16.npz", **features)
        pair = np.random.default_rng(0).uniform(-1, 1, (2, 3, 48, 48))
        with torch.no_grad():
            expected = theirs(*(torch.from_numpy(each.astype(np.float32))[None] for each in pair)).item()
        ours = LPIPS("vgg")
        assert expected > 0
        assert ours.distance(*pair) == pytest.approx(expected, rel=1e-5)
        assert ours.provenance()["weights"] == "vgg16.npz"

    def test_a_broken_torchvision_makes_lpips_unavailable(self, nowhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from benchmark_metrics.perceptual import LPIPS

        np.savez(nowhere / "weights" / "alexnet.npz", nothing=np.zeros(1))
        monkeypatch.setitem(sys.modules, "lpips", None)
        with pytest.raises(Unavailable, match="lpips cannot be imported"):
            LPIPS()

    def test_doctor_names_what_is_missing(self, nowhere: Any) -> None:
        from benchmark_metrics import checks

        (nowhere / "weights" / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"x")
        results = {result.what.split(" weights")[0]: result for result in checks.weights()}
        assert results["SqueezeNet 1.1"].state == "ok"
        assert results["VGG-16"].state == "missing"
        assert "LPIPS with net=vgg" in results["VGG-16"].what
        assert "benchmark weights fetch vgg16" in results["VGG-16"].advice

    def test_an_unknown_network_is_named(self) -> None:
        from benchmark_metrics.perceptual import LPIPS

        with pytest.raises(ValueError, match="net 'resnet' is none of alex, squeeze, vgg"):
            LPIPS("resnet")
