"""Models that use one channel of a source say which; the others are built for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from benchmark_gans import benchmark_models
from benchmark_gans.baseline_options import CopyOptions, GaussianOptions, HistogramOptions
from benchmark_gans.baselines import CopyInput, Histogram
from benchmark_gans.cyclegan import CycleGan
from benchmark_gans.denoisers import Gaussian
from benchmark_gans.options import CycleganOptions

from benchmark import UsageError
from benchmark.contracts.channels import Channel
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import PRESETS
from benchmark.contracts.protocols import ModelContext, TaskInfo

UNITS = {
    "PET": IntensityMap("SUV", 0.0, 10.0),
    "CT": IntensityMap("HU", -1000.0, 1000.0),
    "MR": IntensityMap("HU", 0.0, 9.0),
}


@pytest.fixture
def two() -> Callable[[int], ModelContext]:
    """A source of PET, CT and MR, the last two in the target's unit, with so many neighbours."""

    def make(neighbours: int = 0) -> ModelContext:
        channels = tuple(Channel(name, name, window) for name, window in UNITS.items())
        target = IntensityMap("HU", -1000.0, 1000.0)
        task = TaskInfo("t", "PET + CT + MR", "CT", channels[0].map, target, (32, 32), 16, channels=channels)
        recipe = PRESETS["smoke"].recipe.changed({"filters": 4, "discriminator_filters": 4, "context": neighbours})
        return ModelContext(task, recipe, 8, torch.device("cpu"), "smoke")

    return make


def source(context: ModelContext) -> torch.Tensor:
    """Each channel of the input has its number as its value, from -1 up in steps of a tenth."""
    return (torch.arange(context.inputs) / 10 - 1)[None, :, None, None].expand(2, -1, 16, 16)


@pytest.mark.parametrize(("channel", "neighbours", "number"), [("", 0, 1), ("PET", 0, 0), ("MR", 0, 2), ("", 2, 7)])
def test_a_copy_is_of_the_channel_in_the_targets_unit_or_of_the_named_one(channel, neighbours, number, two) -> None:
    told = two(neighbours)
    copied = CopyInput(CopyOptions(channel), told).translate(source(told))
    assert copied.shape == (2, 1, 16, 16)
    assert torch.equal(copied, source(told)[:, number : number + 1])


def test_a_channel_that_is_not_there_is_refused_with_those_that_are(two) -> None:
    with pytest.raises(UsageError, match="no channel 'T1'; it has PET, CT, MR"):
        CopyInput(CopyOptions("T1"), two())


class Slices:
    """One training slice whose target is a curve of the last channel; the others are noise."""

    def __init__(self, channels: int) -> None:
        rng = np.random.default_rng(0)
        self.source = rng.uniform(-1, 1, (channels, 32, 32)).astype(np.float32)
        self.target = -self.source[-1]

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Any]:
        yield self.source, self.target, np.ones(self.target.shape, bool)


def test_the_tone_curve_is_of_the_channel_that_tells_most(two) -> None:
    slices = Slices(3)
    seen = torch.from_numpy(slices.source)[None]
    best, named = (Histogram(HistogramOptions(channel=name), two()) for name in ("", "PET"))
    for model in (best, named):
        model.fit(slices)
    errors = [
        float((model.translate(seen)[0, 0] - torch.from_numpy(slices.target)).abs().mean()) for model in (best, named)
    ]
    assert errors[0] < 0.05 < 0.3 < errors[1]
    again = Histogram(HistogramOptions(), two())
    again.load_state_dict(best.state_dict())
    assert torch.equal(again.translate(seen), best.translate(seen))


def test_a_denoiser_takes_the_window_of_its_channel(two) -> None:
    told = two()
    model = Gaussian(GaussianOptions(channel="MR"), told)
    assert model.source == UNITS["MR"]
    model.fit(Slices(3))
    assert model.translate(source(told)).shape == (2, 1, 16, 16)


def test_cyclegan_makes_all_channels_on_the_way_back_and_has_no_identity_loss_then(two) -> None:
    networks = CycleGan.build_networks(CycleganOptions(residual_blocks=1), two(1))
    image, told = torch.zeros(1, 1, 32, 32), two(1)
    assert networks["reverse"](image).shape == (1, 9, 32, 32)
    assert networks["generator"](torch.zeros(1, 9, 32, 32)).shape == (1, 1, 32, 32)
    with pytest.raises(UsageError, match=r"source has 9 channels, the target one: give cyclegan\.identity=0"):
        CycleGan(CycleganOptions(residual_blocks=1), told)


def test_every_model_says_that_it_takes_several_channels() -> None:
    assert {spec.channels for spec in benchmark_models()} == {"several"}
