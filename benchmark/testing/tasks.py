"""What every task has to do, as tests that a task's author subclasses.

A small data set is built and read as a run would; each failure says what was seen and what to change.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.contracts import options as option_values
from benchmark.contracts.presets import DataSize
from benchmark.contracts.protocols import BuildRequest
from benchmark.contracts.specs import ModelSpec, ProfileSpec, TaskSpec
from benchmark.data.checks import file as checks
from benchmark.data.checks.problems import Problem
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import SPLITS, source_roles
from benchmark.errors import BenchmarkError, UsageError
from benchmark.registry.plugins import registry
from benchmark.testing import tiny
from benchmark.testing.components import NOBODYS_OPTION, ComponentTests, Elsewhere, load
from benchmark.testing.processes import in_child

LEAKS = ("leakage", "is in both")
"""How the checks of a file begin, or name, a patient or an image that stands in two splits."""


class TaskTests(ComponentTests):
    """Conformance tests of one task. Subclass and set :attr:`spec`; ``Test`` must begin the subclass's name."""

    kind = "task"
    spec: ClassVar[TaskSpec]
    """The task's record."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Options of the builder."""
    size: ClassVar[DataSize] = DataSize(image_size=48, train=3, validation=1, test=2, slices=3)
    """How much is built."""
    profile_installed: ClassVar[bool] = True
    """False: the profile comes from a distribution that these tests do without."""

    # -- the checks ---------------------------------------------------------------------------------------

    def test_unknown_options_are_refused(self) -> None:
        """An option that a task does not have is an error, never ignored."""
        try:
            option_values.resolve(self.spec.name, self.spec.options, {NOBODYS_OPTION: 1})
        except UsageError:
            return
        self._fail(f"took the option {NOBODYS_OPTION!r}", "make options a dataclass with a field for each option")

    def test_writes_a_data_set(self) -> None:
        """The builder writes one ``mi2i/1`` file where it was asked to."""
        load(self.spec)
        folder = self._folder() / "alone"
        folder.mkdir(exist_ok=True)
        try:
            self.build(folder / "data.h5")
        except Exception as error:
            raise AssertionError(
                self._says(
                    f"its builder raised {type(error).__name__}: {error}",
                    "it is called as build(request); see benchmark.contracts.protocols.BuildRequest",
                )
            ) from error
        assert (folder / "data.h5").is_file(), self._says(
            "its builder wrote no file", "write request.path with benchmark.data.format.writer.DatasetWriter"
        )

    def test_the_data_stand_all_checks(self) -> None:
        """Schema, finite values, masks, spacing, and hashes, as ``benchmark data check`` finds them."""
        errors = [each for each in self._problems() if each.severity == "error" and not _leak(each)]
        assert not errors, self._says(*_first(errors))

    def test_nothing_is_in_two_splits(self) -> None:
        """No patient and no image of one split is in another."""
        leaks = [each for each in self._problems() if _leak(each)]
        assert not leaks, self._says(*_first(leaks))

    def test_units_and_modalities_are_as_declared(self) -> None:
        """The file says of its sides what the record says."""
        with self.data() as dataset:
            info = dataset.info
        for what, written, declared in (
            ("source unit", info.source_unit, self.spec.source_unit),
            ("target unit", info.target.unit, self.spec.target_unit),
            ("source modality", info.source_modality, self.spec.source_modality),
            ("number of source channels", len(info.sources), self.spec.source_channels),
            ("target modality", info.target.modality, self.spec.target_modality),
            ("task", info.task, self.spec.name),
            ("simulated", info.simulated, self.spec.simulated),
        ):
            assert written == declared, self._says(
                f"the file's {what} is {written!r}, the record's {declared!r}", "correct the one or the other"
            )

    def test_values_look_like_their_unit(self) -> None:
        """Values and windows of the sides are plausible for the units that they are declared in."""
        self._needs("test_units_and_modalities_are_as_declared")
        with self.data() as dataset:
            info = dataset.info
        roles = (*source_roles(info.sources), "target")
        for role, window in zip(roles, (*info.source_maps, info.target_map), strict=True):
            found = [each for each in self._problems() if each.severity == "warning" and each.where == role]
            assert not found, self._says(*_first(found))
            assert np.isfinite([window.low, window.high]).all(), self._says(
                f"the {role}'s window is {window.low:g}..{window.high:g}", "give a finite one"
            )

    def test_sizes_are_as_asked(self) -> None:
        """As many patients in each split as the preset says, and no more slices a patient."""
        with self.data() as dataset:
            info = dataset.info
        asked = dict(zip(SPLITS, (self.size.train, self.size.validation, self.size.test), strict=True))
        given = {split: len(info.splits[split]) for split in SPLITS}
        assert given == asked, self._says(
            f"patients by split are {given}, asked were {asked}", "follow request.size.train, validation and test"
        )
        most = max(info.slices.values())
        assert most <= self.size.slices, self._says(
            f"a study has {most} slices, asked were {self.size.slices}", "follow request.size.slices"
        )

    def test_the_same_seed_gives_the_same_pixels(self) -> None:
        """Built twice from one seed, the data are the same to the bit."""
        fault = "the same seed gave other data"
        advice = "draw everything from np.random.default_rng([request.seed, ...])"
        assert self._content(0, "again.h5") == self._content(0), self._says(fault, advice)

    def test_another_seed_gives_other_pixels(self) -> None:
        """The seed of the data is used."""
        advice = "draw everything from np.random.default_rng([request.seed, ...])"
        assert self._content(1, "other.h5") != self._content(0), self._says("seeds 0 and 1 gave the same data", advice)

    def test_its_profile_can_score_it(self) -> None:
        """The metric profile that the record names is installed, and scores targets in this unit."""
        self._only_if(self.profile_installed, "is scored by a profile that these tests do without")
        profile = self._profile()
        assert not profile.units or self.spec.target_unit in profile.units, self._says(
            f"profile {profile.id} scores {', '.join(profile.units)}, the target is in {self.spec.target_unit}",
            "name another: 'benchmark list profiles'",
        )

    def test_runs_as_a_cell(self) -> None:
        """A model translates the data and its profile scores it, as in a run, in a process of its own."""
        self._needs("test_the_data_stand_all_checks", "test_nothing_is_in_two_splits")
        beside = None
        if self.profile_installed:
            self._needs("test_its_profile_can_score_it")
            beside = registry()
        model = ModelSpec("copy", "benchmark.testing.tasks:Copy", kind="fixed")
        with self.data() as dataset:
            path = dataset.path
        profile = self.spec.profile if beside is not None else "error"
        spec = tiny.cell(model, path, steps=1, options={}, task=self.spec, profile=profile)
        found = tiny.registry_with(model, self.spec, beside=beside)
        ended = in_child(lambda: tiny.run(spec, self._folder() / "cell", found))
        assert not ended, self._says(f"a cell on its data ended with {ended}", "mend what it names")

    # -- helpers ------------------------------------------------------------------------------------------

    def build(self, path: Path, seed: int = 0) -> None:
        """Let the builder write a file."""
        values = option_values.resolve(self.spec.name, self.spec.options, self.options)
        built = option_values.build(self.spec.options, values)
        self.spec.load()(BuildRequest(self.spec.name, path, self.size, seed, built, lambda _: None))

    def data(self) -> Dataset:
        """The data set of seed 0, built once."""
        self._needs("test_writes_a_data_set")
        path = self._folder() / "alone" / "data.h5"
        try:
            return Dataset(path)
        except BenchmarkError:
            raise Elsewhere(f"{self.spec.name}: see test_the_data_stand_all_checks") from None

    def _problems(self) -> list[Problem]:
        self._needs("test_writes_a_data_set")
        return self._once("problems", lambda: checks.check(self._folder() / "alone" / "data.h5"))

    def _content(self, seed: int, name: str = "") -> str:
        if not name:
            with self.data() as dataset:
                return dataset.info.content_sha256
        self._needs("test_writes_a_data_set")
        self.build(self._folder() / name, seed)
        with Dataset(self._folder() / name) as dataset:
            return dataset.info.content_sha256

    def _profile(self) -> ProfileSpec:
        try:
            return registry().profile(self.spec.profile).spec
        except UsageError as error:
            raise AssertionError(
                self._says(f"its profile is not installed: {error}", "require the distribution that offers it")
            ) from None

    def _folder(self) -> Path:
        held = self._once("folder", tempfile.TemporaryDirectory)
        return Path(held.name)


class Copy:
    """The source, for the target."""

    def __init__(self, options: None, context: Any) -> None:
        pass

    def translate(self, source: Any) -> Any:
        """The source."""
        return source.clone()


def _leak(problem: Problem) -> bool:
    return any(sign in problem.what for sign in LEAKS)


def _first(problems: list[Problem]) -> tuple[str, str]:
    """The first of several problems, worded as a failure."""
    if not problems:
        return "", ""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0].where}: {problems[0].what}{more}", problems[0].advice
