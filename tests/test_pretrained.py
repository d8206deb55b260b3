"""Pretrained weights: found where they are said to be, checked, never unpickled; and the backbones that use them."""

from __future__ import annotations

import hashlib
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from command_line import CommandLine
from torch import Tensor

from benchmark.errors import BenchmarkError, Unavailable, UsageError
from benchmark.pretrained import backbones, embedded, weights

VGG19 = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
"""Places of the convolutions in torchvision's ``vgg19.features``."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights folder and an empty torch cache."""
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "torch" / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "weights"


def made_up(name: str) -> dict[str, Tensor]:
    """Tensors under torchvision's names and of its shapes; made up, for reading only."""
    torch.manual_seed(0)
    tensors = {f"features.{key}": value for key, value in backbones.build(name).features.state_dict().items()}
    return {**tensors, "classifier.6.bias": torch.zeros(1000)}


def store(tensors: dict[str, Tensor], path: Path) -> None:
    if path.suffix == ".pth":
        torch.save(tensors, path)
    elif path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})


@pytest.mark.parametrize("name", list(weights.KNOWN))
def test_backbones_have_the_published_number_of_weights(name: str) -> None:
    with torch.device("meta"):
        count = sum(weight.numel() for weight in backbones.build(name).parameters())
    assert count == weights.KNOWN[name].parameters


@pytest.mark.parametrize("name", list(weights.KNOWN))
def test_backbones_are_torchvisions_own_layer_by_layer(name: str) -> None:
    models = pytest.importorskip("torchvision.models", exc_type=Exception, reason="torchvision is not installed")
    torch.manual_seed(0)
    theirs = getattr(models, name)(weights=None).features.eval()
    ours = backbones.build(name).eval()
    ours.features.load_state_dict(theirs.state_dict())
    image = torch.rand(1, 3, 96, 96)
    names = list(ours.taps)
    with torch.no_grad():
        found = dict(zip(names, ours(image, names), strict=True))
        hidden = image
        for place, layer in enumerate(theirs):
            hidden = layer(hidden)
            for tap, index in ours.taps.items():
                if place == index + (0 if tap.startswith("fire") else 1):
                    torch.testing.assert_close(found.pop(tap), hidden)
    assert not found


def test_vgg_layers_are_called_as_in_the_papers() -> None:
    with torch.device("meta"):
        taps = backbones.build("vgg19").taps
    assert tuple(taps.values()) == VGG19
    assert [taps[f"conv{block}_1"] for block in range(1, 6)] == [0, 5, 10, 19, 28]


def test_features_before_the_relu_become_those_after_it() -> None:
    backbone = embedded.load()[0]
    image = torch.rand(2, 1, 32, 32) * 2 - 1
    (before,) = backbone(image, ["conv3_1"], activated=False)
    (after,) = backbone(image, ["conv3_1"])
    assert before.min() < 0
    torch.testing.assert_close(before.relu(), after)
    with torch.device("meta"), pytest.raises(KeyError, match="before its ReLU"):
        backbones.build("squeezenet1_1")(torch.empty(1, 3, 32, 32), ["fire2"], activated=False)
    with pytest.raises(KeyError, match="no layer 'conv9_9'; there are conv1_1"):
        backbone(image, ["conv9_9"])


def test_what_is_missing_is_said_with_place_and_command(folder: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        backbones.load("vgg19")
    message = str(caught.value)
    for part in ("VGG-19", "vgg19-dcbb9e9d.pth", str(folder), "hub/checkpoints", "benchmark weights fetch vgg19"):
        assert part in message


@pytest.mark.parametrize("suffix", ["pth", "safetensors", "npz"])
@pytest.mark.parametrize("name", ["vgg19", "squeezenet1_1"])
def test_all_three_formats_are_read(folder: Path, suffix: str, name: str) -> None:
    tensors = made_up(name)
    path = folder / f"{name}.{suffix}"
    store(tensors, path)
    backbone, found = backbones.load(name)
    assert found.path == path
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    image = torch.rand(1, 3, 32, 32)
    (first,) = backbone(image, [next(iter(backbone.taps))])
    stride, padding = (1, 1) if name == "vgg19" else (2, 0)
    weight, bias = tensors["features.0.weight"], tensors["features.0.bias"]
    torch.testing.assert_close(first, torch.conv2d(image, weight, bias, stride, padding).relu())
    assert not any(weight.requires_grad for weight in backbone.parameters())


def test_the_named_folder_comes_before_torchs_cache_and_other_networks_are_not_taken(folder: Path) -> None:
    cached = folder.parent / "torch" / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"
    cached.write_bytes(b"cached")
    (folder / "vgg19_bn-c79401a0.pth").write_bytes(b"another network")
    assert weights.find("vgg19") == cached
    named = folder / "vgg19.safetensors"
    named.write_bytes(b"named")
    assert weights.find("vgg19") == named
    assert weights.find("vgg16") is None


def test_a_file_that_breaks_its_promised_checksum_is_refused(folder: Path) -> None:
    (folder / "alexnet-owt-7be5be79.pth").write_bytes(b"half a download")
    with pytest.raises(Unavailable, match="weights damaged"):
        weights.require("alexnet")


@pytest.mark.parametrize("content", [b"not weights", {"features.0.weight": torch.zeros(64, 3, 3, 3)}])
def test_a_file_that_holds_something_else_is_refused(folder: Path, content: Any) -> None:
    path = folder / "vgg19.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(Unavailable, match=r"vgg19\.pth does not hold VGG-19"):
        backbones.load("vgg19")


def test_weights_are_never_unpickled(folder: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (open, (str(folder / "trace"), "w"))

    torch.save({"features.0.weight": Evil()}, folder / "vgg19.pth")
    np.savez(folder / "alexnet.npz", **{"features.0.weight": np.array([Evil()], dtype=object)})
    (folder / "trace").unlink(missing_ok=True)
    for name in ("vgg19", "alexnet"):
        with pytest.raises(Unavailable):
            backbones.load(name)
    assert not (folder / "trace").exists()


def test_fetching_without_a_network_says_where_to_put_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision", exc_type=Exception, reason="torchvision is not installed")

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    with pytest.raises(BenchmarkError, match=rf"could not be fetched \(no network\).*{folder}"):
        weights.fetch("vgg16")
    with pytest.raises(UsageError, match="vgg19"):
        weights.fetch("vgg-19")


def test_status_shows_what_is_here(toy: CommandLine, tmp_path: Path) -> None:
    store(made_up("squeezenet1_1"), tmp_path / "squeezenet1_1.npz")
    places = {"BENCHMARK_WEIGHTS": str(tmp_path), "TORCH_HOME": str(tmp_path / "torch")}
    done = toy("weights", "status", "--json", **places)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["weights"]}
    assert rows["squeezenet1_1"]["state"] == "ok"
    missing = rows["vgg19"]
    assert (missing["state"], missing["file"]) == ("missing", "vgg19-dcbb9e9d.pth")
    assert missing["advice"] == "benchmark weights fetch vgg19"
    assert "squeezenet1_1.npz" in toy("weights", "status", **places).stdout
    assert toy("weights", "fetch", "vgg20").returncode == 2


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1"])
def test_real_imagenet_features_are_loaded_and_alive(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = os.environ.get("BENCHMARK_WEIGHTS") or Path(__file__).parents[2] / "shared" / "weights"
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(place))
    if weights.find(name) is None:
        pytest.skip(f"no {name} weights in $BENCHMARK_WEIGHTS or ../shared/weights")
    backbone, _ = backbones.load(name)
    edges = torch.zeros(1, 3, 64, 64)
    edges[..., 32:] = 2.0
    flat = torch.zeros(1, 3, 64, 64)
    for layer in backbone.taps:
        (seen,), (unseen,) = backbone(edges, [layer]), backbone(flat, [layer])
        assert seen.isfinite().all()
        assert (seen - unseen).abs().max() > 0.01


def test_the_embedded_weights_are_those_of_the_log() -> None:
    package = files("benchmark.pretrained")
    data = (package / embedded.FILE).read_bytes()
    log = json.loads((package / embedded.LOG).read_text(encoding="utf-8"))
    assert hashlib.sha256(data).hexdigest() == log["sha256"] == embedded.load()[2]
    assert len(data) < 2 * 2**20
    # it has learnt: tissues far above chance (one in 23), and the loss fell
    assert all(found["tissue_pixels_right"] > 0.4 for found in log["validation"].values())
    assert log["log"][-1]["tissue"] < 0.5 * log["log"][0]["tissue"]
