"""Pretrained weights: found where they are said to be, checked, never unpickled; and the backbones that use them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from command_line import CommandLine
from torch import Tensor

from benchmark.contracts.specs import WeightsSpec
from benchmark.errors import BenchmarkError, TrainingDiverged, Unavailable
from benchmark.plan import claim
from benchmark.pretrained import backbones, embedded, imagenet, weights
from benchmark.registry.plugins import Offer, Plugin, Registry

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


@pytest.mark.parametrize("name", list(backbones.WEIGHTS))
def test_backbones_have_the_published_number_of_weights(name: str) -> None:
    with torch.device("meta"):
        count = sum(weight.numel() for weight in backbones.build(name).parameters())
    assert count == backbones.WEIGHTS[name].parameters


@pytest.mark.parametrize("name", list(backbones.WEIGHTS))
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


@pytest.mark.parametrize("spec", [*backbones.WEIGHTS.values(), imagenet.INCEPTION], ids=lambda spec: spec.name)
def test_addresses_and_checksums_are_torchvisions(spec: WeightsSpec) -> None:
    models = pytest.importorskip("torchvision.models", exc_type=Exception, reason="torchvision is not installed")
    enum = {each.name: each for each in models.get_model_weights(spec.name)}["IMAGENET1K_V1"]
    assert enum.url == spec.url
    assert enum.url.endswith(f"-{spec.sha256}.pth")


def test_plugins_may_declare_the_same_weights_but_not_others_of_the_same_name() -> None:
    plugins = [Plugin(name, f"benchmark-{name}", "1", name, "loaded") for name in ("a", "b")]
    same = Registry(tuple(plugins), {"weights": [Offer(imagenet.VGG16, plugin) for plugin in plugins]})
    assert same.find("weights", "vgg16").spec is imagenet.VGG16
    other = replace(imagenet.VGG16, sha256="00000000")
    apart = [Offer(spec, plugin) for spec, plugin in zip((imagenet.VGG16, other), plugins, strict=True)]
    clashing = Registry(tuple(plugins), {"weights": apart})
    assert not clashing.all("weights")
    assert "weights 'vgg16' is offered by benchmark-a 1 and benchmark-b 1" in str(clashing.clashes[0])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.full((1, 1, 8, 8), -1024.0), r"in \[-1, 1\]; these lie in -1024\.\.-1024"),
        (torch.linspace(0, 255, 64).view(1, 1, 8, 8), r"these lie in 0\.\.255"),
        (torch.zeros(1, 3, 8, 8), r"not of shape \(1, 3, 8, 8\)"),
        (torch.zeros(8, 8), r"not of shape \(8, 8\)"),
    ],
)
def test_images_of_another_range_or_shape_are_refused(image: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        backbones.check_range(image)


def test_images_may_miss_the_range_by_rounding_but_not_hold_nan() -> None:
    backbones.check_range(torch.tensor([-1.0005, 1.0005]).view(1, 1, 1, 2))
    with pytest.raises(TrainingDiverged, match="hold NaN"):
        backbones.check_range(torch.tensor([0.0, float("nan")]).view(1, 1, 1, 2))


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
    assert weights.find(imagenet.VGG19) == cached
    named = folder / "vgg19.safetensors"
    named.write_bytes(b"named")
    assert weights.find(imagenet.VGG19) == named
    assert weights.find(imagenet.VGG16) is None


def test_a_file_that_breaks_its_promised_checksum_is_refused(folder: Path) -> None:
    (folder / "alexnet-owt-7be5be79.pth").write_bytes(b"half a download")
    with pytest.raises(Unavailable, match="weights damaged"):
        weights.require(imagenet.ALEXNET)


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


class TestFetching:
    """With the publisher in a folder of this machine: what torch's downloader does with a URL it does here too."""

    @pytest.fixture
    def published(self, tmp_path: Path) -> WeightsSpec:
        content = tmp_path / "published" / "tiny-1.pth"
        content.parent.mkdir()
        torch.save({"features.0.weight": torch.ones(3), "head.weight": torch.ones(5)}, content)
        digest = hashlib.sha256(content.read_bytes()).hexdigest()
        return WeightsSpec(
            "tiny",
            "tiny-1.pth",
            title="Tiny",
            url=content.as_uri(),
            sha256=digest[:8],
            parameters=3,
            prefix="features.",
        )

    def test_the_file_is_checked_and_kept(self, folder: Path, published: WeightsSpec) -> None:
        folder.rmdir()
        found = weights.fetch(published)
        assert found.path == folder / "tiny-1.pth"
        assert found.sha256.startswith(published.sha256)
        assert list(weights.read(found.path, published)) == ["0.weight"]
        again = replace(published, url="file:///nowhere")
        assert weights.fetch(again) == found

    def test_a_damaged_file_is_replaced(self, folder: Path, published: WeightsSpec) -> None:
        (folder / "tiny-1.pth").write_bytes(b"half a download")
        with pytest.raises(Unavailable, match=r"weights damaged.*then: benchmark weights fetch tiny"):
            weights.require(published)
        assert weights.fetch(published).sha256.startswith(published.sha256)

    def test_a_wrong_checksum_leaves_nothing_behind(self, folder: Path, published: WeightsSpec) -> None:
        with pytest.raises(BenchmarkError, match=r"could not be fetched.*SHA-256"):
            weights.fetch(replace(published, sha256="00000000"))
        assert list(folder.iterdir()) == []

    def test_nothing_is_unpickled(self, folder: Path, published: WeightsSpec, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("loaded"))
        assert weights.fetch(published).path.parent == folder

    def test_without_a_network_the_place_for_the_file_is_said(self, folder: Path, published: WeightsSpec) -> None:
        with pytest.raises(BenchmarkError, match=rf"tiny-1\.pth could not be .*put the file into {folder}"):
            weights.fetch(replace(published, url="file:///nowhere/tiny-1.pth"))


def test_status_shows_what_is_here_and_fetch_says_what_went_wrong(toy: CommandLine, folder: Path) -> None:
    places = {"BENCHMARK_WEIGHTS": str(folder), "TORCH_HOME": str(folder.parent / "torch")}
    (folder / "toy-eyes-e3b0c442.pth").write_bytes(b"")  # whose SHA-256 begins so
    done = toy("weights", "status", "--json", **places)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["weights"]}
    assert rows["toy-eyes"]["state"] == "ok"
    assert rows["toy-eyes"]["sha256"] == hashlib.sha256(b"").hexdigest()
    assert (rows["toy-ears"]["state"], rows["toy-ears"]["file"]) == ("missing", "toy-ears-0123abcd.pth")
    assert rows["toy-ears"]["advice"] == "benchmark weights fetch toy-ears"
    (folder / "toy-ears.npz").write_bytes(b"")
    (folder / "toy-eyes-e3b0c442.pth").write_bytes(b"cut short")
    shown = toy("weights", "status", **places).stdout
    assert "toy-ears.npz" in shown
    assert "weights damaged" in shown

    there = toy("weights", "fetch", "toy-ears", **places)
    assert there.returncode == 1
    assert "could not be fetched" in there.stderr
    assert f"put the file into {folder}" in there.stderr
    unknown = toy("weights", "fetch", "toy-nose")
    assert unknown.returncode == 2
    assert "Did you mean 'toy-e" in unknown.stderr


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1"])
def test_real_imagenet_features_are_loaded_and_alive(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = os.environ.get("BENCHMARK_WEIGHTS") or Path(__file__).parents[2] / "shared" / "weights"
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(place))
    if weights.find(backbones.WEIGHTS[name]) is None:
        pytest.skip(f"no {name} weights in $BENCHMARK_WEIGHTS or ../shared/weights")
    backbone, _ = backbones.load(name)
    edges = torch.zeros(1, 3, 64, 64)
    edges[..., 32:] = 2.0
    flat = torch.zeros(1, 3, 64, 64)
    for layer in backbone.taps:
        (seen,), (unseen,) = backbone(edges, [layer]), backbone(flat, [layer])
        assert seen.isfinite().all()
        assert (seen - unseen).abs().max() > 0.01


def test_other_embedded_weights_are_another_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = claim.harness_sha256()
    shutil.copytree(claim.HARNESS, tmp_path / "benchmark", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(claim, "HARNESS", tmp_path / "benchmark")
    monkeypatch.setattr(claim, "harness_sha256", claim.harness_sha256.__wrapped__)
    weights_file = tmp_path / "benchmark" / "pretrained" / embedded.FILE
    assert claim.harness_sha256() == before
    weights_file.write_bytes(weights_file.read_bytes()[::-1])
    assert claim.harness_sha256() != before


def test_the_embedded_weights_are_those_of_the_log() -> None:
    package = files("benchmark.pretrained")
    data = (package / embedded.FILE).read_bytes()
    log = json.loads((package / embedded.LOG).read_text(encoding="utf-8"))
    assert hashlib.sha256(data).hexdigest() == log["sha256"] == embedded.load()[2]
    assert len(data) < 2 * 2**20
    # it has learnt: tissues far above chance (one in 23), and the loss fell
    assert all(found["tissue_pixels_right"] > 0.4 for found in log["validation"].values())
    assert log["log"][-1]["tissue"] < 0.5 * log["log"][0]["tissue"]
