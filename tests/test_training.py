"""The training loop: same seed same weights, and the same weights after any interruption."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noisy import Noisy
from torch import Tensor, nn

from benchmark import TrainingDiverged, UsageError
from benchmark.cell import checkpoints
from benchmark.cell.augmentation import Augmentation
from benchmark.cell.batches import Batches, Slices
from benchmark.cell.device import choose_device
from benchmark.cell.step import as_numbers, make_stepper
from benchmark.cell.train import Loop, initial_seed
from benchmark.cell.translate import translate_split, translate_volume
from benchmark.contracts.channels import SourceStack
from benchmark.contracts.intensity import Window
from benchmark.contracts.protocols import Batch
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.errors import Interrupted
from benchmark.store.log import TrainingLog


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Dataset]:
    rng = np.random.default_rng(1)
    side = Side("A", "a.u.", Window(0, 1))
    with DatasetWriter(tmp_path / "d.h5", task="t", name="n", source=side, target=side, simulated=True) as writer:
        for patient in range(5):
            image = rng.random((3, 8, 8))
            writer.add_case(f"p{patient}", "s", source=image, target=image**2, spacing=(1, 1, 1))
        writer.set_splits({"train": ["p0", "p1"], "val": ["p2"], "test": ["p3", "p4"]})
    with Dataset(tmp_path / "d.h5") as found:
        yield found


def loop(model: Noisy, folder: Path, stop: Callable[[], bool] = lambda: False, **changes: Any) -> Loop:
    settings: dict[str, Any] = {
        "model": model,
        "cell": "c",
        "steps": 20,
        "batch_size": 2,
        "seed": 0,
        "unpaired": False,
        "device": torch.device("cpu"),
        "precision": "fp32",
        "checkpoint": folder / "checkpoint.pt",
        "log": TrainingLog(folder / "log.jsonl"),
        "report": lambda _: None,
        "should_stop": stop,
    }
    return Loop(**{**settings, **changes})


def fresh(seed: int = 0) -> Noisy:
    checkpoints.seed_everything(initial_seed(seed))
    return Noisy()


def weights(model: Noisy) -> list[Tensor]:
    return [weight.detach().clone() for weight in model.net.parameters()]


def train(dataset: Dataset, folder: Path, **changes: Any) -> Noisy:
    folder.mkdir(exist_ok=True)
    model = fresh(changes.get("seed", 0))
    loop(model, folder, **changes).run(Slices(dataset, "train"), Slices(dataset, "val"))
    return model


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_same_seed_same_weights_other_seed_others(dataset: Dataset, tmp_path: Path) -> None:
    first = weights(train(dataset, tmp_path / "a"))
    assert same(first, weights(train(dataset, tmp_path / "b")))
    assert not same(first, weights(train(dataset, tmp_path / "c", seed=1)))


@pytest.mark.parametrize("after", [1, 7, 19])
def test_stopped_and_resumed_weights_are_bit_identical(dataset: Dataset, tmp_path: Path, after: int) -> None:
    unbroken = weights(train(dataset, tmp_path / "unbroken"))
    folder = tmp_path / "broken"
    folder.mkdir()
    model = fresh()
    with pytest.raises(Interrupted):
        loop(model, folder, lambda: model.seen >= after).run(Slices(dataset, "train"), Slices(dataset, "val"))
    resumed = fresh()
    outcome = loop(resumed, folder).run(Slices(dataset, "train"), Slices(dataset, "val"))
    assert outcome.resumed_at == after
    assert resumed.seen == 20 - after
    assert same(unbroken, weights(resumed))
    steps = [line["step"] for line in TrainingLog(folder / "log.jsonl").lines() if "losses" in line]
    assert steps == list(range(1, 21))


def test_a_finished_checkpoint_is_not_trained_again(dataset: Dataset, tmp_path: Path) -> None:
    first = weights(train(dataset, tmp_path / "a"))
    again = train(dataset, tmp_path / "a")
    assert again.seen == 0
    assert same(first, weights(again))


@pytest.mark.parametrize("keep", [0, 100, 3000])
def test_a_torn_checkpoint_means_from_the_start(dataset: Dataset, tmp_path: Path, keep: int) -> None:
    first = weights(train(dataset, tmp_path / "a"))
    path = tmp_path / "a" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:keep])
    again = train(dataset, tmp_path / "a")
    assert again.seen == 20
    assert same(first, weights(again))


def test_a_checkpoint_with_code_in_it_is_not_run(dataset: Dataset, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "owned",))

    (tmp_path / "a").mkdir()
    torch.save({"schema": 1, "cell": "c", "model": Evil()}, tmp_path / "a" / "checkpoint.pt")
    train(dataset, tmp_path / "a")
    assert not (tmp_path / "owned").exists()


def test_another_cells_checkpoint_is_not_used(dataset: Dataset, tmp_path: Path) -> None:
    train(dataset, tmp_path / "a")
    assert train(dataset, tmp_path / "a", cell="other").seen == 20


def test_a_nan_loss_stops_training_and_says_which(dataset: Dataset, tmp_path: Path) -> None:
    model = fresh()
    model.explode_at = 4
    with pytest.raises(TrainingDiverged, match="'l1' became nan at step 4"):
        loop(model, tmp_path).run(Slices(dataset, "train"), None)


def test_bf16_trains_and_differs(dataset: Dataset, tmp_path: Path) -> None:
    exact = weights(train(dataset, tmp_path / "a"))
    assert not same(exact, weights(train(dataset, tmp_path / "b", precision="bf16")))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resuming_with_augmentation_is_bit_identical_in_every_precision(
    dataset: Dataset, tmp_path: Path, precision: str
) -> None:
    settings: dict[str, Any] = {"precision": precision, "augmentation": Augmentation(1.25, -1)}
    unbroken = weights(train(dataset, tmp_path / "unbroken", **settings))
    (tmp_path / "broken").mkdir()
    model = fresh()
    with pytest.raises(Interrupted):
        loop(model, tmp_path / "broken", lambda: model.seen >= 7, **settings).run(Slices(dataset, "train"), None)
    resumed = fresh()
    loop(resumed, tmp_path / "broken", **settings).run(Slices(dataset, "train"), None)
    assert resumed.seen == 13
    assert same(unbroken, weights(resumed))
    assert not same(unbroken, weights(train(dataset, tmp_path / "plain", precision=precision)))


def test_bf16_trains_with_weights_channels_last_and_gives_them_back_as_they_were(
    dataset: Dataset, tmp_path: Path
) -> None:
    seen = []

    class Watched(Noisy):
        def training_step(self, batch: Batch) -> Mapping[str, Tensor | float]:
            seen.append(self.net[0].weight.is_contiguous(memory_format=torch.channels_last))
            return super().training_step(batch)

    class Wide(Watched):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1))
            self.optimiser = torch.optim.Adam(self.net.parameters(), lr=1e-2, fused=True)

    model = Wide()
    loop(model, tmp_path, precision="bf16").run(Slices(dataset, "train"), None)
    assert seen == [True] * 20
    assert model.net[1].weight.is_contiguous()
    assert not model.net[1].weight.is_contiguous(memory_format=torch.channels_last)
    # so the checkpoint gives back the very translations that are scored
    again = Wide()
    stored = checkpoints.load(tmp_path / "checkpoint.pt", "c", torch.device("cpu"))
    assert stored is not None
    again.load_state_dict(stored.model)
    image = torch.randn(2, 1, 8, 8)
    assert torch.equal(again.translate(image), model.translate(image))


def test_a_second_update_in_a_step_sees_the_weights_of_the_first_in_bf16() -> None:
    """Autocast's cache would hand out the casts from before the first update."""

    class Twice:
        def __init__(self) -> None:
            self.net = nn.Conv2d(1, 1, 3)
            nn.init.constant_(self.net.weight, 1.0)
            self.optimiser = torch.optim.SGD(self.net.parameters(), lr=0.5)

        def training_step(self, batch: Batch) -> Mapping[str, Tensor | float]:
            outputs = []
            for _ in range(2):
                output = self.net(batch.source).float().mean()
                self.optimiser.zero_grad()
                output.backward()
                self.optimiser.step()
                outputs.append(output.detach())
            return {"first": outputs[0], "second": outputs[1]}

    image = torch.ones(1, 1, 8, 8)
    stepper = make_stepper(Twice(), torch.device("cpu"), "bf16")  # type: ignore[arg-type]
    losses = stepper.step(Batch(image, image, image))
    assert losses["second"] < losses["first"] - 1


def test_loss_terms_become_numbers_exactly() -> None:
    terms: dict[str, Tensor | float] = {"a": torch.tensor(0.1, dtype=torch.float64), "b": 2.5, "c": torch.ones(1) / 3}
    assert as_numbers(terms) == {"a": 0.1, "b": 2.5, "c": float(torch.ones(()) / 3)}


def test_cuda_graphs_without_cuda_are_refused() -> None:
    with pytest.raises(UsageError, match="--cuda-graphs: the device is cpu"):
        make_stepper(fresh(), torch.device("cpu"), "fp32", graphs=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_refused_before_anything_is_planned() -> None:
    with pytest.raises(UsageError, match="torch sees no CUDA device"):
        choose_device("cuda")


def test_batches_visit_every_slice_once_an_epoch(dataset: Dataset) -> None:
    slices = Slices(dataset, "train")
    batches = Batches(slices, 2, seed=0, unpaired=False, device=torch.device("cpu"))
    for epoch in range(2):
        seen = torch.cat([batches[3 * epoch + step].source for step in range(3)]).flatten(1)
        assert len(torch.unique(seen, dim=0)) == len(slices)


def test_unpaired_batches_are_not_pairs(dataset: Dataset) -> None:
    slices = Slices(dataset, "train")
    cpu = torch.device("cpu")
    paired = Batches(slices, 6, seed=0, unpaired=False, device=cpu)[0]
    unpaired = Batches(slices, 6, seed=0, unpaired=True, device=cpu)[0]
    expected = 2 * ((paired.source + 1) / 2) ** 2 - 1
    assert torch.allclose(paired.target, expected, atol=1e-6)
    assert torch.equal(paired.source, unpaired.source)
    assert not torch.allclose(paired.target, unpaired.target)
    assert torch.equal(paired.target.sort(0).values, unpaired.target.sort(0).values)


def test_predictions_are_stored_in_the_targets_unit_and_never_see_the_target(dataset: Dataset, tmp_path: Path) -> None:
    class Copy:
        def translate(self, source: Tensor) -> Tensor:
            return source

    import h5py

    translate_split(Copy(), dataset, tmp_path / "p.h5", cell="c", device=torch.device("cpu"))
    with h5py.File(tmp_path / "p.h5") as file:
        for case in dataset.iterate("test"):
            assert np.allclose(file[str(case.key)][()], case.source, atol=1e-6)
        assert set(file) == {"p3", "p4"}


def test_a_nan_translation_is_an_error(dataset: Dataset) -> None:
    class Broken:
        def translate(self, source: Tensor) -> Tensor:
            return source * math.nan

    source = SourceStack(np.ones((2, 8, 8), np.float32), dataset.info.source_maps)
    with pytest.raises(TrainingDiverged, match="NaN"):
        translate_volume(Broken(), source, dataset.info.target_map, torch.device("cpu"))
