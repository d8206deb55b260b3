"""Feature extractors of the losses: range, layers, gradients, and which weights they name."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch
from benchmark_gans import checks
from benchmark_gans.features import PER_UNIT, build_extractor
from benchmark_gans.options import FeatureOptions

from benchmark import Unavailable
from benchmark.pretrained import backbones

FIRST = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
EMBEDDED = FeatureOptions(features="embedded")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty weights folder and an empty torch cache."""
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.mark.parametrize("model", ["medgan", "id-cgan", "fila-sgan"])
def test_models_pass_the_missing_weights_on_before_training(make, folder, model):
    with pytest.raises(Unavailable, match=r"VGG-19.*benchmark weights fetch vgg19"):
        make(model, features="vgg19")


def test_doctor_says_what_needs_the_weights_and_finds_what_is_there(folder):
    (result,) = checks.weights()
    assert result.state == "missing"
    assert str(folder) in result.what
    assert "medgan" in result.what
    assert result.advice == "benchmark weights fetch vgg19"
    (folder / "vgg19-dcbb9e9d.pth").write_bytes(b"weights")
    (result,) = checks.weights()
    assert result.state == "ok"


@pytest.mark.parametrize("name", ["vgg19", "vgg16"])
def test_imagenet_features_see_colour_normalised_images(folder, name):
    torch.manual_seed(0)
    tensors = {f"features.{key}": value for key, value in backbones.build(name).features.state_dict().items()}
    safetensors.torch.save_file(tensors, folder / f"{name}.safetensors")
    extractor = build_extractor(FeatureOptions(features=name), "imagenet")
    assert extractor.origin.startswith(f"{name} {name}.safetensors sha256:")
    image = torch.rand(1, 1, 32, 32) * 2 - 1
    first, second = extractor(image, ("conv1_1", "conv1_2"))
    colour = (image.expand(-1, 3, -1, -1) + 1) / 2
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    colour = (colour - mean) / deviation
    hidden = torch.conv2d(colour, tensors["features.0.weight"], tensors["features.0.bias"], padding=1).relu()
    torch.testing.assert_close(first, hidden)
    hidden = torch.conv2d(hidden, tensors["features.2.weight"], tensors["features.2.bias"], padding=1).relu()
    torch.testing.assert_close(second, hidden)
    (unit,) = build_extractor(FeatureOptions(features=name), "unit")(image, ("conv1_1",))
    torch.testing.assert_close(unit * PER_UNIT, first)


def test_embedded_features_are_named_as_vggs_and_shrink_block_by_block():
    extractor = build_extractor(EMBEDDED, "unit")
    assert extractor.origin.startswith("embedded sha256:")
    found = extractor(torch.rand(2, 1, 64, 64), (*FIRST, "conv4_2"))
    assert [feature.shape[-1] for feature in found] == [64, 32, 16, 8, 4, 8]
    with pytest.raises(KeyError, match="conv9_9"):
        extractor(torch.rand(1, 1, 64, 64), ("conv9_9",))


def test_layers_come_in_the_order_asked_for():
    extractor = build_extractor(EMBEDDED, "unit")
    image = torch.rand(1, 1, 32, 32)
    forward, backward = extractor(image, FIRST), extractor(image, FIRST[::-1])
    for a, b in zip(forward, backward[::-1], strict=True):
        assert torch.equal(a, b)


def test_ranges_scale_the_features():
    image = torch.rand(1, 1, 32, 32)
    unit, imagenet, byte = (build_extractor(EMBEDDED, name)(image, FIRST)[2] for name in ("unit", "imagenet", "byte"))
    torch.testing.assert_close(byte, 127.5 * unit)
    torch.testing.assert_close(imagenet, PER_UNIT * unit)


def test_features_before_the_activation_can_be_negative():
    image = torch.rand(1, 1, 32, 32) * 2 - 1
    (after,) = build_extractor(EMBEDDED, "unit")(image, ("conv2_1",))
    early = FeatureOptions(features="embedded", feature_activation="before")
    (before,) = build_extractor(early, "unit")(image, ("conv2_1",))
    assert after.min() == 0
    assert before.min() < 0
    torch.testing.assert_close(before.relu(), after)


def test_gradients_reach_the_image_and_no_weight():
    extractor = build_extractor(EMBEDDED, "unit")
    image = torch.rand(1, 1, 32, 32, requires_grad=True)
    sum(feature.sum() for feature in extractor(image, FIRST)).backward()
    assert image.grad is not None
    assert image.grad.any()
    assert all(parameter.grad is None for parameter in extractor.parameters())


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(1, 3, 32, 32), r"not of shape \(1, 3, 32, 32\)"),
        (255 * torch.eye(32).view(1, 1, 32, 32), r"these lie in 0\.\.255"),
        (torch.full((1, 1, 32, 32), -1000.0), "these lie in -1000"),
    ],
)
def test_images_of_another_range_are_refused_in_every_call(image, message):
    extractor = build_extractor(EMBEDDED, "byte")
    extractor(torch.zeros(1, 1, 32, 32), FIRST)
    with pytest.raises(ValueError, match=message):
        extractor(image, FIRST)
