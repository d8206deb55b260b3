"""How the kit makes, trains and runs a model: on a tiny data set, as a cell does."""

from __future__ import annotations

import tempfile
import unittest
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from benchmark.cell import checkpoints
from benchmark.cell.batches import Batches, Slices
from benchmark.cell.build import build_model, model_context
from benchmark.contracts.protocols import Batch
from benchmark.contracts.specs import ModelSpec
from benchmark.data.format.facts import DataFacts
from benchmark.data.format.reader import Dataset
from benchmark.errors import Unavailable
from benchmark.plan.claim import CellSpec
from benchmark.testing import tiny
from benchmark.testing.components import ComponentTests, load


class ModelCase(ComponentTests):
    """One model and what its tests are told of it."""

    kind = "model"
    spec: ClassVar[ModelSpec]
    """The model's record."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Options that make it quick, over those of preset ``smoke``."""
    image_size: ClassVar[tuple[int, int]] = (64, 64)
    """Rows and columns of the tiny images: a size that the model can take."""
    steps: ClassVar[int] = 4
    """Training steps, 2 at least; a cell is stopped half-way and continued."""
    resting: ClassVar[tuple[str, ...]] = ()
    """Networks that these few steps leave as they are."""
    refused: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Sets of options that the model's factory refuses with a ``UsageError``."""

    # -- how the model is made and used -------------------------------------------------------------------

    def make(self, device: str = "cpu", *, recipe: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """A fresh model as a cell builds it, seed 0; where it lacks weights or a library its checks are skipped."""
        load(self.spec)
        spec = self.cell(**options)
        if recipe:
            spec = replace(spec, recipe={**spec.recipe, **recipe})
        facts, train, _ = self._read()
        try:
            return build_model(
                self.spec, spec, model_context(replace(facts, training_slices=len(train)), spec, torch.device(device))
            )
        except Unavailable as reason:
            raise unittest.SkipTest(f"{self.spec.name}: {reason}") from None

    def train(self, model: Any, device: str = "cpu") -> list[Mapping[str, Tensor | float]]:
        """Train it as its kind is trained; the loss terms of each step."""
        _, slices, _ = self._read()
        if self.spec.kind == "fitted":
            model.fit(slices)
        if self.spec.kind != "trained":
            return []
        unpaired = self.spec.pairing == "unpaired"
        batches = Batches(slices, 2, 0, unpaired=unpaired, device=torch.device(device))
        return [model.training_step(batches[step]) for step in range(self.steps)]

    def images(self) -> Batch:
        """The four test slices, in [-1, 1]."""
        _, _, found = self._read()
        target, mask = (torch.from_numpy(each)[:, None] for each in (found.target, found.mask))
        return Batch(torch.from_numpy(found.source), target, mask.float())

    def translated(self, model: Any, source: Tensor) -> Tensor:
        """A translation as the harness makes it."""
        with torch.no_grad():
            output: Tensor = model.translate(source)
        return output

    def trained(self) -> Any:
        """A trained model; made once and never changed by a check that passes."""

        def make() -> Any:
            model = self.make()
            self.train(model)
            return model

        self._needs("test_names_its_networks", "test_trains_and_says_its_losses")
        return self._once("trained", make)

    # -- helpers ------------------------------------------------------------------------------------------

    @property
    def draws(self) -> bool:
        """Whether it draws images instead of translating any."""
        return self.spec.output == "samples"

    def trained_or_built(self) -> Any:
        """A trained model, or one with nothing to learn."""
        if self.spec.kind != "fixed":
            return self.trained()
        self._needs("test_builds_what_its_kind_asks_for")
        return self._once("built", self.make)

    def check_images(self, output: Any, shape: torch.Size, what: str) -> None:
        assert isinstance(output, Tensor), self._says(f"{what} gave {kind_of(output)}", "return a tensor (N, 1, H, W)")
        assert output.shape == shape, self._says(
            f"{what} gave shape {tuple(output.shape)} where {tuple(shape)} was asked for", "return (N, 1, H, W)"
        )
        assert output.is_floating_point(), self._says(
            f"{what} gave {output.dtype}", "return floating point, float32 best"
        )
        assert bool(torch.isfinite(output).all()), self._says(
            f"{what} gave NaN or infinite values", "guard logarithms and divisions"
        )
        low, high = float(output.min()), float(output.max())
        assert max(-low, high) <= 1 + 1e-4, self._says(
            f"{what} gave values in [{low:.3g}, {high:.3g}]", "keep to [-1, 1], by tanh or clamp"
        )

    def folder(self) -> Path:
        """A folder that goes when the tests end."""
        held = self._once("folder", tempfile.TemporaryDirectory)
        return Path(held.name)

    def data(self) -> Path:
        """The tiny data set."""

        def write() -> Path:
            path = self.folder() / "tiny.h5"
            tiny.write(path, tiny.task_for(self.spec), self.image_size)
            return path

        return self._once("data", write)

    def _read(self) -> tuple[DataFacts, Slices, Slices]:
        """What is read of the tiny data: facts, training slices, test slices."""

        def read() -> tuple[DataFacts, Slices, Slices]:
            with Dataset(self.data()) as dataset:
                return DataFacts.of(dataset), Slices(dataset, "train"), Slices(dataset, "test")

        return self._once("read", read)

    def cell(self, **options: Any) -> CellSpec:
        """The cell that the model is trained in."""
        values = {**self.options, **options}
        return self._once(f"cell {values}", lambda: tiny.cell(self.spec, self.data(), steps=self.steps, options=values))

    def run(self, spec: CellSpec, folder: Path, stop: Callable[[], bool] = lambda: False) -> None:
        """Run the cell to its commit."""
        tiny.run(spec, folder, tiny.registry_with(self.spec, tiny.task_for(self.spec)), stop)

    def checkpoint(self, spec: CellSpec, folder: Path) -> dict[str, Any]:
        """The model's state in the checkpoint that a cell left."""
        found = checkpoints.load(folder / "checkpoint.pt", spec.id, torch.device("cpu"))
        assert found is not None, "the kit's cell left no checkpoint"
        return found.model


def largest(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def kind_of(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
