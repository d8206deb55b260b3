"""Loss terms against values worked out by hand and golden numbers from the formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from benchmark_gans import losses

SHAPES = ((1, 8, 32, 32), (1, 16, 16, 16), (1, 32, 8, 8))


@pytest.fixture
def features(golden):
    """The three feature tensors of the golden records, made and wanted, float64."""
    settings = golden.case("gram")["f1: trace of it"]["settings"]

    def tensors(constants):
        return [2 * golden.image(shape, constants).double().clamp(min=-0.2) for shape in SHAPES]

    return tensors(settings["input"]), tensors(settings["target"])


@pytest.fixture
def images(golden):
    """The two images of the golden records for pixel losses, float64."""
    settings = golden.case("pixel")["L1 (mean absolute difference)"]["settings"]
    shape = tuple(settings["shape"])
    return tuple(golden.image(shape, settings[name]).double() for name in ("input", "target"))


def agrees(record, value):
    np.testing.assert_allclose(value, record["value_float64"], rtol=0, atol=max(record["atol_float64"], 1e-14))


@pytest.mark.parametrize("case", ["map30", "map126", "single"])
def test_adversarial_losses_match_the_reference(golden, case):
    for kind, real, fake in (
        ("vanilla", losses.judged_real, losses.judged_fake),
        ("lsgan", losses.judged_real_lsgan, losses.judged_fake_lsgan),
    ):
        records = golden.case(f"ganloss_{kind}_{case}")
        settings = records["target real"]["settings"]
        logits = settings["factor"] * golden.image(tuple(settings["shape"]), settings["input"]).double()
        agrees(records["target real"], real(logits).item())
        agrees(records["target fake"], fake(logits).item())


def test_adversarial_losses_by_hand():
    logits = torch.tensor([[0.0, math.log(3.0)]], dtype=torch.float64)
    assert losses.judged_real(logits).item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert losses.judged_fake(logits).item() == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert losses.judged_real_lsgan(torch.tensor([0.0, 3.0])).item() == pytest.approx(2.5)
    assert losses.judged_fake_lsgan(torch.tensor([0.0, 3.0])).item() == pytest.approx(4.5)


def test_generator_loss_does_not_saturate():
    logits = torch.tensor([-20.0], requires_grad=True)
    losses.judged_real(logits).backward()
    assert logits.grad.item() == pytest.approx(-1.0, abs=1e-6)


def test_gram_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    # positions (1, 3) and (2, 4); h*w*d = 1*2*2
    expected = torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4
    torch.testing.assert_close(losses.gram(features), expected)


def test_gram_matches_golden(golden, features):
    records = golden.case("gram")
    made, _ = features
    for name, tensor in zip(("f1", "f2", "f3"), made, strict=True):
        matrix = losses.gram(tensor)[0]
        for quantity, record in records.items():
            if quantity.startswith(f"{name}: Gram"):
                agrees(record, matrix.sum().item())
            elif quantity.startswith(f"{name}: trace"):
                agrees(record, matrix.trace().item())
            elif quantity.startswith(f"{name}: entries"):
                places = [int(place) for place in quantity.rsplit(" ", 1)[1].split(",")]
                agrees(record, matrix.flatten()[places].numpy())


def test_style_and_content_match_golden(golden, features):
    made, wanted = features
    medgan_style = list(golden.case("style_medgan").values())
    medgan_content = list(golden.case("content_medgan").values())
    fila_style = list(golden.case("style_filagan").values())
    fila_content = list(golden.case("content_filagan").values())
    for place in range(3):
        a, b = made[place : place + 1], wanted[place : place + 1]
        agrees(medgan_style[place], losses.style(a, b, [1.0]).item())
        agrees(medgan_content[place], losses.content(a, b, [1.0]).item())
        agrees(fila_style[place], losses.style_absolute(a, b).item())
        agrees(fila_content[place], losses.content_absolute(a, b).item())
    agrees(medgan_style[3], losses.style(made, wanted, [1.0] * 3).item())
    agrees(medgan_content[3], losses.content(made, wanted, [1.0] * 3).item())
    agrees(fila_style[3], losses.style_absolute(made, wanted).item())


def test_layer_weights_and_batch_mean(features):
    made, wanted = features
    parts = [losses.style([a], [b], [1.0]).item() for a, b in zip(made, wanted, strict=True)]
    assert losses.style(made, wanted, [2.0, 0.0, 1.0]).item() == pytest.approx(2 * parts[0] + parts[2])
    doubled = [torch.cat([tensor, tensor]) for tensor in made], [torch.cat([tensor, tensor]) for tensor in wanted]
    assert losses.style(*doubled, [1.0] * 3).item() == pytest.approx(sum(parts))


def test_perceptual_and_margin_match_golden(golden, features):
    made, wanted = features
    records = golden.case("perceptual")
    settings = golden.case("medgan_total")[next(iter(golden.case("medgan_total")))]["settings"]
    pixels = [golden.image((1, 1, 64, 64), settings[name]).double() for name in ("input", "target")]
    with_pixels = [pixels[0], *made[:2]], [pixels[1], *wanted[:2]]
    for name, a, b in zip(("f1", "f2", "f3"), made, wanted, strict=True):
        (record,) = (record for quantity, record in records.items() if quantity.startswith(name))
        agrees(record, losses.perceptual([a], [b], [1.0]).item())
    agrees(records["pixel term P0"], losses.perceptual([pixels[0]], [pixels[1]], [1.0]).item())
    agrees(records["MedGAN Eq. 7 with weights 1 for P0, f1, f2"], losses.perceptual(*with_pixels, [1.0] * 3).item())
    agrees(records["the same with weights 0.5, 1, 2"], losses.perceptual(*with_pixels, [0.5, 1.0, 2.0]).item())
    agrees(records["without pixel term, weights 1, 1"], losses.perceptual(made[:2], wanted[:2], [1.0, 1.0]).item())
    distance = losses.perceptual(made, wanted, [5.0, 1.5, 1.5])
    for record, margin in zip(golden.case("pan_margin").values(), (0.5, 3.0, 20.0), strict=True):
        agrees(record, losses.shortfall(distance, margin).item())


def test_the_whole_medgan_objective_matches_golden(golden, features):
    made, wanted = features
    (record,) = golden.case("medgan_total").values()
    settings = record["settings"]
    pixels = [golden.image((1, 1, 64, 64), settings[name]).double() for name in ("input", "target")]
    logits = 3 * golden.image((1, 1, 30, 30), settings["input"]).double()
    total = (
        losses.judged_real(logits)
        + 20 * losses.perceptual([pixels[0], *made[:2]], [pixels[1], *wanted[:2]], [1.0] * 3)
        + 1e-4 * losses.style([made[0], made[2]], [wanted[0], wanted[2]], [1.0] * 2)
        + 1e-4 * losses.content(made, wanted, [1.0] * 3)
    )
    agrees(record, total.item())


def test_total_variation_matches_golden(golden, images):
    image, _ = images
    plain, masked = golden.case("total_variation").values()
    agrees(plain, losses.total_variation(image).item())
    place = torch.arange(64, dtype=torch.float64) - 31.5
    disc = (place[:, None] ** 2 + place[None] ** 2 <= 28**2).double()
    agrees(masked, losses.total_variation(image, disc).item())


def test_total_variation_by_hand():
    image = torch.tensor([[[[0.0, 1.0], [3.0, 3.0]]]])
    # along rows |3-0|, |3-1|; along columns |1-0|, |3-3|
    assert losses.total_variation(image).item() == pytest.approx(2.5 + 0.5)
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert losses.total_variation(image, mask).item() == pytest.approx(0.5 + 0.5)


def test_gradient_difference_matches_golden(golden, images):
    made, wanted = images
    flat_sum, flat_mean, volume_sum, volume_mean = golden.case("gradient_difference").values()
    agrees(flat_sum, losses.gradient_difference(made, wanted, "sum").item())
    agrees(flat_mean, losses.gradient_difference(made, wanted).item())
    settings = flat_sum["settings"]
    place = torch.arange(16, dtype=torch.float64)

    def volume(constants, shift):
        rows = torch.sin(3 * constants["ah"] * place + shift)[:, None, None]
        columns = torch.cos(2 * constants["aw"] * place)[None, :, None]
        return (rows * columns * torch.sin(0.09 * place + 0.4))[None, None]

    pair = volume(settings["input"], 0.1), volume(settings["target"], 0.6)
    agrees(volume_sum, losses.gradient_difference(*pair, "sum").item())
    agrees(volume_mean, losses.gradient_difference(*pair).item())


def test_gradient_difference_by_hand():
    made = torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])
    wanted = torch.tensor([[[[0.0, -3.0], [0.0, 0.0]]]])
    # rows: |wanted| 0, 3 against |made| 1, 1; columns: 3, 0 against 1, 1
    assert losses.gradient_difference(made, wanted, "sum").item() == pytest.approx(1 + 4 + 4 + 1)
    assert losses.gradient_difference(made, wanted).item() == pytest.approx(2.5 + 2.5)


def test_pixel_losses_match_golden(golden, images):
    absolute, squared = golden.case("pixel").values()
    agrees(absolute, losses.perceptual([images[0]], [images[1]], [1.0]).item())
    agrees(squared, losses.content([images[0]], [images[1]], [1.0]).item())


def test_style_content_perceptual_and_margin_by_hand():
    made = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
    wanted = torch.zeros_like(made)
    # the Gram matrix is diag(1, 4) / (1 * 2 * 2)
    assert losses.style([made], [wanted], [3.0]).item() == pytest.approx(3 * (0.25**2 + 1) / (4 * 2**2))
    assert losses.style_absolute([made], [wanted]).item() == pytest.approx(1.25 / 4)
    assert losses.content([made], [wanted], [2.0]).item() == pytest.approx(2 * 5 / 4)
    assert losses.content_absolute([made], [wanted]).item() == pytest.approx(3 / 4)
    terms = losses.perceptual_terms([made, made], [wanted, made], [2.0, 1.0])
    assert [term.item() for term in terms] == pytest.approx([1.5, 0.0])
    assert losses.perceptual([made, made], [wanted, made], [2.0, 1.0]).item() == pytest.approx(1.5)
    assert losses.shortfall(torch.tensor(0.75), 3.0).item() == pytest.approx(2.25)
    assert losses.shortfall(torch.tensor(3.5), 3.0).item() == 0.0


def test_gram_stays_in_float32_under_bf16():
    features = torch.full((1, 2, 64, 64), 1.001)
    with torch.autocast("cpu", torch.bfloat16):
        assert losses.gram(features).dtype == torch.float32
        assert losses.gram(features.bfloat16()).dtype == torch.float32
