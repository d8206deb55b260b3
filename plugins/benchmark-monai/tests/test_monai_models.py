"""What the networks are made of, which images they take, and what their loss counts."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from benchmark_monai import benchmark_models
from benchmark_monai.networks import Padded, ResidualBlock
from benchmark_monai.regression import masked_error
from monai.networks.nets import SwinUNETR, UNet

from benchmark import UsageError
from benchmark.cell.device import arrange
from benchmark.cell.step import make_stepper
from benchmark.contracts import options
from benchmark.contracts.protocols import Batch

SPECS = {spec.name: spec for spec in benchmark_models()}
SMALLER = {"swin-unetr": {"depths": (1, 1, 1, 1)}}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("size", [(64, 64), (63, 50), (33, 70), (40, 97)])
def test_images_of_any_size_come_back_as_large(make, batch, name, size):
    model = make(name, size=size, **SMALLER.get(name, {}))
    losses = model.training_step(batch(size))
    assert 0 < float(losses["pixel"]) < 10
    assert model.translate(batch(size).source).shape == (2, 1, *size)
    # volumes are translated by weights that were trained on another size
    assert model.translate(torch.zeros(1, 1, 71, 66)).shape == (1, 1, 71, 66)


@pytest.mark.parametrize(("name", "size"), [("resenc-unet", (8, 8)), ("monai-unet", (8, 9)), ("swin-unetr", (33, 5))])
def test_the_smallest_images_train(make, batch, name, size):
    model = make(name, size=size, **SMALLER.get(name, {}))
    assert torch.isfinite(model.training_step(batch(size))["pixel"])


@pytest.mark.parametrize(
    ("name", "size", "advice"),
    [
        ("resenc-unet", (7, 7), "use 8 pixels or more a side"),
        ("resenc-unet", (11, 5), "use 8 pixels or more a side"),
        ("resenc-unet", (1, 1), "use 8 pixels or more a side"),
        ("monai-unet", (64, 7), "use 8 pixels or more a side"),
        ("monai-unet", (2, 2), "use 8 pixels or more a side"),
        ("swin-unetr", (32, 32), "use more than 32 on a side"),
        ("swin-unetr", (8, 16), "use more than 32 on a side"),
    ],
)
def test_images_too_small_are_refused_with_their_size(make, name, size, advice):
    with pytest.raises(UsageError) as refusal:
        make(name, size=size)
    assert str(refusal.value).startswith(f"{name}: images of {size[0]}x{size[1]} pixels are too small: ")
    assert advice in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "option", "value", "said"),
    [
        ("resenc-unet", "blocks", (2, 0), "0 residual blocks"),
        ("resenc-unet", "background_weight", -0.5, "-0.5 is not a finite number"),
        ("monai-unet", "residual_units", -1, "-1 is less than 0"),
        ("monai-unet", "weight_decay", float("nan"), "nan is not a finite number"),
        ("swin-unetr", "depths", (2, 2), "give four numbers of blocks"),
        ("swin-unetr", "window", 1, "2 tokens wide or more"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(make, name, option, value, said):
    with pytest.raises(UsageError) as refusal:
        make(name, **{option: value})
    assert str(refusal.value).startswith(f"{name}.{option}: ")
    assert said in str(refusal.value)


def test_the_networks_are_monais_own_or_have_the_blocks_that_are_asked_for(make):
    for name, kind in (("monai-unet", UNet), ("swin-unetr", SwinUNETR)):
        assert type(make(name).generator.network) is kind
    encoder = make("resenc-unet", blocks=(1, 2, 3)).generator.network.encoder
    assert [len(stage) for stage in encoder] == [1, 2, 3, 3, 3]
    assert {type(block) for stage in encoder for block in stage} == {ResidualBlock}


def test_the_residual_encoder_follows_size_spacing_slices_and_filters(make):
    def parameters(**changes):
        return sum(weight.numel() for weight in make("resenc-unet", **changes).generator.parameters())

    usual = parameters()
    assert usual < parameters(size=(128, 128))
    assert usual < parameters(slices=1000)
    assert usual < parameters(recipe={"filters": 8})
    assert make("resenc-unet", spacing=(1.0, 4.0, 1.0)).generator.divisors == (8, 16)
    coarse_rows = make("resenc-unet", spacing=(1.0, 4.0, 1.0)).generator.network
    assert coarse_rows.stem.conv.weight.shape[-2:] == (1, 3)
    assert usual == parameters(spacing=(9.0, 0.5, 0.5)), "the distance of slices is no matter of a slice"


@pytest.mark.parametrize(("filters", "width"), [(4, 12), (16, 12), (20, 24), (32, 36), (64, 60)])
def test_the_swin_is_about_as_wide_as_the_recipe_says(make, filters, width):
    network = make("swin-unetr", recipe={"filters": filters}, depths=(1, 1, 1, 1)).generator.network
    assert network.swinViT.patch_embed.proj.out_channels == width


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 16), (5, 3)])
def test_padding_repeats_the_edge_and_is_cut_off(size):
    class Spy(torch.nn.Module):
        def forward(self, image):
            self.seen = image
            return image

    spy = Spy()
    image = torch.rand(2, 1, *size)
    assert torch.equal(Padded(spy, (4, 8))(image), image)
    assert spy.seen.shape[-2] % 4 == spy.seen.shape[-1] % 8 == 0
    assert {*spy.seen.unique().tolist()} == {*image.unique().tolist()}


def test_the_loss_is_the_mean_inside_and_outside_weighs_what_is_asked():
    image, target = torch.zeros(1, 1, 1, 4), torch.tensor([[[[1.0, 3.0, 10.0, 10.0]]]])
    region = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    assert float(masked_error(image, target, region, 0.0)) == 2.0
    assert float(masked_error(image, target, region, 1.0)) == 6.0
    assert float(masked_error(image, target, region, 0.5)) == pytest.approx((1 + 3 + 5 + 5) / 3)
    assert float(masked_error(image, target, torch.zeros_like(region), 0.0)) == 0.0


@pytest.mark.parametrize("background", [0.0, 0.5])
def test_what_is_outside_the_region_teaches_only_if_it_weighs(make, batch, background):
    one, other = make("resenc-unet", background_weight=background), make("resenc-unet", background_weight=background)
    usual = batch()
    one.training_step(usual)
    other.training_step(Batch(usual.source, torch.where(usual.mask > 0, usual.target, 1.0), usual.mask))
    same = all(torch.equal(a, b) for a, b in zip(one.generator.parameters(), other.generator.parameters(), strict=True))
    assert same == (background == 0)


def test_the_rate_falls_to_zero_over_the_last_part_of_the_budget(make, batch):
    model = make("monai-unet", steps=8, recipe={"learning_rate": 0.4, "decay_from": 0.5})
    rates = []
    for _ in range(9):
        rates.append(round(model.learning_rate(), 4))
        model.training_step(batch())
    assert rates == [0.4, 0.4, 0.4, 0.4, 0.4, 0.3, 0.2, 0.1, 0.0]


def test_translations_keep_to_the_range_and_leave_the_network_in_training(make):
    model = make("monai-unet")
    with torch.no_grad():
        for weight in model.generator.parameters():
            weight.mul_(30)
    output = model.translate(torch.rand(1, 1, 64, 64))
    assert float(output.abs().max()) == 1.0
    assert model.generator.training


@pytest.mark.parametrize("name", SPECS)
def test_training_in_bf16_falls_as_in_fp32(make, batch, name):
    """Its weights lie channels last, where some of torch's gradients and fused optimisers go wrong on a CPU."""
    losses = {}
    for precision in ("fp32", "bf16"):
        model = make(name, recipe={"learning_rate": 1e-3}, **SMALLER.get(name, {}))
        arrange(model.networks().values(), precision)
        step = make_stepper(model, torch.device("cpu"), precision).step
        losses[precision] = [step(batch())["pixel"] for _ in range(4)]
    assert losses["fp32"][-1] < 0.97 * losses["fp32"][0]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)


@pytest.mark.parametrize("name", SPECS)
def test_every_option_says_what_it_is_and_where_its_default_is_from(name):
    spec = SPECS[name]
    for field in dataclasses.fields(spec.options):
        assert field.metadata["help"], field.name
        assert field.metadata["source"], field.name
    for values in spec.presets.values():
        options.resolve(name, spec.options, values)
