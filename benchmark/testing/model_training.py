"""Conformance tests of how a model trains and what its state holds."""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.cell.plain_states import not_plain
from benchmark.cell.updates import UpdateCounter
from benchmark.testing.model_case import ModelCase, kind_of
from benchmark.testing.processes import in_child
from benchmark.testing.states import difference, tensors

BATCH_STATISTICS = ("running_mean", "running_var")
"""What batch normalisation calls its moving averages, at the end of a name in a state."""


class TrainingTests(ModelCase):
    """Losses, determinism, state, and a cell that is killed and continued."""

    # -- training -----------------------------------------------------------------------------------------

    def test_trains_and_says_its_losses(self) -> None:
        """Each step gives finite loss terms by name, cut loose from their graph."""
        self._needs("test_builds_what_its_kind_asks_for")
        self._only_if(self.spec.kind != "fixed", "learns nothing")
        model = self.make()
        try:
            steps = self.train(model)
        except Exception as error:
            what = "fit()" if self.spec.kind == "fitted" else "training_step()"
            raise AssertionError(
                self._says(
                    f"{what} raised {type(error).__name__}: {error}",
                    "benchmark.contracts.protocols says what it gets",
                )
            ) from error
        for losses in steps:
            named = isinstance(losses, Mapping) and losses and all(isinstance(name, str) for name in losses)
            assert named, self._says(
                f"training_step() gave {losses!r:.60}", "return the loss terms by name, for the log"
            )
            for name, value in losses.items():
                scalar = isinstance(value, float) or (isinstance(value, Tensor) and value.numel() == 1)
                assert scalar, self._says(
                    f"loss {name!r} is {kind_of(value)}", "return a float or a tensor of one value"
                )
                if isinstance(value, Tensor):
                    assert not value.requires_grad, self._says(
                        f"loss {name!r} still holds its graph, and with it the step's memory", "return it .detach()ed"
                    )
                assert torch.isfinite(torch.as_tensor(value)), self._says(
                    f"loss {name!r} is {float(value)}", "guard logarithms and divisions, or lower the learning rate"
                )

    def test_every_network_learns(self) -> None:
        """A step changes the weights of every network but those declared as ``resting``."""
        self._only_if(self.spec.kind == "trained", "is not trained by the harness")
        self._needs("test_names_its_networks")
        before, after = (_weights(model) for model in (self.make(), self.trained()))
        for name, weights in before.items():
            same = all(torch.equal(one, other) for one, other in zip(weights, after[name], strict=True))
            assert not same or not weights or name in self.resting, self._says(
                f"network {name!r} has the same weights after {self.steps} steps",
                "hand its parameters to an optimiser and step it, or list it in `resting`",
            )

    def test_a_step_is_as_many_updates_as_it_says(self) -> None:
        """No network is updated more often in a step than ``updates`` in the ModelSpec says."""
        self._only_if(self.spec.kind == "trained", "is not trained by the harness")
        self._needs("test_trains_and_says_its_losses")
        model = self.make()
        with UpdateCounter() as counter:
            self.train(model)
        most = self.spec.updates * self.steps
        assert counter.most <= most, self._says(
            f"its optimisers updated a network {counter.most} times in {self.steps} steps, and it declares "
            f"{self.spec.updates} a step",
            "budgets count steps: do one update of each network in training_step(), or say ModelSpec(updates=...)",
        )

    def test_what_it_translates_with_is_trained(self) -> None:
        """No moving average of weights, and none of batch normalisation, is used as it was before training."""
        self._only_if(self.spec.kind == "trained" and not self.draws, "has no weights that translate")
        self._needs("test_every_network_learns", "test_its_state_makes_a_new_model_the_same")
        before, after = tensors(self.make().state_dict()), tensors(self.trained().state_dict())
        weights = [weight.detach() for network in self.make().networks().values() for weight in network.parameters()]
        for place, value in after.items():
            start = before.get(place)
            if start is None or start.shape != value.shape or not torch.equal(start, value):
                continue
            if not (str(place[-1]).endswith(BATCH_STATISTICS) or _is_copy(start, weights)):
                continue
            assert not self._translates_with(place), self._says(
                f"it translates with {'.'.join(map(str, place))}, which is as it was before training",
                "update moving averages in training_step(), and train with batch normalisation in train() mode",
            )

    def _translates_with(self, place: tuple[Any, ...]) -> bool:
        """Whether another value at this place of its state gives other translations."""
        state = copy.deepcopy(self.trained().state_dict())
        inner = state
        for key in place[:-1]:
            inner = inner[key]
        with torch.no_grad():
            inner[place[-1]].add_(1.0)
        other = self.make()
        other.load_state_dict(state)
        source = self.images().source
        return not torch.equal(self.translated(self.trained(), source), self.translated(other, source))

    def test_the_same_seed_trains_the_same_model(self) -> None:
        """Two trainings from one seed give the same weights to the bit, on a CPU."""
        self._only_if(self.spec.kind != "fixed", "learns nothing")
        first = self.trained()
        model = self.make()
        self.train(model)
        fault = difference(first.state_dict(), model.state_dict())
        assert not fault, self._says(
            f"two trainings from the same seed differ: {fault}",
            "draw all randomness from torch, numpy or random, which the harness seeds before it builds the model",
        )

    # -- state --------------------------------------------------------------------------------------------

    def test_its_state_is_plain(self) -> None:
        """``state_dict`` holds nested dicts and lists of tensors and plain values: it is read back without pickle."""
        self._only_if(self.spec.kind != "fixed", "has no state")
        fault = not_plain(self.trained().state_dict())
        assert not fault, self._says(
            f"state_dict() holds {fault}", "keep dicts, lists, tensors, numbers and texts only (bytes: a uint8 tensor)"
        )

    def test_its_state_makes_a_new_model_the_same(self) -> None:
        """A fresh model that loads the state has that state, and translates alike."""
        self._only_if(self.spec.kind != "fixed", "has no state")
        self._needs("test_its_state_is_plain")
        model, other = self.trained(), self.make()
        path = self.folder() / "state.pt"
        torch.save(model.state_dict(), path)
        try:
            other.load_state_dict(torch.load(path, weights_only=True))
        except Exception as error:
            raise AssertionError(
                self._says(
                    f"load_state_dict() raised {type(error).__name__}: {error}", "let it take what state_dict() gives"
                )
            ) from error
        fault = difference(model.state_dict(), other.state_dict())
        assert not fault, self._says(
            f"after load_state_dict, state_dict() differs: {fault}", "load everything that state_dict() gives"
        )
        if not self.draws:
            self._needs("test_translates_to_images", "test_translates_the_same_again")
            source = self.images().source
            same = torch.equal(self.translated(model, source), self.translated(other, source))
            assert same, self._says(
                "a fresh model with its state translates otherwise",
                "something that translate() uses is missing from state_dict()",
            )

    def test_what_it_keeps_once_finished_is_enough(self) -> None:
        """A fresh model that loads ``finished_state()`` has the same networks, and translates alike."""
        self._only_if(self.spec.kind == "trained", "is not trained by the harness")
        model, other = self.trained(), self.make()
        self._only_if(hasattr(model, "finished_state"), "keeps all of its state once it is trained")
        self._needs("test_its_state_makes_a_new_model_the_same")
        kept = model.finished_state()
        fault = not_plain(kept)
        assert not fault, self._says(f"finished_state() holds {fault}", "keep a part of what state_dict() gives")
        try:
            other.load_state_dict(kept)
        except Exception as error:
            raise AssertionError(
                self._says(
                    f"load_state_dict() raised {type(error).__name__}: {error}",
                    "let it take what finished_state() gives, too",
                )
            ) from error
        own, loaded = (
            {name: dict(network.state_dict()) for name, network in whose.networks().items()} for whose in (model, other)
        )
        fault = difference(own, loaded)
        assert not fault, self._says(
            f"after load_state_dict(finished_state()) its networks differ: {fault}",
            "keep all networks: --init needs them",
        )
        if not self.draws:
            source = self.images().source
            same = torch.equal(self.translated(model, source), self.translated(other, source))
            assert same, self._says(
                "a fresh model with its finished_state() translates otherwise",
                "something that translate() uses is missing from finished_state()",
            )

    def test_continues_after_a_kill_as_if_nothing_had_been(self) -> None:
        """A cell killed half-way and run again ends with the same state to the bit as one that was not."""
        self._only_if(self.spec.kind == "trained", "is not trained by the harness")
        self._needs(
            "test_runs_as_a_cell",
            "test_the_same_seed_trains_the_same_model",
            "test_its_state_makes_a_new_model_the_same",
            "test_translating_changes_no_state",
        )
        self.trained()
        spec, folder = self.cell(), self.folder() / "killed"
        half = self.steps // 2

        def killed() -> None:
            asked = 0

            def stop() -> bool:
                nonlocal asked
                asked += 1
                return asked == half

            try:
                self.run(spec, folder, stop)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)

        ended = in_child(killed)
        assert ended == "killed by SIGKILL", f"the kit could not kill a cell: {ended}"
        resumed = in_child(lambda: self.run(spec, folder))
        assert not resumed, self._says(
            f"continuing from step {half} raised {resumed}",
            "let load_state_dict() take what state_dict() gives at any step",
        )
        unbroken, again = (self.checkpoint(spec, place) for place in (self.folder() / "cell", folder))
        fault = difference(unbroken, again)
        assert not fault, self._says(
            f"stopped after {half} of {self.steps} steps and continued, its state differs: {fault}",
            "put everything that the next step depends on into state_dict(): optimisers, schedulers, counters, pools",
        )

    def test_trains_the_same_until_its_rate_decays(self) -> None:
        """A model that says it is ``extendable`` has the same state after half its budget, whatever the budget is."""
        self._only_if(self.spec.kind == "trained", "is not trained by the harness")
        self._needs("test_the_same_seed_trains_the_same_model")
        self._only_if(getattr(self.trained(), "extendable", False), "does not say that it is extendable")
        states = []
        for budget, decay_from in ((self.steps * 2, 0.5), (self.steps * 5, 0.75)):
            model = self.make(recipe={"steps": budget, "decay_from": decay_from})
            self.train(model)
            states.append(model.state_dict())
        fault = difference(*states)
        assert not fault, self._says(
            f"it is extendable, and after {self.steps} steps of {self.steps * 2} and of {self.steps * 5} its state "
            f"differs: {fault}",
            "use context.steps and recipe.decay_from for nothing but the decay of the rate, or do not say `extendable`",
        )


def _weights(model: Any) -> dict[str, list[Tensor]]:
    return {name: [each.detach().clone() for each in net.parameters()] for name, net in model.networks().items()}


def _is_copy(value: Tensor, weights: Sequence[Tensor]) -> bool:
    """Whether it starts as one of the weights does, and not as a constant, which many things start as."""
    if not value.is_floating_point() or value.numel() < 2 or bool((value == value.flatten()[0]).all()):
        return False
    return any(weight.shape == value.shape and torch.equal(weight, value) for weight in weights)
