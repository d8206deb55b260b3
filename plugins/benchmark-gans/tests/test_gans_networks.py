"""Networks: parameters, receptive fields, image sizes, initial weights."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from benchmark_gans.networks.dcgan import NoiseGenerator, SourceToMask
from benchmark_gans.networks.discriminators import (
    ImageDiscriminator,
    PatchDiscriminator,
    Verdict,
    normalise_spectrally,
)
from benchmark_gans.networks.fila_sgan import BatchStatistics, FilaDiscriminator, FilaGenerator
from benchmark_gans.networks.id_cgan import DenseGenerator, FullResolutionGenerator, PyramidDiscriminator
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.pan import TAPS, PanDiscriminator, PanGenerator
from benchmark_gans.networks.receptive_field import receptive_field
from benchmark_gans.networks.resnet import ResNetGenerator
from benchmark_gans.networks.ublock import CasNet, UBlock, depth_for
from torch import nn

from benchmark import UsageError

PAGE = Path(__file__).parents[3] / "docs" / "networks.md"


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


COUNTS = [
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
    (lambda: PatchDiscriminator(6, patch=70, norm="none"), 2_767_809),
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
    (lambda: PyramidDiscriminator(6), 3_994_513),
    (lambda: DenseGenerator(3, 3), 10_072_107),
    (lambda: FilaGenerator(2, 3), 26_112_259),
    (lambda: FilaDiscriminator(5), 2_919_905),
    (lambda: NoiseGenerator(), 57_257_857),
    (lambda: NoiseGenerator(image_size=(64, 64)), 5_132_161),
    (lambda: ImageDiscriminator(1, (512, 512)), 4_829_441),
    (lambda: ImageDiscriminator(1, (64, 64)), 4_313_345),
]


@pytest.mark.parametrize(("build", "parameters"), COUNTS)
def test_parameter_counts_of_the_papers(build, parameters):
    with torch.device("meta"):
        assert count(build()) == parameters


@pytest.mark.skipif(not PAGE.is_file(), reason="the plugin stands without the documents")
def test_the_page_about_networks_prints_the_counts_of_the_code():
    printed = re.findall(r"^\|.*\| ([\d,]+) \| (?:whole image|\d+|–) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert len(printed) == 19
    assert {int(number.replace(",", "")) for number in printed} <= {parameters for _, parameters in COUNTS}


def seen(run, size, places):
    """The most columns of an image that one output at any of these columns depends on."""
    # positive pixels and weights: no unit is switched off, so the gradient shows every path
    image = (torch.rand(1, 1, *size, dtype=torch.float64) + 0.1).requires_grad_()
    raw = run(image)
    extents = []
    for place in range(raw.shape[-1] // 2, raw.shape[-1] // 2 + places):
        (gradient,) = torch.autograd.grad(raw[0, 0, raw.shape[-2] // 2, place], image, retain_graph=True)
        columns = torch.nonzero(gradient[0, 0].abs().sum(0)).flatten()
        extents.append(int(columns.max() - columns.min()) + 1)
    return max(extents)


def positive(network):
    """Weights positive and small, no norms of a map's own statistics, and pooling by which all pixels count."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, BatchStatistics | nn.InstanceNorm2d):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(child.kernel_size))
    for weight in network.parameters():
        nn.init.uniform_(weight, 0.1, 1.0)
        weight.data /= max(1, weight[0].numel())
    return network.double().eval()


def before_tanh(network):
    """Runs a network up to its last layer with weights: Tanh would hide small gradients."""
    last = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)][-1]
    found = {}
    last.register_forward_hook(lambda _module, _inputs, output: found.update(raw=output))

    def run(image):
        extra = [torch.zeros(1, 400, dtype=torch.float64)] if isinstance(network, FilaGenerator) else []
        network(image, *extra)
        return found["raw"]

    return run


@pytest.mark.parametrize(
    ("build", "expected", "size", "places"),
    [
        (lambda: PatchDiscriminator(1, filters=2, norm="none"), 16, (32, 64), 1),
        (lambda: PatchDiscriminator(1, filters=2, patch=34, norm="none"), 34, (40, 80), 1),
        (lambda: PatchDiscriminator(1, filters=2, patch=70, norm="none"), 70, (40, 160), 1),
        (lambda: ResNetGenerator(filters=2, blocks=2, norm="none"), 57, (32, 128), 4),
        (lambda: ResNetGenerator(filters=2, blocks=6, norm="none"), 121, (32, 256), 4),
        (lambda: FullResolutionGenerator(filters=2), 25, (32, 64), 1),
        (lambda: PanGenerator(image_size=(64, 512), filters=2), 255, (64, 512), 64),
        (lambda: FilaGenerator(image_size=(64, 64), filters=2), 38, (64, 64), 8),
        (lambda: FilaGenerator(image_size=(128, 128), filters=2), 78, (128, 128), 16),
        (lambda: DenseGenerator(image_size=(16, 1024), filters=2), 490, (16, 1024), 8),
        (lambda: SourceToMask(1, 1, image_size=(16, 256), filters=2), 109, (16, 256), 16),
    ],
)
def test_an_output_sees_exactly_the_receptive_field_that_a_network_states(build, expected, size, places):
    network = positive(build())
    assert network.receptive_field == expected
    assert seen(before_tanh(network), size, places) == expected


@pytest.mark.parametrize(
    ("build", "size"),
    [
        (lambda: UBlock(filters=2, depth=6), (64, 64)),
        (lambda: CasNet(blocks=2, filters=2, depth=5), (32, 32)),
        (lambda: PanDiscriminator(image_size=(64, 64), filters=8), (64, 64)),
        (lambda: FilaDiscriminator(1, image_size=(64, 64), filters=4), (64, 64)),
        (lambda: ImageDiscriminator(1, (32, 32), filters=4), (32, 32)),
        (lambda: PyramidDiscriminator(1, image_size=(64, 64), filters=4), (64, 64)),
    ],
)
def test_networks_that_state_none_see_all_of_the_image(build, size):
    network = positive(build())
    assert network.receptive_field is None
    image = (torch.rand(1, 1, *size, dtype=torch.float64) + 0.1).requires_grad_()
    made = network(image)
    first = made.logits.flatten()[0] if isinstance(made, Verdict) else made.flatten()[0]  # the corner sees least
    (gradient,) = torch.autograd.grad(first, image)
    assert torch.count_nonzero(gradient) == gradient.numel()


def test_hidden_layers_see_what_the_tables_say():
    pan = PanDiscriminator(image_size=(64, 64), filters=8)
    assert [receptive_field(pan.hidden[:tap]) for tap in TAPS] == [3, 13, 29, 61]
    assert receptive_field([*pan.hidden, pan.last]) == 93
    fila = positive(FilaDiscriminator(1, image_size=(32, 256), filters=4))
    assert receptive_field(fila.hidden) == 94
    assert seen(lambda image: fila(image).features[-1], (32, 256), 1) == 94
    medgan = positive(PatchDiscriminator(1, filters=2, norm="none"))
    assert [receptive_field(medgan.hidden[:layers]) for layers in (1, 2)] == [4, 10]
    assert [seen(lambda image, at=at: medgan(image).features[at], (32, 64), 1) for at in (0, 1)] == [4, 10]


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
