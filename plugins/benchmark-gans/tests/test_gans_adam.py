"""Adam on channels-last weights: the same updates as on contiguous ones, and checkpoints that continue to the bit."""

from __future__ import annotations

import pytest
import torch
from benchmark_gans.adam import LayoutAdam
from torch import nn
from torch.optim import Adam

from benchmark.cell.device import arrange
from benchmark.cell.step import make_stepper

CPU = torch.device("cpu")
SHAPES = [(8, 4, 3, 3), (4, 1, 4, 4), (1, 8, 4, 4), (6, 5, 1, 1), (7,)]


def train(optimiser, layout, *, steps=3, skip=False):
    """The weights after some steps on random gradients, which lie as autograd lays them: like the weights."""
    torch.manual_seed(0)
    weights = [torch.randn(shape) for shape in SHAPES]
    lie = [w.contiguous(memory_format=layout) if w.ndim == 4 else w for w in weights]
    parameters = [nn.Parameter(weight) for weight in lie]
    adam = optimiser(parameters, lr=0.1, betas=(0.5, 0.999), fused=True)
    for _ in range(steps):
        for number, parameter in enumerate(parameters):
            gradient = torch.randn(parameter.shape)
            parameter.grad = None if skip and number == 1 else torch.empty_like(parameter).copy_(gradient)
        adam.step()
        assert [p.shape for p in parameters] == [torch.Size(shape) for shape in SHAPES]
    return parameters, adam


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_updates_are_those_of_torchs_adam_on_contiguous_weights(layout, skip):
    expected, _ = train(Adam, torch.contiguous_format, skip=skip)
    found, _ = train(LayoutAdam, layout, skip=skip)
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one, other)
    if layout == torch.channels_last:
        assert found[0].is_contiguous(memory_format=torch.channels_last)
        assert found[0].grad.stride() == found[0].stride()


def test_its_state_continues_to_the_bit():
    _, half = train(LayoutAdam, torch.channels_last, steps=2)
    weights, adam = train(LayoutAdam, torch.channels_last, steps=2)
    adam.load_state_dict(half.state_dict())
    unbroken, _ = train(LayoutAdam, torch.channels_last, steps=3)
    torch.manual_seed(0)
    for shape in SHAPES * 3:
        torch.randn(shape)
    for weight in weights:
        weight.grad = torch.empty_like(weight).copy_(torch.randn(weight.shape))
    adam.step()
    assert all(torch.equal(one, other) for one, other in zip(weights, unbroken, strict=True))


@pytest.mark.parametrize("name", ["pix2pix", "medgan", "cyclegan"])
def test_bf16_training_resumes_to_the_bit(make, batch, name):
    def prepared():
        model = make(name, **({"style_weight": 0.0, "content_weight": 0.0} if name == "medgan" else {}))
        arrange(model.networks().values(), "bf16")
        return model, make_stepper(model, CPU, "bf16").step

    unbroken, step = prepared()
    first, other = prepared()
    for number in range(2):
        step(batch(number))
        other(batch(number))
    resumed, last = prepared()
    resumed.load_state_dict(first.state_dict())
    random = torch.get_rng_state()
    step(batch(2))
    torch.set_rng_state(random)
    last(batch(2))
    for network, again in zip(unbroken.networks().values(), resumed.networks().values(), strict=True):
        for one, two in zip(network.parameters(), again.parameters(), strict=True):
            assert torch.equal(one, two)
            assert one.stride() == two.stride()
