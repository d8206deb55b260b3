"""Feature extractors: the embedded network, and finding VGG-19."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files

import numpy as np
import pytest
import safetensors.torch
import torch
from benchmark_gans import checks, vgg_weights
from benchmark_gans.features import (
    EMBEDDED_FILE,
    PER_UNIT,
    VGG19_CONVOLUTIONS,
    VGG19_WIDTHS,
    ConvolutionStack,
    build_extractor,
)
from benchmark_gans.options import FeatureOptions

from benchmark import Unavailable

FIRST = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty weights folder and an empty torch cache."""
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def made_up_weights():
    """Tensors under torchvision's names and of its shapes; made up, for reading only."""
    stack = ConvolutionStack(3, VGG19_WIDTHS, VGG19_CONVOLUTIONS)
    random = torch.Generator().manual_seed(0)
    tensors = {}
    for index, layer in zip(TORCHVISION, stack.layers.values(), strict=True):
        scale = (2 / layer.weight[0].numel()) ** 0.5
        tensors[f"features.{index}.weight"] = scale * torch.randn(layer.weight.shape, generator=random)
        tensors[f"features.{index}.bias"] = 0.01 * torch.randn(layer.bias.shape, generator=random)
    return {**tensors, "classifier.6.bias": torch.zeros(1000)}


def test_vgg19_has_the_published_size_and_torchvisions_layers():
    with torch.device("meta"):
        stack = ConvolutionStack(3, VGG19_WIDTHS, VGG19_CONVOLUTIONS)
    assert sum(parameter.numel() for parameter in stack.parameters()) == 20_024_384
    names = dict(vgg_weights.LAYERS)
    assert tuple(names) == TORCHVISION
    assert tuple(names.values()) == tuple(stack.layers)
    assert [names[index] for index in (0, 5, 10, 19, 28)] == list(FIRST)


def test_missing_vgg19_says_what_where_and_how(folder):
    with pytest.raises(Unavailable) as caught:
        build_extractor(FeatureOptions(features="vgg19"), "byte")
    message = str(caught.value)
    assert "VGG-19" in message
    assert str(folder) in message
    assert str(folder.parent / "torch" / "hub" / "checkpoints") in message
    assert 'python -c "from torchvision.models import vgg19' in message


@pytest.mark.parametrize("model", ["medgan", "id-cgan", "fila-sgan"])
def test_models_pass_the_missing_weights_on(make, folder, model):
    with pytest.raises(Unavailable, match="VGG-19"):
        make(model, features="vgg19")


def test_doctor_says_the_same_and_finds_what_is_there(folder):
    (result,) = checks.weights()
    assert result.state == "missing"
    assert str(folder) in result.what
    assert vgg_weights.FETCH in result.advice
    (folder / "vgg19_bn-c79401a0.pth").write_bytes(b"another network")
    assert checks.weights()[0].state == "missing"
    (folder / "vgg19-dcbb9e9d.pth").write_bytes(b"weights")
    (result,) = checks.weights()
    assert result.state == "ok"
    assert "vgg19-dcbb9e9d.pth" in result.what


def test_torch_hubs_cache_is_looked_into(folder):
    cache = folder.parent / "torch" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / "vgg19-dcbb9e9d.pth").write_bytes(b"weights")
    assert vgg_weights.find() == cache / "vgg19-dcbb9e9d.pth"


@pytest.mark.parametrize("suffix", ["pth", "safetensors", "npz"])
def test_vgg19_is_read_from_all_three_formats(folder, suffix):
    tensors = made_up_weights()
    path = folder / f"vgg19.{suffix}"
    if suffix == "pth":
        torch.save(tensors, path)
    elif suffix == "safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})
    extractor = build_extractor(FeatureOptions(features="vgg19"), "imagenet")
    assert extractor.origin == f"vgg19 vgg19.{suffix} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    image = torch.rand(1, 1, 32, 32) * 2 - 1
    first, second = extractor(image, ("conv1_1", "conv1_2"))
    colour = (image.expand(-1, 3, -1, -1) + 1) / 2
    colour = (colour - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        3, 1, 1
    )
    hidden = torch.conv2d(colour, tensors["features.0.weight"], tensors["features.0.bias"], padding=1).relu()
    torch.testing.assert_close(first, hidden)
    hidden = torch.conv2d(hidden, tensors["features.2.weight"], tensors["features.2.bias"], padding=1).relu()
    torch.testing.assert_close(second, hidden)
    (unit,) = build_extractor(FeatureOptions(features="vgg19"), "unit")(image, ("conv1_1",))
    torch.testing.assert_close(unit * PER_UNIT, first)


@pytest.mark.parametrize("content", [b"not weights", "too few"])
def test_a_file_that_is_not_vgg19_is_refused(folder, content):
    path = folder / "vgg19.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(Unavailable, match=r"vgg19\.pth does not hold"):
        vgg_weights.load()


def test_weights_are_never_unpickled(folder):
    class Evil:
        def __reduce__(self):
            return (open, (str(folder / "trace"), "w"))

    torch.save({"features.0.weight": Evil()}, folder / "vgg19.pth")
    with pytest.raises(Unavailable):
        vgg_weights.load()
    assert not (folder / "trace").exists()


def test_embedded_features_are_named_as_vggs_and_shrink_block_by_block():
    extractor = build_extractor(FeatureOptions(), "unit")
    found = extractor(torch.rand(2, 1, 64, 64), (*FIRST, "conv4_2"))
    assert [feature.shape[-1] for feature in found] == [64, 32, 16, 8, 4, 8]
    with pytest.raises(KeyError, match="conv9_9"):
        extractor(torch.rand(1, 1, 64, 64), ("conv9_9",))


def test_layers_come_in_the_order_asked_for():
    extractor = build_extractor(FeatureOptions(), "unit")
    image = torch.rand(1, 1, 32, 32)
    forward, backward = extractor(image, FIRST), extractor(image, FIRST[::-1])
    for a, b in zip(forward, backward[::-1], strict=True):
        assert torch.equal(a, b)


def test_ranges_scale_the_features():
    image = torch.rand(1, 1, 32, 32)
    unit, imagenet, byte = (
        build_extractor(FeatureOptions(), name)(image, FIRST)[2] for name in ("unit", "imagenet", "byte")
    )
    torch.testing.assert_close(byte, 127.5 * unit)
    torch.testing.assert_close(imagenet, PER_UNIT * unit)


def test_features_before_the_activation_can_be_negative():
    image = torch.rand(1, 1, 32, 32) * 2 - 1
    (after,) = build_extractor(FeatureOptions(), "unit")(image, ("conv2_1",))
    (before,) = build_extractor(FeatureOptions(feature_activation="before"), "unit")(image, ("conv2_1",))
    assert after.min() == 0
    assert before.min() < 0
    torch.testing.assert_close(before.relu(), after)


def test_gradients_reach_the_image_and_no_weight():
    extractor = build_extractor(FeatureOptions(), "unit")
    image = torch.rand(1, 1, 32, 32, requires_grad=True)
    sum(feature.sum() for feature in extractor(image, FIRST)).backward()
    assert image.grad is not None
    assert image.grad.any()
    assert all(parameter.grad is None for parameter in extractor.parameters())


def test_the_shipped_weights_are_those_of_the_log():
    package = files("benchmark_gans")
    data = (package / EMBEDDED_FILE).read_bytes()
    log = json.loads((package / "embedded_features.json").read_text(encoding="utf-8"))
    assert hashlib.sha256(data).hexdigest() == log["sha256"]
    assert len(data) < 2 * 2**20
    # it has learnt: most modalities are told apart, and tissues far above chance (one in 23)
    validation = log["validation"]
    assert all(found["tissue_pixels_right"] > 0.4 for found in validation.values())
    assert log["log"][-1]["tissue"] < 0.5 * log["log"][0]["tissue"]
