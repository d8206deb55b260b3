"""The conformance kit finds planted faults: each faulty task fails the check that names its fault, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from planted_faults import failures

from benchmark import TaskSpec
from benchmark.contracts.intensity import Window
from benchmark.contracts.protocols import BuildRequest
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.testing import TaskTests


@dataclass
class Plan:
    """What a builder writes; faults change something here."""

    request: BuildRequest
    source: Side = field(default_factory=lambda: Side("blurred", "a.u.", Window(0.0, 1000.0)))
    target: Side = field(default_factory=lambda: Side("sharp", "a.u.", Window(0.0, 1000.0)))
    task: str = "planted"
    seed: int = 0
    slices: int = 0
    twins: bool = False
    """The first test patient is the first training patient under another name."""
    fewer: int = 0


def write(plan: Plan) -> None:
    size = plan.request.size
    counts = {"train": size.train, "val": size.validation, "test": size.test - plan.fewer}
    splits: dict[str, list[str]] = {}
    with DatasetWriter(
        plan.request.path, task=plan.task, name="planted", source=plan.source, target=plan.target, simulated=True
    ) as writer:
        number = 0
        for split, count in counts.items():
            splits[split] = []
            for place in range(count):
                number += 1
                same = plan.twins and split == "test" and place == 0
                random = np.random.default_rng([plan.seed, 1 if same else number])
                y, x = np.mgrid[: size.image_size, : size.image_size] / size.image_size - 0.5
                mask = np.broadcast_to((x / 0.4) ** 2 + (y / 0.35) ** 2 < 1, (plan.slices, *x.shape))
                centres = random.uniform(-0.2, 0.2, (plan.slices, 2, 1, 1))
                organ = (x - centres[:, 0]) ** 2 + (y - centres[:, 1]) ** 2 < 0.02
                target = np.where(mask, 300.0 + 400 * organ + random.normal(0, 5, mask.shape), 0.0)
                source = np.where(mask, target + random.normal(0, 30, mask.shape), 0.0).clip(0)
                writer.add_case(f"p{number:03d}", "s1", source=source, target=target, mask=mask, spacing=(3, 2, 2))
                splits[split].append(f"p{number:03d}")
        writer.set_splits(splits)


def plan(request: BuildRequest, **changes: Any) -> Plan:
    return replace(Plan(request, seed=request.seed, slices=request.size.slices), **changes)


def sound(request: BuildRequest) -> None:
    write(plan(request))


def crashing(request: BuildRequest) -> None:
    raise KeyError("organs")


def idle(request: BuildRequest) -> None:
    pass


def leaking(request: BuildRequest) -> None:
    write(plan(request, twins=True))


def other_unit(request: BuildRequest) -> None:
    write(plan(request, target=Side("sharp", "mm", Window(0.0, 1000.0))))


def other_modality(request: BuildRequest) -> None:
    write(plan(request, source=Side("noisy", "a.u.", Window(0.0, 1000.0))))


def greedy(request: BuildRequest) -> None:
    write(plan(request, slices=request.size.slices + 1))


def stingy(request: BuildRequest) -> None:
    write(plan(request, fewer=1))


def restless(request: BuildRequest) -> None:
    write(plan(request, seed=int(np.random.default_rng().integers(1 << 30))))


def deaf(request: BuildRequest) -> None:
    write(plan(request, seed=0))


def scribbling(request: BuildRequest) -> None:
    import h5py

    sound(request)
    with h5py.File(request.path, "r+") as file:
        file["cases/p001/s1/target"][0, 0, 0] = 5.0


def in_thousands(request: BuildRequest) -> None:
    """Hounsfield units that are none: everything is above 0."""
    sides = {role: Side(name, "HU", Window(0.0, 1000.0)) for role, name in (("source", "blurred"), ("target", "sharp"))}
    write(plan(request, **sides))


@dataclass(frozen=True)
class Unexplained:
    noise: float = 1.0


RECORD: Mapping[str, Any] = {
    "source_modality": "blurred",
    "target_modality": "sharp",
    "source_unit": "a.u.",
    "target_unit": "a.u.",
    "profile": "nobody's",
}


def conforming(builder: Any, more: Mapping[str, Any], promises: Mapping[str, Any]) -> TaskTests:
    """A subclass as a plugin's author writes it."""
    spec = TaskSpec("planted", f"{builder.__module__}:{builder.__name__}", **{**RECORD, **more})
    return type("TestPlanted", (TaskTests,), {"spec": spec, "profile_installed": False, **promises})()


def test_a_sound_task_passes() -> None:
    assert failures(conforming(sound, {}, {})) == {}


HU = {"source_unit": "HU", "target_unit": "HU"}
FAULTS = [
    (crashing, {}, "test_writes_a_data_set", "its builder raised KeyError: 'organs'"),
    (idle, {}, "test_writes_a_data_set", "its builder wrote no file"),
    (scribbling, {}, "test_the_data_stand_all_checks", "p001/s1: target is not what was written"),
    (leaking, {}, "test_nothing_is_in_two_splits", "put both patients into one"),
    (other_unit, {}, "test_units_and_modalities_are_as_declared", "target unit is 'mm', the record's 'a.u.'"),
    (other_modality, {}, "test_units_and_modalities_are_as_declared", "source modality is 'noisy'"),
    (sound, {"simulated": False}, "test_units_and_modalities_are_as_declared", "simulated is True"),
    (in_thousands, HU, "test_values_look_like_their_unit", "source: "),
    (greedy, {}, "test_sizes_are_as_asked", "a study has 4 slices, asked were 3"),
    (stingy, {}, "test_sizes_are_as_asked", "follow request.size.train"),
    (restless, {}, "test_the_same_seed_gives_the_same_pixels", "the same seed gave other data"),
    (deaf, {}, "test_another_seed_gives_other_pixels", "seeds 0 and 1 gave the same data"),
    (sound, {"options": Unexplained}, "test_every_option_has_a_default_and_says_what_it_is", "says nothing of itself"),
]  # fmt: skip


@pytest.mark.parametrize(("faulty", "more", "check", "message"), FAULTS)
def test_a_planted_fault_fails_the_check_that_names_it(faulty: Any, more: Any, check: str, message: str) -> None:
    failed = failures(conforming(faulty, more, {}))
    assert list(failed) == [check], failed
    assert message in failed[check]
    assert failed[check].startswith("task planted: ")


def test_a_profile_that_nobody_offers() -> None:
    failed = failures(conforming(sound, {}, {"profile_installed": True}))
    assert list(failed) == ["test_its_profile_can_score_it"]
    assert 'no profile "nobody\'s"' in failed["test_its_profile_can_score_it"]


def test_a_builder_that_is_not_there() -> None:
    tests = conforming(sound, {}, {})
    type(tests).spec = TaskSpec("planted", "nowhere.task:build", **RECORD)
    assert "cannot be loaded" in failures(tests)["test_writes_a_data_set"]
