"""The conformance kit finds planted faults: each faulty model fails the check that names its fault, and no other."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted_faults import failures
from torch import Tensor, nn

from benchmark import ModelSpec, Unavailable, UsageError
from benchmark.contracts.protocols import Batch, ModelContext, Samples, TrainingSlices
from benchmark.contracts.search import Range
from benchmark.testing import ModelTests


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network() -> nn.Module:
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.3), nn.Conv2d(4, 1, 3, padding=1)]
    return nn.Sequential(*layers, nn.Tanh())


class Sound:
    """A small network trained with L1, with everything in its state that counts."""

    names = ("generator",)

    def __init__(self, options: Any, context: ModelContext) -> None:
        self.nets = {name: network().to(context.device) for name in self.names}
        self.optimiser = torch.optim.Adam([p for net in self.nets.values() for p in net.parameters()], 1e-2)
        self.steps = 0

    @property
    def net(self) -> nn.Module:
        return self.nets[self.names[0]]

    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        self.steps += 1
        loss = ((self.net(batch.source) - batch.target).abs() * batch.mask).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"pixel": loss.detach()}

    def translate(self, source: Tensor) -> Tensor:
        self.net.eval()
        output = self.net(source)
        self.net.train()
        return output

    def networks(self) -> Mapping[str, nn.Module]:
        return self.nets

    def state_dict(self) -> dict[str, Any]:
        nets = {name: net.state_dict() for name, net in self.nets.items()}
        return {"nets": nets, "optimiser": self.optimiser.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, net in self.nets.items():
            net.load_state_dict(state["nets"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]


class SoundFit:
    """The mean training target, and the mean over its pixels."""

    def __init__(self, options: Any, context: ModelContext) -> None:
        self.mean = torch.zeros(())

    def fit(self, slices: TrainingSlices) -> None:
        self.mean = torch.tensor(np.mean([target.mean() for _, target, _ in slices]))

    def translate(self, source: Tensor) -> Tensor:
        return self.mean.to(source).expand_as(source).clone()

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mean = state["mean"]


class SoundCopy:
    """The source."""

    pointwise = True

    def __init__(self, options: Any, context: ModelContext) -> None:
        pass

    def translate(self, source: Tensor) -> Tensor:
        return source.clone()


class SoundDrawer(SoundCopy):
    """Noise, and which of it is positive."""

    def __init__(self, options: Any, context: ModelContext) -> None:
        self.size = context.task.image_size

    def sample(self, count: int, generator: torch.Generator) -> Samples:
        images = 2 * torch.rand(count, 1, *self.size, generator=generator) - 1
        return Samples(images, (images[:, 0] > 0).long())


class Unbuilt(Sound):
    def __init__(self, options: Any) -> None:
        pass


class Speechless(Sound):
    translate = None  # type: ignore[assignment]


class Unnamed(Sound):
    names = ("net",)


class ListOfNetworks(Sound):
    def networks(self) -> Any:
        return list(self.nets.values())


class StaysBehind(Sound):
    def __init__(self, options: Any, context: ModelContext) -> None:
        super().__init__(options, replace(context, device=torch.device("cpu")))


class Crashing(Sound):
    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        raise ValueError("expected 3 channels")


class NotANumber(Sound):
    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        return {**super().training_step(batch), "entropy": (torch.zeros(()).log() * 0).detach()}


class HoldsItsGraph(Sound):
    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        super().training_step(batch)
        return {"pixel": (self.net(batch.source) - batch.target).abs().mean()}


class NamelessLoss(Sound):
    def training_step(self, batch: Batch) -> Any:
        return super().training_step(batch)["pixel"]


class ForgottenNetwork(Sound):
    def __init__(self, options: Any, context: ModelContext) -> None:
        super().__init__(options, context)
        self.nets["discriminator"] = network().to(context.device)


class DrawsElsewhere(Sound):
    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        noise = torch.from_numpy(np.random.default_rng().normal(0, 0.1, tuple(batch.source.shape))).float()
        return super().training_step(Batch(batch.source + noise, batch.target, batch.mask))


class PickledState(Sound):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "where": Path("weights")}


class ForgetsItsCount(Sound):
    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict({**state, "steps": 0})


class CannotLoad(Sound):
    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict({"networks": state["nets"]})


class Thrifty(Sound):
    """Keeps no optimiser once it is trained."""

    def finished_state(self) -> dict[str, Any]:
        return {name: value for name, value in self.state_dict().items() if name != "optimiser"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict({"optimiser": self.optimiser.state_dict(), **state})


class KeepsAnotherNetwork(Thrifty):
    def finished_state(self) -> dict[str, Any]:
        nets = {name: {key: 0 * weight for key, weight in net.state_dict().items()} for name, net in self.nets.items()}
        return {"nets": nets, "steps": self.steps}


class CannotLoadWhatItKept(Sound):
    def finished_state(self) -> dict[str, Any]:
        return {"nets": self.state_dict()["nets"]}


class HiddenGain(Sound):
    """What it learnt beside its networks is not in its state."""

    gain = 1.0

    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        self.gain *= 0.9
        return super().training_step(batch)

    def translate(self, source: Tensor) -> Tensor:
        return self.gain * super().translate(source)


class TenInOne(Sound):
    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        return [super(TenInOne, self).training_step(batch) for _ in range(10)][-1]


class Averaged(Sound):
    """Translates with a moving average of its weights."""

    follows = True

    def __init__(self, options: Any, context: ModelContext) -> None:
        super().__init__(options, context)
        self.average = copy.deepcopy(self.net)

    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        losses = super().training_step(batch)
        if self.follows:
            with torch.no_grad():
                for kept, value in zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True):
                    kept.copy_(kept.lerp(value, 0.5) if kept.is_floating_point() else value)
        return losses

    def translate(self, source: Tensor) -> Tensor:
        return self.average.eval()(source)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "average": self.average.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.average.load_state_dict(state["average"])


class ForgottenAverage(Averaged):
    follows = False


class UnnormalisedTraining(Sound):
    """Trains in eval() mode: batch normalisation never sees a batch."""

    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        self.net.eval()
        losses = super().training_step(batch)
        self.net.train()
        return losses


class ForgetsItsOptimiser(Sound):
    def state_dict(self) -> dict[str, Any]:
        return {name: value for name, value in super().state_dict().items() if name != "optimiser"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict({**state, "optimiser": self.optimiser.state_dict()})


class Cropping(Sound):
    def translate(self, source: Tensor) -> Tensor:
        return super().translate(source)[..., 1:-1]


class Loud(Sound):
    def translate(self, source: Tensor) -> Tensor:
        return 3 * super().translate(source)


class Integers(SoundCopy):
    def translate(self, source: Tensor) -> Tensor:
        return source.round().long()


class Undefined(SoundCopy):
    def translate(self, source: Tensor) -> Tensor:
        return source / (source.std() * 0)


class OneAtATime(SoundCopy):
    def translate(self, source: Tensor) -> Tensor:
        return source.reshape(-1, 4, *source.shape[1:]).flatten(0, 1)


class Gambler(Sound):
    """Dropout is still on while it translates."""

    def translate(self, source: Tensor) -> Tensor:
        self.net.eval()
        self.net[2].train()
        output = self.net(source)
        self.net.train()
        return output


class SeesItsNeighbours(SoundCopy):
    def translate(self, source: Tensor) -> Tensor:
        return (source - source.mean()).clamp(-1, 1)


class InPlace(SoundCopy):
    def translate(self, source: Tensor) -> Tensor:
        return source.mul_(0.5)


class StaysInEval(Sound):
    def translate(self, source: Tensor) -> Tensor:
        return self.net.eval()(source)


class FirstChannel(SoundCopy):
    def translate(self, source: Tensor) -> Tensor:
        return source[:, :1].clone()


class NotPointwise(SoundCopy):
    def translate(self, source: Tensor) -> Tensor:
        return source.roll(1, -1)


class OwnDice(SoundDrawer):
    def sample(self, count: int, generator: torch.Generator) -> Samples:
        return super().sample(count, torch.Generator().manual_seed(int(torch.randint(1 << 30, ()))))


class WordlessProvenance(SoundCopy):
    def provenance(self) -> Mapping[str, Any]:
        return {"version": 3}


@dataclass(frozen=True)
class Options:
    width: int = field(default=4, metadata={"help": "channels"})


@dataclass(frozen=True)
class Undefaulted:
    width: int = field(metadata={"help": "channels"})


@dataclass(frozen=True)
class Mistyped:
    width: int = field(default="four", metadata={"help": "channels"})  # type: ignore[assignment]


@dataclass(frozen=True)
class Unexplained:
    width: int = 4


class Strict(Sound):
    def __init__(self, options: Any, context: ModelContext) -> None:
        if options.width < 1:
            raise UsageError("strict.width: less than 1")
        super().__init__(options, context)


class Extendable(Sound):
    """Its rate falls to zero as the recipe says."""

    extendable = True
    early = 0.0

    def __init__(self, options: Any, context: ModelContext) -> None:
        super().__init__(options, context)
        self.budget, self.start = context.steps, (context.recipe.decay_from - self.early) * context.steps

    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        left = (self.budget - self.steps) / (self.budget - self.start) if self.steps > self.start else 1.0
        self.optimiser.param_groups[0]["lr"] = 1e-2 * left
        return super().training_step(batch)


class DecaysTooEarly(Extendable):
    early = 0.4


@dataclass(frozen=True)
class Searched:
    width: int = field(default=4, metadata={"help": "channels", "search": Range(2, 8, source="any")})


@dataclass(frozen=True)
class Backwards:
    width: int = field(default=4, metadata={"help": "channels", "search": Range(8, 2, source="any")})


@dataclass(frozen=True)
class Elsewhere:
    width: int = field(default=4, metadata={"help": "channels", "search": Range(8, 16, source="any")})


class Lacking(Sound):
    def __init__(self, options: Any, context: ModelContext) -> None:
        raise Unavailable("weights missing")


def conforming(implementation: type, more: Mapping[str, Any], promises: Mapping[str, Any]) -> ModelTests:
    """A subclass as a plugin's author writes it."""
    spec = ModelSpec("planted", f"{implementation.__module__}:{implementation.__name__}", **more)
    return type("TestPlanted", (ModelTests,), {"spec": spec, "image_size": (16, 16), **promises})()


FITTED, FIXED = {"kind": "fitted"}, {"kind": "fixed"}
DRAWN = {"kind": "fixed", "output": "samples"}
WIDTH = {"options": Options}
SEVERAL = {"channels": "several"}


@pytest.mark.parametrize(
    ("sound", "more", "promises"),
    [
        (Sound, {}, {}),
        (Sound, {"pairing": "unpaired"}, {}),
        (SoundFit, FITTED, {}),
        (SoundCopy, FIXED, {}),
        (FirstChannel, FIXED | SEVERAL, {}),
        (SoundDrawer, DRAWN, {}),
        (Strict, WIDTH, {"refused": ({"width": 0},), "options": {"width": 2}}),
        (TenInOne, {"updates": 10}, {}),
        (Averaged, {}, {}),
        (ForgottenNetwork, {}, {"resting": ("discriminator",)}),
        (Lacking, {}, {}),
        (Extendable, {"options": Searched}, {}),
        (Thrifty, {}, {}),
    ],
)
def test_a_sound_model_passes(sound: type, more: Any, promises: Any) -> None:
    assert failures(conforming(sound, more, promises)) == {}


FAULTS = [
    (Unbuilt, {}, "test_builds_what_its_kind_asks_for", "its factory raised TypeError"),
    (Speechless, {}, "test_builds_what_its_kind_asks_for", "kind 'trained' without translate()"),
    (SoundCopy, FITTED, "test_builds_what_its_kind_asks_for", "without fit, state_dict, load_state_dict()"),
    (Unnamed, {}, "test_names_its_networks", "no network is called 'generator' (net)"),
    (ListOfNetworks, {}, "test_names_its_networks", "return {name: torch.nn.Module}"),
    (StaysBehind, {}, "test_is_built_on_the_device_it_is_told", "network generator is not on the context's device"),
    (Crashing, {}, "test_trains_and_says_its_losses", "training_step() raised ValueError: expected 3 channels"),
    (Sound, SEVERAL, "test_takes_several_channels_where_it_says_so", "built for 6 channels it raised RuntimeError"),
    (SoundCopy, FIXED | SEVERAL, "test_takes_several_channels_where_it_says_so", "of 6 channels gave shape"),
    (NotANumber, {}, "test_trains_and_says_its_losses", "loss 'entropy' is nan"),
    (HoldsItsGraph, {}, "test_trains_and_says_its_losses", "loss 'pixel' still holds its graph"),
    (NamelessLoss, {}, "test_trains_and_says_its_losses", "return the loss terms by name"),
    (ForgottenNetwork, {}, "test_every_network_learns", "network 'discriminator' has the same weights after 4 steps"),
    (DrawsElsewhere, {}, "test_the_same_seed_trains_the_same_model", "two trainings from the same seed differ"),
    (TenInOne, {}, "test_a_step_is_as_many_updates_as_it_says", "40 times in 4 steps, and it declares 1 a step"),
    (ForgottenAverage, {}, "test_what_it_translates_with_is_trained", "translates with average.0.weight, which is as"),
    (UnnormalisedTraining, {}, "test_what_it_translates_with_is_trained", "nets.generator.1.running_mean, which is as"),
    (PickledState, {}, "test_its_state_is_plain", "Path at ['where']; keep dicts, lists, tensors"),
    (ForgetsItsCount, {}, "test_its_state_makes_a_new_model_the_same", "['steps']: 4 and 0; load everything"),
    (CannotLoad, {}, "test_its_state_makes_a_new_model_the_same", "load_state_dict() raised KeyError"),
    (HiddenGain, {}, "test_its_state_makes_a_new_model_the_same", "something that translate() uses is missing"),
    (KeepsAnotherNetwork, {}, "test_what_it_keeps_once_finished_is_enough", "its networks differ"),
    (CannotLoadWhatItKept, {}, "test_what_it_keeps_once_finished_is_enough", "load_state_dict() raised KeyError"),
    (ForgetsItsOptimiser, {}, "test_continues_after_a_kill_as_if_nothing_had_been", "stopped after 2 of 4 steps"),
    (DecaysTooEarly, {}, "test_trains_the_same_until_its_rate_decays", "do not say `extendable`"),
    (Sound, {"options": Backwards}, "test_declared_search_spaces_make_sense", "search space 8 to 2 is empty"),
    (Sound, {"options": Elsewhere}, "test_declared_search_spaces_make_sense", "leaves out its default, 4"),
    (Cropping, {}, "test_translates_to_images", "gave shape (4, 1, 16, 14) where (4, 1, 16, 16)"),
    (Loud, {}, "test_translates_to_images", "keep to [-1, 1], by tanh or clamp"),
    (Integers, FIXED, "test_translates_to_images", "gave torch.int64"),
    (Undefined, FIXED, "test_translates_to_images", "NaN or infinite"),
    (OneAtATime, FIXED, "test_translates_to_images", "translate() raised RuntimeError on (1, 1, 16, 16)"),
    (Gambler, {}, "test_translates_the_same_again", "put networks in eval() mode"),
    (SeesItsNeighbours, FIXED, "test_translates_each_slice_by_itself", "must not see the other patients"),
    (InPlace, FIXED, "test_translating_leaves_its_input_alone", "translate() changed its input"),
    (StaysInEval, {}, "test_translating_changes_no_state", "['training']['generator']: True and False"),
    (NotPointwise, FIXED, "test_is_pointwise_where_it_says_so", "leave out `pointwise`"),
    (OwnDice, DRAWN, "test_draws_images_and_structures", "draw from the generator that is handed over"),
    (WordlessProvenance, FIXED, "test_runs_as_a_cell", "provenance 'version' is 3; give texts by name"),
    (Sound, {"options": Undefaulted}, "test_every_option_has_a_default_and_says_what_it_is", "has no default"),
    (Sound, {"options": Mistyped}, "test_every_option_has_a_default_and_says_what_it_is", "'four' is not int"),
    (Sound, {"options": Unexplained}, "test_every_option_has_a_default_and_says_what_it_is", "says nothing of itself"),
]  # fmt: skip


@pytest.mark.parametrize(("faulty", "more", "check", "message"), FAULTS)
def test_a_planted_fault_fails_the_check_that_names_it(faulty: type, more: Any, check: str, message: str) -> None:
    failed = failures(conforming(faulty, more, {}))
    assert list(failed) == [check], failed
    assert message in failed[check]
    assert failed[check].startswith("model planted: ")


def test_options_that_should_be_refused_and_are_not() -> None:
    failed = failures(conforming(Sound, WIDTH, {"refused": ({"width": 0},)}))
    assert list(failed) == ["test_unknown_options_are_refused"]
    assert "was built with {'width': 0}" in failed["test_unknown_options_are_refused"]


def test_a_factory_that_is_not_there() -> None:
    tests = conforming(Sound, {}, {})
    type(tests).spec = ModelSpec("planted", "nowhere.model:Net")
    failed = failures(tests)
    assert list(failed) == ["test_builds_what_its_kind_asks_for"]
    assert "'nowhere.model:Net' cannot be loaded: ModuleNotFoundError" in failed["test_builds_what_its_kind_asks_for"]


class TestInPytest(ModelTests):
    """The kit as a plugin's author uses it; pytest collects the checks from here."""

    spec = ModelSpec("sound", f"{__name__}:Sound")
    image_size = (16, 16)
