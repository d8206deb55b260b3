"""Update rules, state, and behaviour of the trained models."""

from __future__ import annotations

import io
from functools import partial

import pytest
import torch
from benchmark_gans import benchmark_models, refusals
from benchmark_gans.pool import ImagePool

from benchmark import UsageError
from benchmark.contracts import options
from benchmark.contracts.protocols import Batch

TRAINED = [spec.name for spec in benchmark_models() if spec.kind == "trained" and spec.output == "translation"]
FEWER = {"medgan": {"blocks": 2}}
"""What a test that trains may leave out to be quick."""
PAIRED_GANS = ["medgan", "pix2pix", "pan", "id-cgan", "fila-sgan"]
TERMS = {
    "medgan": {
        "adversarial", "perceptual_pixel", "perceptual_1", "perceptual_2", "style", "content",
        "discriminator_real", "discriminator_fake",
    },
    "pix2pix": {"adversarial", "pixel", "discriminator_real", "discriminator_fake"},
    "pan": {"adversarial", "perceptual", "margin", "discriminator_real", "discriminator_fake"},
    "id-cgan": {"adversarial", "pixel", "content", "discriminator_real", "discriminator_fake"},
    "fila-sgan": {
        "adversarial", "pixel", "style", "content", "variation", "discriminator_real", "discriminator_fake",
    },
    "unet-l1": {"pixel"},
}  # fmt: skip


def weights(model):
    return {
        (name, key): value.clone()
        for name, network in model.networks().items()
        for key, value in network.state_dict().items()
    }


def train(model, batch, numbers):
    return [model.training_step(batch(number)) for number in numbers]


class Descents:
    """Notes which optimiser stepped, and which networks' tensors had changed after it."""

    def __init__(self, model, monkeypatch):
        self.order, self.changed = [], []
        descend = model.descend

        def noted(name, loss):
            before = weights(model)
            descend(name, loss)
            after = weights(model)
            self.order.append(name)
            self.changed.append({key[0] for key in before if not torch.equal(before[key], after[key])})

        monkeypatch.setattr(model, "descend", noted)


@pytest.mark.parametrize("name", TRAINED)
def test_every_network_learns_and_losses_are_finite_and_cut_loose(make, batch, name):
    model = make(name)
    before = weights(model)
    losses = model.training_step(batch())
    after = weights(model)
    assert {key[0] for key in before if not torch.equal(before[key], after[key])} == set(model.networks())
    assert all(torch.isfinite(value) and not value.requires_grad for value in losses.values())
    assert set(losses) == TERMS.get(name, set(losses))


@pytest.mark.parametrize("name", [*PAIRED_GANS, "two-stage"])
def test_each_update_changes_its_own_network_alone(make, batch, monkeypatch, name):
    model = make(name)
    seen = Descents(model, monkeypatch)
    model.training_step(batch())
    assert [{step} for step in seen.order] == seen.changed


def test_cyclegan_updates_both_generators_then_both_discriminators(make, batch, monkeypatch):
    model = make("cyclegan")
    seen = Descents(model, monkeypatch)
    model.training_step(batch())
    assert seen.order == ["generators", "discriminators"]
    assert seen.changed == [{"generator", "reverse"}, {"discriminator_target", "discriminator_source"}]


def test_medgan_takes_three_generator_steps_then_one_discriminator_step(make, batch, monkeypatch):
    model = make("medgan", blocks=2)
    seen = Descents(model, monkeypatch)
    train(model, batch, range(2))
    assert seen.order == ["generator", "generator", "generator", "discriminator"] * 2


@pytest.mark.parametrize("name", ["pix2pix", "pan", "id-cgan", "fila-sgan"])
def test_the_others_take_one_step_each(make, batch, monkeypatch, name):
    model = make(name)
    seen = Descents(model, monkeypatch)
    model.training_step(batch())
    assert sorted(seen.order) == ["discriminator", "generator"]


def test_the_discriminator_gets_no_gradient_from_the_generators_step(make, batch, monkeypatch):
    model = make("pix2pix")
    descend, gradients = model.descend, {}

    def noted(name, loss):
        if name == "generator":
            model.discriminator.zero_grad(set_to_none=True)
        descend(name, loss)
        gradients[name] = [parameter.grad is not None for parameter in model.discriminator.parameters()]

    monkeypatch.setattr(model, "descend", noted)
    model.training_step(batch())
    assert not any(gradients["generator"])
    assert all(gradients["discriminator"])
    assert all(parameter.requires_grad for parameter in model.discriminator.parameters())


def test_spectral_norm_is_on_every_layer_of_medgans_discriminator(make):
    with_norm, without = make("medgan", blocks=1), make("medgan", blocks=1, spectral_norm=False)
    layers = [*with_norm.discriminator.hidden, with_norm.discriminator.output]
    assert all(hasattr(layer, "parametrizations") for layer in layers)
    assert not any(hasattr(layer, "parametrizations") for layer in without.discriminator.modules())


def test_medgan_has_six_blocks_and_the_others_one(make):
    assert len(make("medgan").generator.blocks) == 6
    for name in ("pix2pix", "pan", "id-cgan", "fila-sgan", "unet-l1"):
        assert len(make(name).generator.blocks) == 1
    assert len(make("pix2pix", blocks=2).generator.blocks) == 2


@pytest.mark.parametrize("name", [*PAIRED_GANS, "cyclegan"])
def test_without_adversarial_weight_there_is_no_discriminator(make, batch, monkeypatch, name):
    if name == "pan":
        with pytest.raises(UsageError, match=r"pan\.adversarial_weight"):
            make(name, adversarial_weight=0.0)
        return
    model, with_adversary = make(name, adversarial_weight=0.0), make(name)
    assert not any("discriminator" in key for key in model.networks())
    before, seen = weights(model), Descents(model, monkeypatch)
    terms = set(model.training_step(batch()))
    assert terms == {
        term for term in with_adversary.training_step(batch())
        if "discriminator" not in term and "adversarial" not in term and term not in ("perceptual_1", "perceptual_2")
    }  # fmt: skip
    assert set().union(*seen.changed) == set(model.networks())
    assert {key for key in weights(with_adversary) if key[0].startswith(("generator", "reverse"))} == set(before)


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_the_adversarial_weight_scales_the_generators_term_alone(make, batch, weight):
    losses, whole = (make("pix2pix", adversarial_weight=value).training_step(batch()) for value in (weight, 1.0))
    torch.testing.assert_close(losses["adversarial"], weight * whole["adversarial"])
    for term in ("pixel", "discriminator_real", "discriminator_fake"):
        assert torch.equal(losses[term], whole[term])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("pix2pix", {"adversarial_weight": 0.0, "pixel_weight": 0.0}),
        ("id-cgan", {"adversarial_weight": 0.0, "pixel_weight": 0.0, "content_weight": 0.0}),
        ("medgan", {"adversarial_weight": 0.0, "perceptual_layers": (0.0, 1.0, 1.0), "style_weight": 0.0,
                    "content_weight": 0.0}),
        ("fila-sgan", {"adversarial_weight": 0.0, "pixel_weight": 0.0, "style_weight": 0.0, "content_weight": 0.0}),
        ("cyclegan", {"adversarial_weight": 0.0, "cycle_weight": 0.0}),
    ],
)  # fmt: skip
def test_nothing_to_learn_from_is_refused(make, name, settings):
    with pytest.raises(UsageError, match="nothing to learn from"):
        make(name, **settings)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("pix2pix", {"pixel_weight": -1.0}, r"pix2pix\.pixel_weight: -1"),
        ("pix2pix", {"pixel_weight": float("nan")}, r"pix2pix\.pixel_weight: nan"),
        ("medgan", {"content_layers": (1.0, 1.0, -2.0, 1.0)}, r"medgan\.content_layers: -2"),
        ("medgan", {"blocks": 0}, r"medgan\.blocks: 0"),
        ("pan", {"margin": float("inf")}, r"pan\.margin: inf"),
        ("id-cgan", {"dropout": 1.0}, r"id-cgan\.dropout: 1"),
        ("cyclegan", {"pool_size": -1}, r"cyclegan\.pool_size: -1"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(make, name, settings, message):
    with pytest.raises(UsageError, match=message):
        make(name, **settings)


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("pix2pix", "protocol"), ("pix2pix", "authors"), ("id-cgan", "authors"), ("cyclegan", "authors")],
)
def test_images_too_small_for_the_discriminator_are_refused(make, name, architecture):
    with pytest.raises(UsageError, match=f"{name}: its {architecture} networks .*16x16.*larger images"):
        make(name, (16, 16), patch=70, architecture=architecture)


def test_rehearsing_leaves_the_random_state_alone(make):
    """The weights must not depend on it."""
    model = make("fila-sgan", architecture="authors")
    random = torch.get_rng_state()
    refusals.rehearse("x", model.build_networks, model.options, model.context, model.pass_once)
    assert torch.equal(random, torch.get_rng_state())


@pytest.mark.parametrize("style_weight", [0.0, 10.0])
def test_features_are_loaded_only_where_a_loss_wants_them(make, style_weight):
    model = make("fila-sgan", style_weight=style_weight, content_weight=0.0)
    assert (model.extractor is None) == (style_weight == 0)
    assert bool(model.provenance()) == (style_weight > 0)
    assert make("medgan", style_weight=0.0, content_weight=0.0).provenance() == {}


@pytest.mark.parametrize("name", TRAINED)
def test_same_seed_same_weights_other_seed_other_weights(make, batch, name):
    models = [make(name, seed=seed, **FEWER.get(name, {})) for seed in (1, 1, 2)]
    for model in models:
        model.training_step(batch())
    first, second, third = map(weights, models)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], third[key]) for key in first)


@pytest.mark.parametrize("name", TRAINED)
def test_resumed_training_is_bit_identical(make, batch, name):
    settings = {"cyclegan": {"pool_size": 3}, "two-stage": {}}.get(name, {"dropout": 0.5, **FEWER.get(name, {})})
    whole = make(name, recipe={"decay_from": 0.25}, steps=4, **settings)
    torch.manual_seed(7)
    train(whole, batch, range(4))

    half = make(name, recipe={"decay_from": 0.25}, steps=4, **settings)
    torch.manual_seed(7)
    train(half, batch, range(2))
    file = io.BytesIO()
    torch.save({"model": half.state_dict(), "random": torch.get_rng_state()}, file)
    train(half, batch, range(2, 4))  # the saved state must not move with the model

    stored = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    resumed = make(name, seed=99, recipe={"decay_from": 0.25}, steps=4, **settings)
    resumed.load_state_dict(stored["model"])
    torch.set_rng_state(stored["random"])
    train(resumed, batch, range(2, 4))

    expected, got = weights(whole), weights(resumed)
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert torch.equal(whole.translate(batch(9).source), resumed.translate(batch(9).source))


@pytest.mark.parametrize("name", TRAINED)
def test_translate_changes_nothing(make, batch, name):
    model = make(name)
    model.training_step(batch())
    source = batch(5).source
    kept, before, random = source.clone(), weights(model), torch.get_rng_state()
    first, second = model.translate(source), model.translate(source)
    assert first.shape == source.shape
    assert not first.requires_grad
    assert first.abs().max() <= 1
    assert torch.equal(first, second)
    assert torch.equal(source, kept)
    assert torch.equal(random, torch.get_rng_state())
    after = weights(model)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(network.training for network in model.networks().values())


@pytest.mark.parametrize("name", TRAINED)
def test_a_slice_is_translated_alike_alone_and_in_a_batch(make, batch, name):
    model = make(name)
    source = batch(5).source
    torch.testing.assert_close(model.translate(source[:1]), model.translate(source)[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_networks_that_translate_are_called_generator(make, batch, monkeypatch, name):
    model = make(name)
    used = set()
    for key, network in model.networks().items():
        network.register_forward_hook(lambda *_, key=key: used.add(key))
    model.translate(batch().source)
    assert used == {key for key in model.networks() if key.startswith("generator")}


def test_learning_rate_decays_linearly_to_zero(make, batch):
    model = make("unet-l1", steps=8, recipe={"learning_rate": 1.0, "decay_from": 0.5})
    rates = []
    for _ in range(8):
        rates.append(model.learning_rate())
        model.steps_done += 1
    assert rates == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    assert model.learning_rate() == 0.0
    steady = make("unet-l1", steps=8, recipe={"learning_rate": 1.0})
    steady.steps_done = 8
    assert steady.learning_rate() == 1.0


def test_the_decayed_rate_reaches_the_optimiser(make, batch):
    model = make("unet-l1", steps=2, recipe={"decay_from": 0.0})
    model.steps_done = 2
    before = weights(model)
    model.training_step(batch())
    after = weights(model)
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", sorted(set(TRAINED) - {"cyclegan"}))
def test_odd_image_sizes_are_refused_by_name(make, name):
    with pytest.raises(UsageError, match="100x100"):
        make(name, (100, 100))


def test_cyclegan_needs_sides_that_halve_twice(make, batch):
    model = make("cyclegan", (36, 44))
    assert model.translate(batch(0, (36, 44)).source).shape == (2, 1, 36, 44)
    with pytest.raises(UsageError, match="50x50"):
        make("cyclegan", (50, 50))


def test_models_work_at_batch_one_and_on_rectangles(make, batch):
    for name in TRAINED:
        model = make(name, (32, 48))
        model.training_step(batch(0, (32, 48), images=1))
        assert model.translate(batch(1, (32, 48), images=3).source).shape == (3, 1, 32, 48)


@pytest.mark.parametrize("name", sorted(set(TRAINED) - {"cyclegan"}))
def test_a_few_steps_bring_the_translation_nearer(make, name):
    recipe = {"learning_rate": 4e-3, "filters": 8, "discriminator_filters": 8}
    model = make(name, recipe=recipe, steps=40, **FEWER.get(name, {}))
    random = torch.Generator().manual_seed(3)
    coarse = torch.rand(4, 1, 4, 4, generator=random)
    source = torch.nn.functional.interpolate(coarse, (32, 32), mode="bicubic").clamp(0, 1) * 2 - 1
    target = torch.where(source > 0, 0.3, -0.9)
    before = (model.translate(source) - target).abs().mean()
    for _ in range(15 if name == "medgan" else 40):
        model.training_step(Batch(source, target, torch.ones_like(target)))
    assert (model.translate(source) - target).abs().mean() < 0.6 * before


def test_cyclegan_without_identity_loss_runs_its_generators_on_one_kind_alone(make, batch):
    model = make("cyclegan", identity=0.0)
    sizes = []
    model.generator.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    losses = model.training_step(batch())
    assert sizes == [2, 2]
    assert "identity" not in losses


def test_pan_has_no_pixel_term_and_keeps_the_margin(make, batch):
    model = make("pan", margin=1000.0)
    losses = model.training_step(batch())
    assert 900 < losses["margin"] < 1000
    assert make("pan", margin=0.0).training_step(batch())["margin"] == 0
    with pytest.raises(UsageError, match="2 weights"):
        make("pan", perceptual_layers=(1.0, 1.0, 1.0))


def test_pan_with_the_larger_patch_has_more_hidden_layers(make, batch):
    model = make("pan", patch=34, perceptual_layers=(1.0, 1.0, 1.0))
    assert set(model.training_step(batch())) == TERMS["pan"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("perceptual_layers", (1.0,)), ("style_layers", (1.0,)), ("content_layers", (1.0,)), ("generator_steps", 0)],
)
def test_medgan_refuses_wrong_weight_lists(make, setting, value):
    with pytest.raises(UsageError, match=setting):
        make("medgan", **{setting: value})


def test_medgan_weights_scale_its_terms(make, batch):
    single = make("medgan", blocks=1, generator_steps=1).training_step(batch())
    double = make(
        "medgan", blocks=1, generator_steps=1, perceptual_weight=40.0, style_weight=2e-4, content_weight=2e-4
    ).training_step(batch())
    for term in ("perceptual_pixel", "perceptual_1", "perceptual_2", "style", "content"):
        torch.testing.assert_close(double[term], 2 * single[term])
    torch.testing.assert_close(double["adversarial"], single["adversarial"])


def test_fila_sgan_takes_the_style_of_the_image_it_is_told(make, batch):
    pair = batch()
    same = Batch(pair.target, pair.target, pair.mask)
    from_source = make("fila-sgan").training_step(pair)["style"]
    from_target = make("fila-sgan", style_image="target").training_step(pair)["style"]
    assert from_source != from_target
    assert (
        make("fila-sgan").training_step(same)["style"]
        == make("fila-sgan", style_image="target").training_step(same)["style"]
    )


def test_cyclegan_learns_from_unrelated_images(make, batch):
    """Pairing must not matter: the losses are sums over each side alone."""
    model, twin = (make("cyclegan", pool_size=0, identity=0.5) for _ in range(2))
    pair = batch()
    swapped = Batch(pair.source, pair.target.flip(0), pair.mask)
    first, second = model.training_step(pair), twin.training_step(swapped)
    for term in first:
        torch.testing.assert_close(first[term], second[term], rtol=1e-4, atol=1e-6)


def test_cyclegan_has_six_blocks_up_to_128_pixels_and_nine_above(make):
    def blocks(size):
        model = make("cyclegan", size, residual_blocks=0, recipe={"filters": 2, "discriminator_filters": 2})
        return sum("ResidualBlock" in type(layer).__name__ for layer in model.generator.layers)

    assert blocks((128, 128)) == 6
    assert blocks((256, 256)) == 9


def test_the_pool_returns_new_images_while_it_fills_then_half_the_time_older_ones():
    torch.manual_seed(0)
    pool = ImagePool(50)
    fresh = torch.arange(50.0).view(50, 1, 1, 1)
    assert torch.equal(pool.exchange(fresh), fresh)
    older = 0
    for number in range(50, 1050):
        image = torch.full((1, 1, 1, 1), float(number))
        returned = pool.exchange(image)
        older += int(returned.item() != number)
        stored = {int(held.item()) for held in pool.images}
        assert len(pool.images) == 50
        assert (number in stored) == (returned.item() != number)
        assert int(returned.item()) not in stored or returned.item() == number
    assert 430 < older < 570


def test_the_pool_does_not_follow_later_changes_of_its_images():
    pool = ImagePool(2)
    image = torch.zeros(1, 1, 2, 2)
    pool.exchange(image)
    image += 1
    assert not pool.images[0].any()


def test_an_empty_pool_hands_images_straight_back():
    image = torch.rand(2, 1, 4, 4)
    assert ImagePool(0).exchange(image) is image


@pytest.mark.parametrize("name", ["medgan", "id-cgan", "fila-sgan"])
def test_provenance_names_the_features(make, name):
    assert make(name).provenance()["features"].startswith("embedded sha256:")


@pytest.mark.parametrize("name", TRAINED)
def test_a_step_under_bf16_autocast_is_finite(make, batch, name):
    model = make(name)
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.training_step(batch())
    assert all(torch.isfinite(value) for value in losses.values())


@pytest.mark.parametrize("name", [*PAIRED_GANS, "pix2pix-gdl"])
def test_a_least_squares_adversary_judges_by_distance_from_one_and_zero(make, batch, name):
    """The terms of the first step are those of Mao et al. 2017, Eq. 9, of the very logits that were given."""
    model = make(name, adversarial="least-squares")
    logits = []
    discriminator = getattr(model, "gans", [model])[0].discriminator
    discriminator.register_forward_hook(lambda _, __, verdict: logits.append(verdict.logits.detach()))
    losses = model.training_step(batch())
    for term, wanted in (("discriminator_real", 1.0), ("discriminator_fake", 0.0), ("adversarial", 1.0)):
        distances = [float((each - wanted).square().mean()) for each in logits]
        assert min(abs(float(losses[term]) - distance) for distance in distances) < 1e-6


def test_pix2pix_weighs_pixels_by_ten_beside_a_least_squares_adversary_unless_told_otherwise():
    spec = next(spec for spec in benchmark_models() if spec.name == "pix2pix")
    resolve = partial(options.resolve, "pix2pix", spec.options)
    assert resolve({})["pixel_weight"] == 100.0
    assert resolve({"adversarial": "least-squares"})["pixel_weight"] == 10.0
    assert resolve({"adversarial": "least-squares", "pixel_weight": 100.0})["pixel_weight"] == 100.0


def test_pan_has_no_saturating_form_of_least_squares(make):
    with pytest.raises(UsageError, match=r"pan\.saturating: least squares do not saturate"):
        make("pan", adversarial="least-squares", saturating=True)
