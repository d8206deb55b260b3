"""Several channels and slices with neighbours from disk: the same bits as from memory, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_datasets
import torch
from test_streaming import LIMIT, from_disk, same, without_cache
from test_streaming import batches as drawn

from benchmark.cell.batches import Slices
from benchmark.cell.cost import cost_of
from benchmark.cell.streamed import StreamedSlices, training_slices
from benchmark.contracts.channels import Channel
from benchmark.contracts.intensity import IntensityMap, Window
from benchmark.contracts.presets import PRESETS
from benchmark.contracts.protocols import Batch, ModelContext
from benchmark.contracts.specs import ModelSpec, TaskSpec
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.data.streaming.build import NO_NEIGHBOURS
from benchmark.data.streaming.cache import beside, key_of
from benchmark.data.streaming.places import bytes_in_memory
from benchmark.plan.expand import Asked

T1 = Side("MR T1", "a.u.", Window(0.5, 99.5, "percentile"), "T1")
CT = Side("CT", "HU", Window(-1024.0, 2000.0))


def pet(high: float = 10.0) -> Side:
    return Side("FDG-PET", "SUV", Window(0.0, high, curve="root"), "PET")


def one_channel(path: Path) -> Path:
    return small_datasets.write(path, slices=4, side=16, change=_without_a_region)


def two_channels(path: Path, second: Side | None = None) -> Path:
    """Of float32 and int16, four slices each of which two have no region."""
    with DatasetWriter(
        path, task="mp-ct", name="two", source=(T1, second or pet()), target=CT, simulated=True
    ) as writer:
        for patient in ("a", "b", "c"):
            arrays = small_datasets.anatomy(patient, slices=4, side=16)
            _without_a_region(patient, arrays)
            uptake = np.where(arrays["mask"], (arrays["target"] + 400) // 200, 0).clip(0).astype(np.int16)
            source = {"T1": arrays["source"], "PET": uptake}
            writer.add_case(patient, "s1", **{**arrays, "source": source}, spacing=(3.0, 2.0, 2.0))
        writer.set_splits({"train": ["a", "b"], "val": [], "test": ["c"]})
    return path


def _without_a_region(_: str, arrays: small_datasets.Arrays) -> None:
    arrays["mask"][[0, 2]] = False


@pytest.mark.parametrize("unpaired", [False, True])
@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("context", [0, 1, 5])
@pytest.mark.parametrize("make", [one_channel, two_channels])
def test_from_disk_they_are_those_from_memory(
    make: Callable[[Path], Path], context: int, cache: bool, unpaired: bool, tmp_path: Path
) -> None:
    path = make(tmp_path / "d.h5")
    if not cache:
        without_cache(path)
    with Dataset(path) as dataset, StreamedSlices(dataset, context=context) as slices:
        memory = Slices(dataset, "train", context=context)
        assert same(drawn(slices, unpaired=unpaired), drawn(memory, unpaired=unpaired))
        assert beside(path).is_file() == (cache and not context)
        assert (NO_NEIGHBOURS in slices.how) == bool(context)
        for streamed, held in zip(slices, memory, strict=True):
            for image, known in zip(streamed, held, strict=True):
                assert (image.dtype, image.shape) == (known.dtype, known.shape)
                np.testing.assert_array_equal(image, known)


def test_a_cache_is_made_again_when_the_map_of_a_later_channel_changes(tmp_path: Path) -> None:
    path = two_channels(tmp_path / "d.h5")
    before, _ = from_disk(path)
    key = key_of(beside(path))
    with Dataset(two_channels(path, pet(12.0))) as dataset:
        expected = drawn(Slices(dataset, "train"))
    after, _ = from_disk(path)
    assert key_of(beside(path)) != key
    assert same(after, expected)
    assert not same(after, before)


def test_channels_and_neighbours_count_where_memory_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Dataset(one_channel(tmp_path / "1.h5")) as one, Dataset(two_channels(tmp_path / "2.h5")) as two:
        pixels = {data.info.task: data.info.slice_count("train") * 16 * 16 for data in (one, two)}
        assert bytes_in_memory(one.info) == 9 * pixels["mr-ct"]
        assert bytes_in_memory(one.info, 1) == (4 * (3 + 1) + 1) * pixels["mr-ct"]
        assert bytes_in_memory(two.info, 2) == (4 * (10 + 1) + 1) * pixels["mp-ct"]
        monkeypatch.setattr(LIMIT, bytes_in_memory(one.info))
        for context, kind in ((0, Slices), (1, StreamedSlices)):
            with training_slices(one, context=context) as slices:
                assert isinstance(slices, kind)


class Network:
    """Of as many channels as it is told; a step is one convolution, and nothing is learned."""

    def __init__(self, _: Any, context: ModelContext) -> None:
        self.generator = torch.nn.Conv2d(context.inputs, 1, 3, padding=1)

    def networks(self) -> dict[str, torch.nn.Module]:
        return {"generator": self.generator}

    def training_step(self, batch: Batch) -> dict[str, float]:
        with torch.no_grad():  # no autograd: its threads would outlast the test, and others fork
            return {"loss": float((self.generator(batch.source) - batch.target).abs().mean())}


def test_what_a_step_costs_is_counted_with_all_channels_that_a_model_sees() -> None:
    model = ModelSpec("network", f"{__name__}:Network")
    fitted = IntensityMap("a.u.", 0.0, 1.0)
    channels = tuple(Channel(name, "MR", fitted) for name in ("T1", "T2"))

    def flops(context: int, channels: tuple[Channel, ...]) -> float | None:
        recipe = PRESETS["smoke"].recipe.changed({"context": context})
        asked = TaskSpec(
            "t", "x:y", source_modality="MR", target_modality="CT", source_unit="a.u. + HU", target_unit="a.u.",
            profile="default",
        )  # fmt: skip
        return cost_of(Asked(model, asked, {}, recipe, (16, 16), "smoke", channels)).flops

    one, three, six = flops(0, ()), flops(1, ()), flops(1, channels)
    assert one
    assert (three, six) == (3 * one, 6 * one)
