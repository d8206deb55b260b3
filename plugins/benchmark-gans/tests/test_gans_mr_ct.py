"""The MR-to-CT family: tissue classes, stages and what they are worth, drawn images, gradient difference, contexts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from benchmark_gans.tissue_classes import TissueClasses, dice

from benchmark import UsageError
from benchmark.contracts.intensity import IntensityMap

HU = IntensityMap("HU", -1024.0, 2000.0)
TRAINED = ("two-stage", "dual-gan", "pix2pix-gdl", "unet-l2")


def state(model):
    return torch.cat([p.detach().flatten() for network in model.networks().values() for p in network.parameters()])


def test_classes_follow_the_hu_thresholds():
    classes = TissueClasses("two-stage", (-400.0, 150.0), HU)
    hu = torch.tensor([-1000.0, -401.0, -399.0, 0.0, 149.0, 151.0, 1500.0])
    target = torch.from_numpy(HU.forward(hu.numpy())).view(1, 1, 1, -1)
    found = classes.of(target)
    assert found.flatten().tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert classes.names == ("air", "soft tissue", "bone")
    mask = classes.one_hot(found)
    assert mask.shape == (1, 3, 1, 7)
    assert torch.equal(mask.sum(1), torch.ones(1, 1, 7))


@pytest.mark.parametrize("thresholds", [(), (200.0, -300.0), (-3000.0, 150.0), (150.0, 2500.0), (0.0, 0.0)])
@pytest.mark.parametrize("name", ["two-stage", "dual-gan"])
def test_thresholds_that_do_not_rise_inside_the_window_are_refused(make, name, thresholds):
    with pytest.raises(UsageError, match=rf"{name}\.thresholds_hu"):
        make(name, thresholds_hu=thresholds)


def test_dice_by_hand():
    found = torch.tensor([[[True, True, False, False]], [[True, False, False, False]], [[False] * 4]])
    true = torch.tensor([[[True, False, True, False]], [[False] * 4], [[False] * 4]])
    values = dice(found, true, torch.ones_like(true))
    assert values[0].item() == pytest.approx(2 * 1 / 4)
    assert values[1].item() == 0
    assert values[2].isnan()
    outside = dice(found, true, torch.tensor([[True, False, False, False]]).expand(3, 1, 4))
    assert outside[0].item() == 1


def test_two_stage_translates_through_a_hard_mask(make, batch):
    model = make("two-stage")
    seen = []
    model.image_generator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.translate(batch().source)
    assert set(seen[0].unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(seen[0].sum(1), torch.ones(2, 32, 32))


def test_stage_scores_are_those_of_the_masks_and_images(make, batch):
    model, data = make("two-stage"), batch()
    true = model.classes.of(data.target)

    class Right(torch.nn.Module):
        def forward(self, source):
            return 10.0 * model.classes.one_hot(true)

    class Shifted(torch.nn.Module):
        def forward(self, mask):
            return data.target - 0.1

    model.mask_generator, model.image_generator = Right(), Shifted()
    scores = model.stage_scores(data.source, data.target, data.mask)
    for name in ("air", "soft tissue", "bone"):
        assert scores[f"I: Dice of {name}"].tolist() == [1.0, 1.0]
    for way in ("true mask", "stage I's mask"):
        torch.testing.assert_close(scores[f"II: MAE from {way} [HU]"], torch.full((2,), 0.1 * HU.width / 2))


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_seed_gives_the_same_weights_and_resuming_too(make, batch, name):
    steps = [batch(number) for number in range(4)]
    whole, again, resumed = (make(name, seed=3) for _ in range(3))
    for data in steps:
        torch.manual_seed(int(data.source.sum()))
        whole.training_step(data)
    for data in steps[:2]:
        torch.manual_seed(int(data.source.sum()))
        again.training_step(data)
    resumed.load_state_dict(again.state_dict())
    for data in steps[2:]:
        torch.manual_seed(int(data.source.sum()))
        resumed.training_step(data)
    assert torch.equal(state(whole), state(resumed))
    assert not torch.equal(state(whole), state(make(name, seed=4)))


def moved(model, before):
    return {name for name, network in model.networks().items() if not torch.equal(before[name], flat(network))}


def flat(network):
    return torch.cat([parameter.detach().flatten().clone() for parameter in network.parameters()])


@pytest.mark.parametrize("name", ["two-stage", "dual-gan"])
def test_a_step_trains_both_stages(make, batch, name):
    model = make(name)
    before = {key: flat(network) for key, network in model.networks().items()}
    model.training_step(batch())
    assert moved(model, before) == set(before)


def test_dual_gan_updates_its_mask_generator_twice_a_step(make, batch):
    model, calls = make("dual-gan"), []
    descend = model.descend
    model.descend = lambda name, loss: (calls.append(name), descend(name, loss))
    model.training_step(batch())
    assert calls.count("generator_mask") == 2
    assert (
        calls.count("discriminator_mask") == calls.count("generator_image") == calls.count("discriminator_image") == 1
    )


def test_dual_gan_draws_images_with_their_masks_from_the_generator_alone(make):
    model = make("dual-gan")
    first, second = (model.sample(5, torch.Generator().manual_seed(7)) for _ in range(2))
    assert first.images.shape == (5, 1, 32, 32)
    assert first.labels.shape == (5, 32, 32)
    assert first.images.abs().max() <= 1
    assert int(first.labels.max()) <= 2
    assert torch.equal(first.images, second.images)
    other = model.sample(5, torch.Generator().manual_seed(8))
    assert not torch.equal(first.images, other.images)


def test_dual_gan_refuses_batches_of_one(make):
    with pytest.raises(UsageError, match="batches of 2 or more"):
        make("dual-gan", recipe={"batch_size": 1})


@pytest.mark.parametrize("architecture", ["protocol", "authors"])
def test_pix2pix_gdl_terms_are_the_stated_ones(make, batch, architecture):
    model, data = make("pix2pix-gdl", architecture=architecture), batch()
    (gan,) = model.gans
    with torch.no_grad():
        made = gan.generator.eval()(data.source)
    gan.generator.train()
    terms = model.training_step(data)
    gradients = [(data.target.diff(dim=axis).abs() - made.diff(dim=axis).abs()).square() for axis in (2, 3)]
    if architecture == "protocol":
        pixel = 100.0 * F.l1_loss(made, data.target)
        gradient = 100.0 * sum(each.mean() for each in gradients)
    else:
        pixel = (made - data.target).square().sum() / 2
        gradient = sum(each.sum() for each in gradients) / 2
    torch.testing.assert_close(terms["pixel"], pixel)
    torch.testing.assert_close(terms["gradient_difference"], gradient)


def test_contexts_share_the_budget_one_after_the_other(make, batch):
    model = make("pix2pix-gdl", steps=4, contexts=2)
    before = {key: flat(network) for key, network in model.networks().items()}
    assert set(before) == {"generator", "discriminator", "generator_2", "discriminator_2"}
    names = [set(model.training_step(batch(number))) for number in range(2)]
    assert moved(model, before) == {"generator", "discriminator"}
    before = {key: flat(network) for key, network in model.networks().items()}
    names += [set(model.training_step(batch(number))) for number in range(2, 4)]
    assert moved(model, before) == {"generator_2", "discriminator_2"}
    assert "pixel" in names[1]
    assert "pixel_2" in names[2]
    assert model.translate(batch().source).shape == (2, 1, 32, 32)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_chain_goes_on_where_it_stopped_whichever_context_that_was(make, batch, stop):
    whole, first, rest = (make("pix2pix-gdl", steps=4, contexts=2, seed=3) for _ in range(3))
    for number in range(4):
        whole.training_step(batch(number))
    for number in range(stop):
        first.training_step(batch(number))
    rest.load_state_dict(first.state_dict())
    for number in range(stop, 4):
        rest.training_step(batch(number))
    assert torch.equal(state(whole), state(rest))


def test_a_chain_without_contexts_or_losses_is_refused(make):
    with pytest.raises(UsageError, match=r"pix2pix-gdl\.contexts: 0"):
        make("pix2pix-gdl", contexts=0)
    with pytest.raises(UsageError, match="are all 0"):
        make("pix2pix-gdl", adversarial_weight=0.0, pixel_weight=0.0, gradient_weight=0.0)


def test_every_context_is_trained_however_the_steps_divide(make, batch):
    model = make("pix2pix-gdl", steps=5, contexts=4)
    for number in range(6):  # one more than the budget goes to the last
        model.training_step(batch(number))
    assert [gan.steps_done for gan in model.gans] == [2, 1, 1, 2]
    assert [gan.context.steps for gan in model.gans] == [2, 1, 1, 1]
    with pytest.raises(UsageError, match=r"pix2pix-gdl\.contexts: 3 GANs cannot share 2 steps"):
        make("pix2pix-gdl", steps=2, contexts=3)


def test_the_second_context_sees_the_first_ones_estimate(make, batch):
    model, data, seen = make("pix2pix-gdl", contexts=2), batch(), []
    model.gans[1].generator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.translate(data.source)
    assert torch.equal(seen[0][:, :1], data.source)
    assert torch.equal(seen[0][:, 1:], model.gans[0].translate(data.source))


def test_unet_l2_minimises_the_squared_error(make, batch):
    model, data = make("unet-l2"), batch()
    made = model.translate(data.source)
    torch.testing.assert_close(model.training_step(data)["pixel"], F.mse_loss(made, data.target))
