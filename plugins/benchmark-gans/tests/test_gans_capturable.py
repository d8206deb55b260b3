"""Models that declare their step capturable do what a CUDA graph can replay; looked at on the CPU, op by op."""

from __future__ import annotations

import pytest
import torch
from benchmark_gans import benchmark_models
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark.cell.step import make_stepper
from benchmark.contracts.protocols import Batch

CAPTURABLE = sorted(
    spec.name for spec in benchmark_models() if spec.kind == "trained" and getattr(spec.load(), "capturable", False)
)
FEATURES = {"medgan": {"style_weight": 0.0, "content_weight": 0.0}, "id-cgan": {"content_weight": 0.0}}
HOST = ("_local_scalar_dense", "lift_fresh", "nonzero", "masked_select", "equal", "is_nonzero", "unique", "randint")
"""Ops that read a value back, make a tensor from numbers, give sizes that depend on values, or draw on the host."""


class Watch(TorchDispatchMode):
    """Notes every op; ``kinds`` in order."""

    def __init__(self):
        super().__init__()
        self.kinds = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.kinds.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_the_launch_bound_models_are_capturable_and_those_with_a_pool_are_not():
    assert {"pix2pix", "pan", "id-cgan", "medgan", "unet-l1"} <= set(CAPTURABLE)
    assert "cyclegan" not in CAPTURABLE


@pytest.mark.parametrize("name", CAPTURABLE)
def test_an_update_launches_the_same_ops_each_time_and_none_that_needs_the_host(make, batch, name):
    model = make(name, **FEATURES.get(name, {}))
    model.training_step(batch(0))  # the first one allocates the optimisers' state
    runs = []
    for number in (1, 2):
        images = batch(number)
        model.begin_step()
        with Watch() as seen:
            model.update(images)
        runs.append(seen.kinds)
    assert runs[0] == runs[1]
    assert not [kind for kind in runs[0] if kind in HOST]


def test_the_watch_sees_a_value_that_is_read_back():
    with Watch() as seen:
        if (torch.ones(2).sum() > 1).item():
            torch.tensor([1.0])
    assert {"_local_scalar_dense", "lift_fresh"} <= set(seen.kinds)


def test_the_rate_may_be_a_tensor_and_a_checkpoint_leaves_it_where_it_is(make, batch):
    """As on CUDA, where the captured step reads the rate from the device."""
    models = [make("pix2pix", steps=4, recipe={"decay_from": 0.25}) for _ in range(2)]
    for optimiser in models[1]._optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = torch.tensor(group["lr"])
    for number in range(4):
        losses = [model.training_step(batch(number)) for model in models]
        assert {name: float(value) for name, value in losses[0].items()} == pytest.approx(
            {name: float(value) for name, value in losses[1].items()}, rel=1e-5
        )
    rates = [model._optimisers["generator"].param_groups[0]["lr"] for model in models]
    assert 0 < rates[0] < models[0].context.recipe.learning_rate
    assert float(rates[1]) == pytest.approx(rates[0])
    models[1].load_state_dict(models[0].state_dict())
    assert isinstance(models[1]._optimisers["generator"].param_groups[0]["lr"], torch.Tensor)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_replayed_step_trains_as_an_eager_one(make, batch, precision):
    device = torch.device("cuda")
    logs = []
    for graphs in (False, True):
        model = make("pix2pix", device=device)
        stepper = make_stepper(model, device, precision, graphs=graphs)
        images = [batch(number) for number in range(8)]
        on_device = [Batch(each.source.to(device), each.target.to(device), each.mask.to(device)) for each in images]
        logs.append([stepper.step(each) for each in on_device])
    for eager, replayed in zip(*logs, strict=True):
        assert eager == pytest.approx(replayed, rel=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_a_checkpoint_moves_between_devices_and_can_be_captured_there(make, batch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    first = make("pix2pix")
    first.training_step(batch(0))
    second = make("pix2pix", device=cuda)
    second.load_state_dict(first.state_dict())
    stepper = make_stepper(second, cuda, "fp32", graphs=True)
    for number in range(1, 6):
        images = batch(number)
        losses = first.training_step(images)
        moved = stepper.step(Batch(images.source.to(cuda), images.target.to(cuda), images.mask.to(cuda)))
        assert moved == pytest.approx({name: float(value) for name, value in losses.items()}, rel=1e-2)
    back = make("pix2pix", device=cpu)
    back.load_state_dict(second.state_dict())
    back.training_step(batch(6))
