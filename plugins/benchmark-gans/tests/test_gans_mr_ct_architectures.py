"""Two-stage and dual-gan in both architectures: networks, losses by hand, whose weights move, what is refused."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from benchmark_gans import benchmark_models
from benchmark_gans.networks.dcgan import SourceToMask
from benchmark_gans.networks.discriminators import PatchDiscriminator
from benchmark_gans.networks.dual_gan import MaskUNet, depth_to_two
from benchmark_gans.training import apply
from torch.optim import Adam, RMSprop

from benchmark import UsageError
from benchmark.contracts.presets import PRESETS

NAMES = ("two-stage", "dual-gan")
ARCHITECTURES = ("protocol", "authors")
STAGES = {"mask", "image"}

both = pytest.mark.parametrize("architecture", ARCHITECTURES)
each = pytest.mark.parametrize("name", NAMES)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def flat(network):
    return torch.cat([parameter.detach().flatten().clone() for parameter in network.parameters()])


def layer(inputs, outputs, kernel, *, normed=True):
    return inputs * outputs * kernel**2 + outputs + (2 * outputs if normed else 0)


def test_the_authors_networks_have_as_many_parameters_as_their_layers_say():
    down = [3, 64, 128, 256, 512, 512, 512, 512, 512]
    up = [(512, 512), *[(1024, 512)] * 3, (1024, 256), (512, 128), (256, 64), (128, 3)]
    with torch.device("meta"):
        unet = MaskUNet(3, 3)
        judge = PatchDiscriminator(6, patch=70, norm="none")
        conditional = SourceToMask(1, 3, image_size=(256, 256))
    wanted = sum(layer(a, b, 4) for a, b in itertools.pairwise(down)) + sum(layer(a, b, 4) for a, b in up)
    assert count(unet) == wanted == 54_420_617
    assert count(judge) == 2_767_809
    inwards = layer(1, 64, 5, normed=False) + layer(64, 128, 5) + layer(128, 256, 5) + layer(256, 512, 5)
    outwards = layer(512, 256, 5) + layer(256, 128, 5) + layer(128, 64, 5) + layer(64, 3, 5, normed=False)
    assert count(conditional) == inwards + outwards


@pytest.mark.parametrize(
    ("size", "depth"), [((512, 512), 8), ((256, 256), 7), ((32, 64), 4), ((16, 16), 3), ((96, 96), 5)]
)
def test_the_authors_unet_ends_at_two_pixels_or_more(size, depth):
    assert depth_to_two(size) == depth


def test_the_authors_unet_is_the_stated_sequence_of_layers():
    torch.manual_seed(0)
    network = MaskUNet(2, filters=4, depth=3, dropout=0.5)
    mask = torch.randn(2, 2, 16, 16)
    torch.manual_seed(1)
    made = network(mask)
    torch.manual_seed(1)
    skips, hidden = [], mask
    for convolution, norm in zip(network.down, network.down_norm, strict=True):
        hidden = F.leaky_relu(norm(convolution(hidden)), 0.2)
        skips.append(hidden)
    for level in (0, 1):
        hidden = F.dropout(F.leaky_relu(network.up_norm[level](network.up[level](hidden)), 0.2), 0.5)
        hidden = torch.cat([hidden, skips[1 - level]], 1)
    torch.testing.assert_close(made, torch.tanh(network.up_norm[2](network.up[2](hidden))))
    network.eval()
    assert torch.equal(network(mask), network(mask))


def test_a_pixel_of_the_authors_mask_sees_what_is_stated():
    network = SourceToMask(1, 1, image_size=(160, 160), filters=1).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.1)
    widths = []
    for place in range(72, 88):
        source = torch.rand(1, 1, 160, 160, dtype=torch.float64, requires_grad=True)
        network(source)[0, 0, place, place].backward()
        seen = source.grad[0, 0].abs().sum(0).nonzero()
        widths.append(int(seen.max() - seen.min()) + 1)
    assert max(widths) == network.receptive_field


@each
@both
def test_each_update_moves_its_own_network_alone_and_stage_one_goes_twice_where_stated(
    make, batch, monkeypatch, name, architecture
):
    model, order, moved = make(name, architecture=architecture), [], []
    descend = model.descend

    def noted(which, loss):
        before = {key: flat(network) for key, network in model.networks().items()}
        descend(which, loss)
        order.append(which)
        moved.append({key for key, network in model.networks().items() if not torch.equal(before[key], flat(network))})

    monkeypatch.setattr(model, "descend", noted)
    model.training_step(batch())
    twice = architecture == "authors" or name == "dual-gan"
    assert order == [
        "discriminator_mask",
        *["generator_mask"] * (2 if twice else 1),
        "discriminator_image",
        "generator_image",
    ]
    assert moved == [{which} for which in order]


@each
def test_the_authors_stage_two_has_rmsprop_and_all_else_adam(make, name):
    for architecture in ARCHITECTURES:
        model = make(name, architecture=architecture)
        for which, optimiser in model._optimisers.items():
            second = architecture == "authors" and which.endswith("_image")
            assert isinstance(optimiser, RMSprop if second else Adam)


def by_hand(model, network, real, made):
    """-log D(real), -log(1 - D(made)), -log D(made), means over logits."""
    judge = model.networks()[network]
    with torch.no_grad():
        on_real, on_made = judge(real).logits, judge(made).logits
    return (-on_real.sigmoid().log()).mean(), (-(1 - on_made.sigmoid()).log()).mean(), (-on_made.sigmoid().log()).mean()


@each
@both
def test_every_term_is_the_stated_one(make, batch, name, architecture):
    """At this learning rate the networks stay what they were, so the terms can be had again afterwards."""
    settings = {"mask_weight": 3.0, "adversarial_weight": 0.5} if name == "two-stage" else {}
    weight = settings.get("adversarial_weight", 1.0)
    model, data = (
        make(name, architecture=architecture, dropout=0.0, recipe={"learning_rate": 1e-12}, **settings),
        batch(),
    )
    torch.manual_seed(5)
    terms = model.training_step(data)
    classes = model.classes.of(data.target)
    mask = model.classes.one_hot(classes)
    with torch.no_grad():
        image = model.image_generator(mask)
        if name == "two-stage":
            logits = model.mask_generator(data.source)
            real, made = (torch.cat([data.source, each], 1) for each in (mask, logits.softmax(1)))
            picked = logits.log_softmax(1).gather(1, classes[:, None])
            torch.testing.assert_close(terms["mask"], -3.0 * picked.mean())
        else:
            torch.manual_seed(5)
            real, made = mask, model.mask_generator(torch.randn(2, 100)).softmax(1)
    found = {}
    for prefix, stage, pair in (
        ("mask_", "mask", (real, made)),
        ("", "image", (torch.cat([mask, data.target], 1), torch.cat([mask, image], 1))),
    ):
        on_real, on_made, fooled = by_hand(model, f"discriminator_{stage}", *pair)
        found |= {
            f"{prefix}discriminator_real": on_real,
            f"{prefix}discriminator_fake": on_made,
            f"{prefix}adversarial": weight * fooled,
        }
    found["pixel"] = (1.0 if architecture == "authors" else 100.0) * (image - data.target).abs().mean()
    assert set(terms) == set(found) | ({"mask"} if name == "two-stage" else set())
    for key, value in found.items():
        torch.testing.assert_close(terms[key], value, msg=lambda text, key=key: f"{key}: {text}")


def test_without_adversary_two_stage_has_generators_alone(make, batch):
    model = make("two-stage", adversarial_weight=0.0)
    assert set(model.networks()) == {"generator_mask", "generator_image"}
    assert set(model.training_step(batch())) == {"mask", "pixel"}
    for nothing in ("mask_weight", "pixel_weight"):
        with pytest.raises(UsageError, match=rf"adversarial_weight, {nothing} are all 0"):
            make("two-stage", adversarial_weight=0.0, **{nothing: 0.0})


@each
@both
def test_what_is_drawn_or_translated_does_not_depend_on_its_neighbours(make, batch, name, architecture):
    model = make(name, architecture=architecture)
    model.training_step(batch())
    data = batch(3, images=3)
    if name == "two-stage":
        whole = model.translate(data.source)
        torch.testing.assert_close(model.translate(data.source[1:2]), whole[1:2])
    else:
        noise = torch.randn(3, 100)
        mask = apply(model.mask_generator, noise)
        torch.testing.assert_close(apply(model.mask_generator, noise[1:2]), mask[1:2])
        whole = apply(model.image_generator, mask)
        torch.testing.assert_close(apply(model.image_generator, mask[1:2]), whole[1:2])


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("two-stage", {"architecture": "authors", "size": (16, 16), "recipe": {"batch_size": 1}}, "batches of 1"),
        ("two-stage", {"patch": 70, "size": (16, 16)}, "16x16"),
        ("dual-gan", {"size": (16, 16)}, "16x16"),
        ("dual-gan", {"size": (40, 40)}, "40x40"),
        ("dual-gan", {"generator_steps": 0}, "generator_steps"),
        ("two-stage", {"mask_weight": -1.0}, "mask_weight"),
        ("two-stage", {"dropout": 1.0}, "dropout"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_it_starts(make, name, settings, said):
    with pytest.raises(UsageError, match=said):
        make(name, **settings)


@pytest.mark.parametrize("preset", PRESETS)
def test_dual_gan_can_be_trained_at_every_preset(preset):
    (spec,) = (spec for spec in benchmark_models() if spec.name == "dual-gan")
    assert PRESETS[preset].recipe.changed(spec.recipes.get(preset, {})).batch_size > 1
