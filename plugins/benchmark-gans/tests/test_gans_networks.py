"""Networks: sizes, receptive fields, and outputs against golden numbers of reference implementations."""

from __future__ import annotations

import re

import pytest
import torch
from benchmark_gans.networks.discriminators import ImageDiscriminator, PatchDiscriminator, normalise_spectrally
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.resnet import ResNetGenerator
from benchmark_gans.networks.ublock import CasNet, UBlock, depth_for
from torch import nn

from benchmark import UsageError


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (lambda: UBlock(), 54_403_457),
        (lambda: CasNet(blocks=6), 326_420_742),
        (lambda: UBlock(filters=32), 13_603_009),
        (lambda: UBlock(filters=16), 3_401_825),
        (lambda: PatchDiscriminator(2), 135_361),
        (lambda: PatchDiscriminator(2, norm=False), 135_361),
        (lambda: PatchDiscriminator(1, patch=70), 2_762_689),
        (lambda: PatchDiscriminator(3, patch=70), 2_764_737),
        (lambda: ResNetGenerator(blocks=9), 11_365_633),
        (lambda: ResNetGenerator(blocks=6), 7_825_153),
        (lambda: ResNetGenerator(3, blocks=9), 11_378_179),
        (lambda: ImageDiscriminator(1, (64, 64)), 4_313_345),
    ],
)
def test_parameter_counts_of_the_papers(build, parameters):
    with torch.device("meta"):
        assert count(build()) == parameters


@pytest.mark.parametrize(("patch", "receptive"), [(16, 16), (34, 34), (70, 70)])
def test_a_logit_sees_exactly_its_patch(patch, receptive):
    network = PatchDiscriminator(1, filters=2, patch=patch, norm=False).double()
    nn.init.ones_(network.output.weight)
    for layer in network.hidden:
        nn.init.uniform_(layer.weight, 0.1, 1.0)
    image = torch.rand(1, 1, 160, 160, dtype=torch.float64, requires_grad=True)
    logits = network(image).logits
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    rows = torch.nonzero(image.grad[0, 0].abs().sum(1)).flatten()
    columns = torch.nonzero(image.grad[0, 0].abs().sum(0)).flatten()
    assert int(rows.max() - rows.min()) + 1 == receptive
    assert int(columns.max() - columns.min()) + 1 == receptive


def test_patch_discriminator_maps_at_paper_size():
    with torch.device("meta"):
        image = torch.empty(1, 2, 256, 256)
        verdict = PatchDiscriminator(2)(image)
        assert verdict.logits.shape == (1, 1, 126, 126)
        assert [tuple(feature.shape[1:]) for feature in verdict.features] == [(64, 128, 128), (128, 127, 127)]
        assert PatchDiscriminator(2, patch=70)(image).logits.shape == (1, 1, 30, 30)


@pytest.mark.parametrize(
    ("size", "depth"), [((256, 256), 8), ((512, 512), 8), ((64, 64), 6), ((16, 16), 4), ((96, 96), 5), ((64, 192), 6)]
)
def test_depth_follows_the_image_size(size, depth):
    assert depth_for(size) == depth
    with torch.device("meta"):
        image = torch.empty(1, 1, *size)
        assert UBlock(filters=2, depth=depth)(image).shape == image.shape


@pytest.mark.parametrize("size", [(100, 100), (64, 50), (8, 8)])
def test_sizes_that_cannot_be_halved_are_named_with_a_way_out(size):
    with pytest.raises(UsageError, match=rf"{size[0]}x{size[1]}.*multiples of 16.*Build or import"):
        depth_for(size)


def test_the_advised_sizes_work():
    with pytest.raises(UsageError, match=r"as 96x96 or 112x112"):
        depth_for((100, 100))
    assert depth_for((96, 96)) == 5
    assert depth_for((112, 112)) == 4


UBLOCKS = [
    ("medgan_ublock_depth6_ngf64", 64, 1, (2, 1, 64, 64)),
    ("unet64_ngf16_1ch_instance_chirp", 16, 1, (2, 1, 64, 64)),
    ("unet128_ngf16_1ch_instance_train", 16, 1, (2, 1, 128, 128)),
    ("unet256_ngf16_3ch_instance_train", 16, 3, (1, 3, 256, 256)),
]


@pytest.mark.parametrize(("case", "filters", "channels", "shape"), UBLOCKS)
def test_ublock_gives_the_golden_images(golden, case, filters, channels, shape):
    records = golden.case(case)
    settings = records["mean"]["settings"]
    shape = tuple(records["shape"]["value"])
    network = UBlock(channels, channels, filters=filters, depth=depth_for(shape[-2:]))
    assert count(network) == records["parameter count"]["value"]
    golden.fill(network, settings["weights"])
    with torch.no_grad():
        made = network(golden.image(shape, settings["input"]))
    assert golden.compare(records, "", made) == 6


@pytest.mark.parametrize(
    ("case", "blocks"),
    [
        ("casnet2_depth6_ngf8", 2),
        ("casnet6_depth6_ngf8", 6),
        ("casnet6_depth6_ngf8_chirp", 6),
        ("casnet2_depth8_ngf8", 2),
        ("casnet6_depth8_ngf8", 6),
    ],
)
def test_casnet_gives_the_golden_images(golden, case, blocks):
    records = golden.case(case)
    settings = records["mean"]["settings"]
    shape = tuple(records["shape"]["value"])
    network = CasNet(blocks=blocks, filters=8, depth=depth_for(shape[-2:]))
    assert count(network) == records["parameter count"]["value"]
    for number, block in enumerate(network.blocks):
        golden.fill(block, {**settings["weights"], "phase": 0.3 * number})
    with torch.no_grad():
        made = network(golden.image(shape, settings["input"]))
    assert golden.compare(records, "", made) == 6


@pytest.mark.parametrize(
    ("case", "filters", "blocks", "channels"),
    [
        ("resnet6_64_ngf16_1ch", 16, 6, 1),
        ("resnet9_128_ngf16_3ch", 16, 9, 3),
        ("resnet6_64_ngf64_3ch_chirp", 64, 6, 3),
    ],
)
def test_resnet_gives_the_golden_images(golden, case, filters, blocks, channels):
    records = golden.case(case)
    settings = records["mean"]["settings"]
    network = ResNetGenerator(channels, filters=filters, blocks=blocks)
    assert count(network) == records["parameter count"]["value"]
    golden.fill(network, settings["weights"])
    with torch.no_grad():
        made = network(golden.image(tuple(records["shape"]["value"]), settings["input"]))
    assert golden.compare(records, "", made) == 6


@pytest.mark.parametrize(
    ("case", "patch"),
    [
        ("patch16_2ch_instance", 16),
        ("patch16_2ch_instance_chirp", 16),
        ("patch70_2ch_instance", 70),
        ("patch70_2ch_instance_chirp", 70),
    ],
)
def test_patch_discriminator_gives_the_golden_logits(golden, case, patch):
    records = golden.case(case)
    settings = records["logits mean"]["settings"]
    network = PatchDiscriminator(2, patch=patch)
    assert count(network) == records["logits parameter count"]["value"]
    golden.fill(network, settings["weights"])
    with torch.no_grad():
        logits = network(_pair(golden, settings)).logits
    assert golden.compare(records, "logits", logits) == 6


@pytest.mark.parametrize(
    ("case", "norm", "first"),
    [
        ("medgan_discriminator_n2", True, False),
        ("medgan_discriminator_n2_chirp", True, False),
        ("medgan_discriminator_n1n2", True, True),
        ("medgan_discriminator_nonorm", False, False),
    ],
)
def test_medgan_discriminator_gives_the_golden_features(golden, case, norm, first):
    records = golden.case(case)
    settings = records["logits mean"]["settings"]
    network = PatchDiscriminator(2, norm=norm, norm_first=first)
    golden.fill(network, settings["weights"])
    with torch.no_grad():
        verdict = network(_pair(golden, settings))
    assert golden.compare(records, "feature layer 1", verdict.features[0]) == 6
    assert golden.compare(records, "feature layer 2", verdict.features[1]) == 6
    assert golden.compare(records, "logits", verdict.logits) == 6
    assert golden.compare(records, "sigmoid output", verdict.logits.sigmoid()) == 6


def _pair(golden, settings):
    """The discriminator's input: two images of the size that the settings' text ends with, side by side."""
    number, side = map(int, re.findall(r"\((\d+),\d,(\d+),\d+\)", settings["text"])[-1])
    shape = (number, 1, side, side)
    return torch.cat([golden.image(shape, settings["input"]), golden.image(shape, settings["target"])], 1)


def test_weights_start_normal_with_deviation_0_02():
    torch.manual_seed(0)
    network = UBlock(filters=16, depth=6)
    initialise(network)
    weights = torch.cat([p.flatten() for name, p in network.named_parameters() if name.endswith("weight")])
    biases = torch.cat([p.flatten() for name, p in network.named_parameters() if name.endswith("bias")])
    assert weights.mean().abs() < 1e-4
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert not biases.any()


def test_spectral_norm_bounds_every_layer():
    torch.manual_seed(0)
    network = PatchDiscriminator(2, filters=8)
    initialise(network)
    normalise_spectrally(network)
    image = torch.rand(1, 2, 32, 32)
    for _ in range(50):
        network(image)
    layers = [*network.hidden, network.output]
    assert all(hasattr(layer, "parametrizations") for layer in layers)
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item()
        assert largest == pytest.approx(1.0, abs=0.01)


def test_image_discriminator_gives_one_logit_an_image():
    assert ImageDiscriminator(4, (32, 64), filters=4)(torch.rand(3, 4, 32, 64)).logits.shape == (3, 1)
    with pytest.raises(UsageError, match="40x40"):
        ImageDiscriminator(1, (40, 40))
