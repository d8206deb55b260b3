"""What every model has to do, as tests that a model's author subclasses.

The real path is run on a tiny data set: build, train, checkpoint, kill, resume, translate, score, commit. Each
failure says what was seen and what to change.
"""

from __future__ import annotations

import unittest
from collections.abc import Mapping

import torch
from torch import nn

from benchmark.contracts import options as option_values
from benchmark.errors import UsageError
from benchmark.testing import tiny
from benchmark.testing.components import NOBODYS_OPTION
from benchmark.testing.model_case import largest
from benchmark.testing.model_channels import ChannelTests
from benchmark.testing.model_training import TrainingTests
from benchmark.testing.model_translating import CLOSE, TranslatingTests
from benchmark.testing.processes import in_child

METHODS = {
    "trained": ("training_step", "networks", "state_dict", "load_state_dict"),
    "fitted": ("fit", "state_dict", "load_state_dict"),
    "fixed": (),
}
"""What a model of a kind needs beside ``translate`` or ``sample``."""


class ModelTests(TrainingTests, TranslatingTests, ChannelTests):
    """Conformance tests of one model. Subclass and set :attr:`spec`; ``Test`` must begin the subclass's name."""

    # -- the checks: building -----------------------------------------------------------------------------

    def test_unknown_options_are_refused(self) -> None:
        """An option that a model does not have is an error, never ignored."""
        try:
            option_values.resolve(self.spec.name, self.spec.options, {NOBODYS_OPTION: 1})
        except UsageError:
            pass
        else:
            self._fail(f"took the option {NOBODYS_OPTION!r}", "make options a dataclass with a field for each option")
        for values in self.refused:
            try:
                self.make(**values)
            except UsageError:
                continue
            self._fail(
                f"was built with {dict(values)}", "raise benchmark.UsageError in the factory, or correct `refused`"
            )

    def test_builds_what_its_kind_asks_for(self) -> None:
        """Its factory gives an object with the methods of its kind."""
        self._needs("test_every_option_has_a_default_and_says_what_it_is")
        try:
            model = self.make()
        except (AssertionError, unittest.SkipTest):
            raise
        except Exception as error:
            raise AssertionError(
                self._says(
                    f"its factory raised {type(error).__name__}: {error}",
                    "it is called as factory(options, context); see benchmark.contracts.protocols.ModelContext",
                )
            ) from error
        wanted = ("sample" if self.draws else "translate", *METHODS[self.spec.kind])
        missing = [name for name in wanted if not callable(getattr(model, name, None))]
        assert not missing, self._says(
            f"kind {self.spec.kind!r} without {', '.join(missing)}()",
            "add what is missing, or correct kind in the ModelSpec",
        )

    def test_names_its_networks(self) -> None:
        """``networks()`` gives modules by name, and those that translate are called ``generator...``."""
        self._only_if(self.spec.kind == "trained", "is not trained by the harness")
        self._needs("test_builds_what_its_kind_asks_for")
        found = self.make().networks()
        modules = isinstance(found, Mapping) and all(isinstance(each, nn.Module) for each in found.values())
        assert modules, self._says(f"networks() gave {found!r:.80}", "return {name: torch.nn.Module}")
        generators = [name for name in found if name.startswith("generator")]
        assert generators, self._says(
            f"no network is called 'generator' ({', '.join(found)})",
            "name those that translate uses 'generator' or 'generator_...': leaderboards count their parameters",
        )

    def test_is_built_on_the_device_it_is_told(self) -> None:
        """No network stays behind on the CPU; torch's meta device stands in for a GPU."""
        self._only_if(self.spec.kind == "trained", "has no networks that the harness trains")
        self._needs("test_names_its_networks")
        try:
            found = self.make(device="meta").networks()
        except (NotImplementedError, RuntimeError) as error:
            raise unittest.SkipTest(f"{self.spec.name} cannot be built without values: {error}") from None
        behind = [name for name, each in found.items() for tensor in each.parameters() if tensor.device.type != "meta"]
        assert not behind, self._says(
            f"network {', '.join(dict.fromkeys(behind))} is not on the context's device",
            "build it with .to(context.device)",
        )

    # -- the whole --------------------------------------------------------------------------------------

    def test_runs_as_a_cell(self) -> None:
        """Built, trained, translated, scored and committed as in a run, in a process of its own."""
        self._needs("test_builds_what_its_kind_asks_for")
        self._once("built", self.make)
        ended = self._once("cell", lambda: in_child(lambda: self.run(self.cell(), self.folder() / "cell")))
        if ended:
            self._needs(
                "test_names_its_networks",
                "test_trains_and_says_its_losses",
                "test_its_state_is_plain",
                "test_its_state_makes_a_new_model_the_same",
                "test_what_it_keeps_once_finished_is_enough",
                "test_draws_images_and_structures" if self.draws else "test_translates_to_images",
            )
        assert not ended, self._says(f"as a cell it ended with {ended}", "see docs/plugins.md")
        record = tiny.job(self.cell(), self.folder() / "cell").folder.read()
        assert record is not None, "the kit's cell left no record"
        assert record.done, f"the kit's cell is {record.state}"
        for name, value in record.provenance.items():
            assert isinstance(value, str), self._says(f"provenance {name!r} is {value!r}", "give texts by name")

    def test_moves_between_devices(self) -> None:
        """Trained on a GPU it translates as on the CPU, and back; only where there is a GPU."""
        self._only_if(torch.cuda.is_available(), "could only be tried on the CPU")
        self._only_if(self.spec.kind != "fixed" and not self.draws, "has no state that moves")
        self._needs("test_its_state_makes_a_new_model_the_same")
        here, there = self.make(), self.make(device="cuda")
        self.train(there, "cuda")
        path = self.folder() / "moved.pt"
        torch.save(there.state_dict(), path)
        here.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        source = self.images().source
        one, other = self.translated(here, source), self.translated(there, source.cuda()).cpu()
        assert torch.allclose(one, other, atol=20 * CLOSE), self._says(
            f"translations on GPU and CPU differ by up to {largest(one, other):.2g}",
            "make new tensors on the device of what they are used with",
        )
        there.load_state_dict(torch.load(path, map_location="cuda", weights_only=True))
        self.train(there, "cuda")
