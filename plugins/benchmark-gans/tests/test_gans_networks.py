"""Networks: sizes, receptive fields, and outputs against golden numbers of reference implementations."""

from __future__ import annotations

import pytest
import torch
from benchmark_gans.networks.dcgan import NoiseGenerator
from benchmark_gans.networks.discriminators import ImageDiscriminator, PatchDiscriminator, normalise_spectrally
from benchmark_gans.networks.fila_sgan import FilaDiscriminator, FilaGenerator
from benchmark_gans.networks.id_cgan import DenseGenerator, FullResolutionGenerator, PyramidDiscriminator
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.pan import PanDiscriminator, PanGenerator
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
        (lambda: UBlock(3, 3, norm="batch"), 54_413_955),
        (lambda: UBlock(norm="batch"), 54_407_809),
        (lambda: UBlock(depth=7, norm="batch"), 41_822_849),
        (lambda: PatchDiscriminator(2), 135_361),
        (lambda: PatchDiscriminator(2, norm="none"), 135_361),
        (lambda: PatchDiscriminator(2, norm="batch"), 135_489),
        (lambda: PatchDiscriminator(6, norm="batch"), 139_585),
        (lambda: PatchDiscriminator(6, patch=70, norm="batch"), 2_768_705),
        (lambda: PatchDiscriminator(2, patch=70, norm="batch"), 2_764_609),
        (lambda: PatchDiscriminator(1, patch=70), 2_762_689),
        (lambda: PatchDiscriminator(3, patch=70), 2_764_737),
        (lambda: PatchDiscriminator(6, filters=48, patch=70, norm="batch", biased=True), 1_561_105),
        (lambda: ResNetGenerator(blocks=9), 11_365_633),
        (lambda: ResNetGenerator(blocks=6), 7_825_153),
        (lambda: ResNetGenerator(3, blocks=9), 11_378_179),
        (lambda: ResNetGenerator(3, blocks=6), 7_837_699),
        (lambda: PanGenerator(3, 3), 16_831_875),
        (lambda: PanDiscriminator(3), 7_050_249),
        (lambda: FullResolutionGenerator(3, 3), 263_686),
        (lambda: FilaGenerator(2, 3), 26_112_259),
        (lambda: FilaDiscriminator(5), 2_919_905),
        (lambda: NoiseGenerator(), 57_257_857),
        (lambda: NoiseGenerator(image_size=(64, 64)), 5_132_161),
        (lambda: ImageDiscriminator(1, (512, 512)), 4_829_441),
        (lambda: ImageDiscriminator(1, (64, 64)), 4_313_345),
    ],
)
def test_parameter_counts_of_the_papers(build, parameters):
    with torch.device("meta"):
        assert count(build()) == parameters


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: PatchDiscriminator(1, filters=2, norm="none"), 16),
        (lambda: PatchDiscriminator(1, filters=2, patch=34, norm="none"), 34),
        (lambda: PatchDiscriminator(1, filters=2, patch=70, norm="none"), 70),
        (lambda: ResNetGenerator(filters=2, blocks=2, norm="none"), None),
        (lambda: ResNetGenerator(filters=2, blocks=6, norm="none"), None),
        (lambda: FullResolutionGenerator(filters=2), 25),
    ],
)
def test_an_output_sees_exactly_the_receptive_field_that_a_network_states(build, expected):
    network = build().double().eval()
    assert expected in (None, network.receptive_field)
    for weight in network.parameters():
        nn.init.uniform_(weight, 0.1, 1.0)
    # positive pixels and weights: no unit is switched off, so the gradient shows every path; scaled against saturation
    image = (torch.rand(1, 1, 160, 160, dtype=torch.float64) + 0.1).requires_grad_()
    last = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)][-1]
    found = {}
    last.register_forward_hook(lambda _module, _inputs, output: found.update(raw=output))
    network(image)
    raw = found["raw"]
    middle = raw.shape[-1] // 2
    extents = []
    for place in range(middle, middle + 4):  # an output between the strides of transposed layers may see less
        (gradient,) = torch.autograd.grad(raw[0, 0, place, place], image, retain_graph=True)
        seen = torch.nonzero(gradient[0, 0].abs().sum(0)).flatten()
        extents.append(int(seen.max() - seen.min()) + 1)
    assert max(extents) == network.receptive_field


def test_taps_of_the_pan_discriminator_see_what_the_table_says():
    assert PanDiscriminator.seen_by_taps() == (3, 13, 29, 61)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: PanGenerator(image_size=(96, 96)), "PAN's generator .* multiples of 64"),
        (lambda: PanDiscriminator(image_size=(80, 80)), "multiples of 32"),
        (lambda: FilaGenerator(image_size=(96, 96)), "side must be 16, 32, 64"),
        (lambda: FilaGenerator(image_size=(64, 128)), "64x128"),
        (lambda: FilaDiscriminator(image_size=(48, 48)), "multiples of 32"),
        (lambda: DenseGenerator(image_size=(60, 60)), "multiples of 8"),
        (lambda: PyramidDiscriminator(image_size=(16, 16)), "24 pixels"),
        (lambda: NoiseGenerator(image_size=(40, 40)), "multiples of 16"),
    ],
)
def test_sizes_that_a_network_cannot_have_are_refused_by_name(build, said):
    with pytest.raises(UsageError, match=said):
        build()


@pytest.mark.parametrize("side", [64, 128, 256])
def test_the_authors_networks_fit_the_sizes_of_the_presets(side):
    size = (side, side)
    with torch.device("meta"):
        image = torch.empty(2, 1, *size)
        for generator in (
            PanGenerator(image_size=size, filters=8),
            FullResolutionGenerator(filters=8),
            DenseGenerator(image_size=size, filters=8),
        ):
            assert generator(image).shape == image.shape
        noise = torch.empty(2, 400)
        assert FilaGenerator(image_size=size, filters=8)(image, noise).shape == image.shape
        assert NoiseGenerator(image_size=size, filters=8)(torch.empty(2, 100)).shape == image.shape
        pair = torch.cat([image, image], 1)
        assert PanDiscriminator(image_size=size, filters=8)(image).logits.shape == (2, 1)
        assert FilaDiscriminator(2, image_size=size, filters=8)(pair).logits.shape == (2, 1)
        assert PyramidDiscriminator(2, image_size=size, filters=8)(pair).logits.shape[:2] == (2, 1)


def test_a_dense_generator_trains_with_gradients_everywhere():
    network = DenseGenerator(image_size=(32, 32), filters=8)
    network(torch.rand(2, 1, 32, 32)).square().sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.isfinite().all()) for weight in network.parameters())


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
