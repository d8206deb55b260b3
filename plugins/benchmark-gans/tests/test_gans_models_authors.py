"""Each paper's own system: its networks, losses, weights, update rule and optimisers; and CycleGAN in the protocol."""

from __future__ import annotations

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from benchmark_gans import benchmark_models, losses
from benchmark_gans.networks.fila_sgan import BatchStatistics, FilaDiscriminator, FilaGenerator
from benchmark_gans.networks.id_cgan import DenseGenerator, FullResolutionGenerator, PyramidDiscriminator
from benchmark_gans.networks.pan import PanDiscriminator, PanGenerator
from benchmark_gans.networks.ublock import CasNet, UBlock
from torch import nn

from benchmark import UsageError
from benchmark.contracts import options

SYSTEMS = {
    "medgan": ("medgan", "authors", (32, 32)),
    "pix2pix": ("pix2pix", "authors", (32, 32)),
    "pan": ("pan", "authors", (64, 64)),
    "id-cgan": ("id-cgan", "authors", (32, 32)),
    "id-cgan-journal": ("id-cgan", "authors-journal", (32, 32)),
    "fila-sgan": ("fila-sgan", "authors", (32, 32)),
    "cyclegan-protocol": ("cyclegan", "protocol", (32, 32)),
}
NETWORKS = {
    "medgan": CasNet,
    "pix2pix": UBlock,
    "pan": (PanGenerator, PanDiscriminator),
    "id-cgan": FullResolutionGenerator,
    "id-cgan-journal": (DenseGenerator, PyramidDiscriminator),
    "fila-sgan": (FilaGenerator, FilaDiscriminator),
    "cyclegan-protocol": CasNet,
}
TERMS = {
    "medgan": {"adversarial", "perceptual_pixel", "perceptual_1", "perceptual_2", "style", "content"},
    "pix2pix": {"adversarial", "pixel"},
    "pan": {"adversarial", "perceptual", "margin"},
    "id-cgan": {"adversarial", "pixel", "content"},
    "id-cgan-journal": {"adversarial", "pixel", "content"},
    "fila-sgan": {"adversarial", "style", "content", "variation"},
    "cyclegan-protocol": {"adversarial_target", "adversarial_source", "cycle"},
}
ORDER = {
    "medgan": ["generator"] * 3 + ["discriminator"],
    "fila-sgan": ["discriminator", "generator", "generator"],
    "cyclegan-protocol": ["generators", "discriminators"],
}


@pytest.fixture
def build(make):
    """``build(system, seed=0, **options)``: a small model of one of ``SYSTEMS``."""

    def built(system, **settings):
        name, architecture, size = SYSTEMS[system]
        if name == "medgan":
            settings = {"blocks": 2, **settings}
        return make(name, size, architecture=architecture, **settings)

    return built


@pytest.fixture
def pair(batch):
    """``pair(system, number)``: a batch of the system's image size."""
    return lambda system, number=0: batch(number, SYSTEMS[system][2])


def weights(model):
    return {
        (name, key): value.clone()
        for name, network in model.networks().items()
        for key, value in network.state_dict().items()
    }


def parameters(model):
    return {
        (name, key): value.detach().clone()
        for name, network in model.networks().items()
        for key, value in network.named_parameters()
    }


@pytest.mark.parametrize("system", SYSTEMS)
def test_networks_are_the_papers(build, system):
    wanted = NETWORKS[system] if isinstance(NETWORKS[system], tuple) else (NETWORKS[system],)
    found = list(build(system).networks().values())
    assert all(isinstance(network, kind) for kind, network in zip(wanted, found, strict=False))


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_step_updates_each_network_in_its_turn_and_no_other(build, pair, monkeypatch, system):
    model = build(system)
    order, changed, descend = [], [], model.descend

    def noted(name, loss):
        before = parameters(model)
        descend(name, loss)
        order.append(name)
        changed.append({key[0] for key, value in parameters(model).items() if not torch.equal(before[key], value)})

    monkeypatch.setattr(model, "descend", noted)
    terms = model.training_step(pair(system))
    assert order == ORDER.get(system, ["discriminator", "generator"])
    owned = {
        "generators": {"generator", "reverse"},
        "discriminators": {"discriminator_target", "discriminator_source"},
    }
    assert changed == [owned.get(name, {name}) for name in order]
    assert {term for term in terms if "discriminator" not in term} == TERMS[system]
    assert {term for term in terms if "discriminator" in term}
    assert all(torch.isfinite(value) and not value.requires_grad for value in terms.values())


@pytest.mark.parametrize("system", SYSTEMS)
def test_gradients_reach_the_network_that_learns_and_no_other(build, pair, monkeypatch, system):
    model = build(system)
    descend, reached = model.descend, []

    def noted(name, loss):
        for network in model.networks().values():
            network.zero_grad(set_to_none=True)
        descend(name, loss)
        reached.append(
            (
                name,
                {key[0] for key, network in grads(model).items() if network},
                missing(model, model._optimisers[name]),
            )
        )

    def grads(model):
        return {
            (name, key): value.grad is not None
            for name, network in model.networks().items()
            for key, value in network.named_parameters()
        }

    def missing(model, optimiser):
        return [value.shape for group in optimiser.param_groups for value in group["params"] if value.grad is None]

    monkeypatch.setattr(model, "descend", noted)
    model.training_step(pair(system))
    for name, networks, without in reached:
        assert all(network.startswith(name.rstrip("s")) or network == "reverse" for network in networks), name
        assert without == [], name


@pytest.mark.parametrize("system", SYSTEMS)
def test_training_is_bit_identical_from_one_seed_and_after_resume(build, pair, system):
    settings = {"recipe": {"decay_from": 0.25}, "steps": 4}
    if system == "cyclegan-protocol":
        settings["pool_size"] = 3
    whole = build(system, **settings)
    torch.manual_seed(7)
    for number in range(4):
        whole.training_step(pair(system, number))

    half = build(system, **settings)
    torch.manual_seed(7)
    for number in range(2):
        half.training_step(pair(system, number))
    file = io.BytesIO()
    torch.save({"model": half.state_dict(), "random": torch.get_rng_state()}, file)
    half.training_step(pair(system, 3))  # the saved state must not move with the model

    stored = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    resumed = build(system, seed=99, **settings)
    resumed.load_state_dict(stored["model"])
    torch.set_rng_state(stored["random"])
    for number in range(2, 4):
        resumed.training_step(pair(system, number))
    expected, got = weights(whole), weights(resumed)
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    source = pair(system, 9).source
    assert torch.equal(whole.translate(source), resumed.translate(source))


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_translation_changes_nothing_and_does_not_depend_on_its_batch(build, pair, system):
    model = build(system)
    model.training_step(pair(system))
    source = pair(system, 5).source
    kept, before, random = source.clone(), weights(model), torch.get_rng_state()
    first, second = model.translate(source), model.translate(source)
    assert torch.equal(first, second)
    assert first.shape == source.shape
    assert first.abs().max() <= 1
    assert not first.requires_grad
    assert torch.equal(source, kept)
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(before[key], value) for key, value in weights(model).items())
    assert all(network.training for network in model.networks().values())
    torch.testing.assert_close(model.translate(source[1:]), first[1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("system", sorted(set(SYSTEMS) - {"pan"}))
def test_the_adversary_can_be_left_out(build, pair, system):
    model = build(system, adversarial_weight=0.0)
    assert not any("discriminator" in name for name in model.networks())
    terms = model.training_step(pair(system))
    assert not any("discriminator" in term or "adversarial" in term for term in terms)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_step_under_bf16_autocast_is_finite(build, pair, system):
    model = build(system)
    with torch.autocast("cpu", torch.bfloat16):
        terms = model.training_step(pair(system))
    assert all(torch.isfinite(value) for value in terms.values())


# -- defaults that follow the architecture


def resolved(name, architecture):
    spec = next(spec for spec in benchmark_models() if spec.name == name)
    return options.resolve(name, spec.options, {"architecture": architecture})


def test_published_weights_and_update_rules_are_the_authors_defaults():
    pan = resolved("pan", "authors")
    assert (pan["perceptual_layers"], pan["perceptual_weight"], pan["margin"]) == ([5.0, 1.5, 1.5, 1.0], 1.0, 3.0)
    assert not pan["conditional"]
    assert pan["saturating"]
    released, journal = resolved("id-cgan", "authors"), resolved("id-cgan", "authors-journal")
    weights = ("adversarial_weight", "pixel_weight", "content_weight")
    assert [released[name] for name in weights] == [1.0, 150.0, 150.0]
    assert [journal[name] for name in weights] == [6.6e-3, 1.0, 1.0]
    assert released["features"] == journal["features"] == "vgg16"
    assert released["content_layers"] == journal["content_layers"] == ["conv2_2"]
    assert (released["content_distance"], journal["content_distance"]) == ("l1", "l2")
    fila = resolved("fila-sgan", "authors")
    weights = ("adversarial_weight", "style_weight", "content_weight", "variation_weight", "pixel_weight")
    assert [fila[name] for name in weights] == [1.0, 10.0, 1.0, 100.0, 0.0]
    assert (fila["generator_steps"], fila["discriminator_optimiser"], fila["discriminator_rate"]) == (2, "sgd", 0.4)
    assert (fila["feature_range"], fila["noise"], fila["style_image"]) == ("byte", 0.001, "first")
    pix2pix = resolved("pix2pix", "authors")
    assert (pix2pix["dropout"], pix2pix["patch"], pix2pix["pixel_weight"]) == (0.5, 70, 100.0)
    assert (resolved("cyclegan", "authors")["patch"], resolved("cyclegan", "protocol")["patch"]) == (70, 16)


def test_the_dataclasses_own_defaults_agree_with_their_architecture():
    """Whoever builds options without the harness gets the same system."""
    for spec in benchmark_models():
        if spec.options is not None:
            assert options.resolve(spec.name, spec.options) == {
                name: options.plain(value) for name, value in vars(spec.options()).items()
            }


@pytest.mark.parametrize("name", ["medgan", "pix2pix", "pan", "id-cgan", "fila-sgan"])
def test_the_protocol_is_the_default_of_the_comparison_and_shares_its_networks(make, name):
    model = make(name)
    assert model.options.architecture == "protocol"
    assert isinstance(model.generator, CasNet)
    assert model.discriminator.receptive_field == 16


def test_cyclegan_has_its_own_networks_by_default(make):
    assert make("cyclegan").options.architecture == "authors"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("pix2pix", {"architecture": "authors", "blocks": 2}),
        ("pan", {"architecture": "authors", "dropout": 0.5}),
        ("id-cgan", {"architecture": "authors-journal", "patch": 34}),
        ("fila-sgan", {"architecture": "authors", "discriminator_norm": False}),
        ("fila-sgan", {"architecture": "protocol", "noise": 1.0}),
        ("fila-sgan", {"architecture": "protocol", "reading": "plain"}),
        ("id-cgan", {"architecture": "protocol", "activated_skip": False}),
        ("id-cgan", {"architecture": "authors-journal", "activated_skip": False}),
        ("cyclegan", {"architecture": "authors", "blocks": 2}),
    ],
)
def test_options_that_the_architecture_lacks_are_refused(make, name, settings):
    changed = next(key for key in settings if key != "architecture")
    with pytest.raises(
        UsageError, match=rf"{name}\.{changed}: .*no effect with architecture={settings['architecture']}"
    ):
        make(name, (64, 64), **settings)


# -- bad input


@pytest.mark.parametrize(
    ("name", "size", "settings"),
    [
        ("pan", (64, 64), {"batch_size": 1}),  # a 1x1 map under batch norm
        ("pix2pix", (16, 16), {}),
        ("id-cgan", (16, 16), {}),
    ],
)
def test_degenerate_batches_and_small_images_are_refused_before_training(make, name, size, settings):
    with pytest.raises(UsageError, match=f"{name}: its authors networks cannot be trained with batches of"):
        make(name, size, architecture="authors", recipe=settings)


def test_batches_of_one_are_fine_where_the_map_is_larger(make, batch):
    for name in ("pix2pix", "id-cgan", "fila-sgan"):
        model = make(name, (64, 64), architecture="authors", recipe={"batch_size": 1})
        model.training_step(batch(0, (64, 64), images=1))


@pytest.mark.parametrize(
    ("name", "size"), [("pan", (96, 64)), ("fila-sgan", (32, 64)), ("fila-sgan", (48, 48)), ("cyclegan", (30, 32))]
)
def test_sizes_a_network_cannot_halve_are_refused(make, name, size):
    with pytest.raises(UsageError, match=f"image size {size[0]}x{size[1]}"):
        make(name, size, architecture="authors")


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("id-cgan", {"content_layers": ("conv9_9",)}, r"id-cgan\.content_layers: .*conv9_9"),
        ("id-cgan", {"content_layers": ()}, r"id-cgan\.content_layers: give at least one layer"),
        ("fila-sgan", {"style_layers": ("conv1_1", "relu")}, r"fila-sgan\.style_layers: .*relu"),
        ("pan", {"perceptual_layers": (1.0, 1.0)}, r"pan\.perceptual_layers: give 4 weights"),
    ],
)
def test_unknown_layers_and_wrong_lengths_are_refused(make, name, settings, message):
    size = (64, 64) if name == "pan" else (32, 32)
    with pytest.raises(UsageError, match=message):
        make(name, size, architecture="authors", **settings)


@pytest.mark.parametrize("value", ["autors", "journal", ""])
def test_unknown_architectures_are_refused(make, value):
    with pytest.raises(UsageError, match=r"pix2pix\.architecture"):
        make("pix2pix", architecture=value)


# -- what is particular to each


def test_both_readings_of_networks_that_sources_tell_apart_can_be_had(make):
    skips = [make("id-cgan", architecture="authors", activated_skip=on).generator for on in (True, False)]
    assert [generator.activated_skip for generator in skips] == [True, False]
    plain = make("fila-sgan", (64, 64), architecture="authors", reading="plain")
    assert (plain.generator.reading, plain.discriminator.reading) == ("plain", "plain")
    norms = [module for module in plain.generator.modules() if isinstance(module, BatchStatistics)]
    assert norms
    assert all(norm.weight is not None for norm in norms)


def test_pix2pix_translates_with_dropout_and_the_slices_own_statistics(build, pair):
    model = build("pix2pix")
    model.training_step(pair("pix2pix"))
    source = pair("pix2pix", 3).source
    as_trained = model.translate(source)
    still = make_still(model)
    with torch.no_grad():
        torch.manual_seed(0)
        expected = torch.cat([one(copy.deepcopy(still), image) for image in source[:, None]])
    torch.testing.assert_close(as_trained, expected)
    evaluation = build("pix2pix", translate_as="evaluation")
    evaluation.load_state_dict(model.state_dict())
    assert not torch.allclose(evaluation.translate(source), as_trained, atol=1e-3)


def make_still(model):
    return copy.deepcopy(model.generator).train()


def one(generator, image):
    torch.manual_seed(0)
    return generator(image)


def test_the_discriminators_batch_norm_sees_the_generators_step_as_in_the_reference(build, pair):
    """Its running statistics move three times a step: made, real, and made again in the generator's step."""
    model = build("pix2pix")
    model.training_step(pair("pix2pix"))
    norms = [layer for layer in model.discriminator.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert [int(layer.num_batches_tracked) for layer in norms] == [3] * len(norms)


def test_pan_saturates_and_judges_the_image_alone(build, pair):
    model = build("pan")
    first = model.discriminator.hidden[0]
    assert first.in_channels == 1
    assert build("pan", conditional=True).discriminator.hidden[0].in_channels == 2
    terms = model.training_step(pair("pan"))
    assert terms["adversarial"] < 0


def test_pans_objective_is_its_papers(build, pair):
    """The generator's terms against a discriminator at rest, worked out anew."""
    model = build("pan", recipe={"learning_rate": 1e-30})
    batch = pair("pan")
    terms = model.training_step(batch)
    with torch.no_grad():
        made = model.generator(batch.source)
        fake, real = model.discriminator(made), model.discriminator(batch.target)
    distance = sum(
        weight * (a - b).abs().mean()
        for weight, a, b in zip((5, 1.5, 1.5, 1), fake.features, real.features, strict=True)
    )
    torch.testing.assert_close(terms["perceptual"], distance)
    torch.testing.assert_close(terms["margin"], (3 - distance).clamp(min=0))
    torch.testing.assert_close(terms["adversarial"], torch.log(1 - torch.sigmoid(fake.logits)).mean())


def test_fila_sgans_discriminator_takes_plain_gradient_steps(build, pair):
    model = build("fila-sgan", recipe={"learning_rate": 0.1, "decay_from": 1.0})
    batch = pair("fila-sgan")
    torch.manual_seed(3)
    twin = copy.deepcopy(model.discriminator)
    with torch.no_grad():
        made = model.make(model.generator, batch.source)
    loss = 0.5 * (
        losses.judged_fake(twin(torch.cat([batch.source, made], 1)).logits)
        + losses.judged_real(twin(torch.cat([batch.source, batch.target], 1)).logits)
    )
    gradients = torch.autograd.grad(loss, list(twin.parameters()))
    torch.manual_seed(3)
    model.training_step(batch)
    for after, before, gradient in zip(model.discriminator.parameters(), twin.parameters(), gradients, strict=True):
        torch.testing.assert_close(after, before - 0.4 * 0.1 * gradient, rtol=1e-4, atol=1e-6)


def test_fila_sgan_keeps_the_first_target_as_its_style(build, pair):
    model = build("fila-sgan")
    first, second = pair("fila-sgan", 0), pair("fila-sgan", 1)
    model.training_step(first)
    masked = torch.where(first.mask[:1] > 0, first.target[:1], -1.0)
    torch.testing.assert_close(model.style_image, masked)
    model.training_step(second)
    torch.testing.assert_close(model.style_image, masked)


def test_fila_sgans_noise_is_drawn_while_training_and_left_out_after(build, pair):
    source = pair("fila-sgan").source
    quiet, loud = build("fila-sgan", noise=0.0), build("fila-sgan", noise=100.0)
    with torch.no_grad():
        assert torch.equal(quiet.make(quiet.generator, source), quiet.make(quiet.generator, source))
        assert not torch.equal(loud.make(loud.generator, source), loud.make(loud.generator, source))
    assert torch.equal(quiet.translate(source), loud.translate(source))


def test_id_cgans_content_loss_is_absolute_as_released(build, pair):
    model = build("id-cgan")
    batch = pair("id-cgan")
    value = model.content(model.extractor, batch.source, batch.target)
    made, wanted = (model.extractor(image, ("conv2_1",))[0] for image in (batch.source, batch.target))
    torch.testing.assert_close(value, F.l1_loss(made, wanted))


def test_medgans_paper_read_literally_has_a_norm_on_both_layers(build, make):
    assert [type(norm) for norm in build("medgan").discriminator.norms] == [nn.InstanceNorm2d] * 2
    assert [type(norm) for norm in make("medgan").discriminator.norms] == [nn.Identity, nn.InstanceNorm2d]
