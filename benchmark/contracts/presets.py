"""How large a run is: the sizes of the embedded data and the training recipe that every model gets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmark.contracts import options
from benchmark.contracts.search import Choices, Range
from benchmark.errors import UsageError, unknown_name

DATA_SEED = 1806
"""Seed of the embedded data where none is given: patients on which nothing of this project was tuned."""
TUNING_SEEDS = range(10)
"""Seeds of the embedded data on which tasks and recipes were tuned (the defaults here: on 0), and on which you may tune
yours. Their tables say so."""


MOST_CONTEXT = 16
"""More neighbouring slices on either side are a slip of the hand."""


@dataclass(frozen=True)
class DataSize:
    """Size of an embedded data set: in-plane pixels, patients per split, slices kept per patient."""

    image_size: int
    train: int
    validation: int
    test: int
    slices: int


@dataclass(frozen=True)
class Recipe:
    """The training budget, optimiser settings and augmentation, the same for every model unless its record says
    otherwise.

    ``steps`` counts calls of ``training_step``; with ``epochs`` set it is derived from the training slices
    instead. ``decay_from`` is the fraction of the budget after which the learning rate falls linearly to
    zero (1: never).
    """

    steps: int
    batch_size: int
    learning_rate: float = field(
        metadata={
            "search": Range(
                1e-4, 1e-2, log=True, source="2e-4 in pix2pix, CycleGAN and MedGAN at 256x256; 3e-3 here at 64x64"
            )
        }
    )
    beta1: float = field(
        default=0.5,
        metadata={"search": Choices((0.5, 0.9), source="0.5: DCGAN section 4, pix2pix, CycleGAN; 0.9: Adam's own")},
    )
    beta2: float = 0.999
    decay_from: float = 1.0
    filters: int = 64
    """Width of the first layer of generators."""
    discriminator_filters: int = 64
    epochs: int | None = None
    jitter: float = 1.0
    """Training images are enlarged by this ratio and cut at a random place to their size again; 1: never."""
    flip: bool = False
    """Training images are mirrored left to right with probability 1/2, where the anatomy allows it."""
    context: int = 0
    """So many neighbouring slices on either side are shown beside each slice; at the ends of a stack the end slice
    again."""

    def budget(self, training_slices: int) -> int:
        """Number of training steps for a data set with this many training slices."""
        if self.epochs is None:
            return self.steps
        return self.epochs * max(1, training_slices // self.batch_size)

    def changed(self, values: Mapping[str, Any]) -> Recipe:
        """A copy with some fields replaced; strings are read as the field's type. ``steps`` alone ends ``epochs``.

        Raises:
            UsageError: a field that a recipe does not have, or a value that no training can use.
        """
        if "steps" in values:
            if values.get("epochs") is not None:
                raise UsageError("recipe: give steps or epochs, not both")
            values = {**values, "epochs": None}
        changed = replace(self, **options.resolve("recipe", Recipe, asdict(self), values))
        changed._check()
        return changed

    def _check(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"recipe.{name}: {value} is not finite")
        whole = ("batch_size", "filters", "discriminator_filters", "steps" if self.epochs is None else "epochs")
        for name in whole:
            if getattr(self, name) < 1:
                raise UsageError(f"recipe.{name}: {getattr(self, name)} is less than 1")
        for name, fits, rule in (
            ("context", 0 <= self.context <= MOST_CONTEXT, f"from 0 to {MOST_CONTEXT}"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("beta1", 0 <= self.beta1 < 1, "from 0 to below 1"),
            ("beta2", 0 <= self.beta2 < 1, "from 0 to below 1"),
            ("decay_from", 0 <= self.decay_from <= 1, "from 0 to 1"),
            ("jitter", 1 <= self.jitter <= 2, "from 1 to 2"),
        ):
            if not fits:
                raise UsageError(f"recipe.{name}: {getattr(self, name):g} is not {rule}")


@dataclass(frozen=True)
class Preset:
    """A named size of run."""

    name: str
    summary: str
    data: DataSize
    recipe: Recipe


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "smoke",
            "does the whole line work: minutes for a whole grid, numbers mean nothing",
            DataSize(image_size=64, train=4, validation=2, test=3, slices=4),
            Recipe(steps=12, batch_size=2, learning_rate=1e-3, filters=8, discriminator_filters=8),
        ),
        Preset(
            "small",
            "64x64, trains on two CPU cores in minutes; methods separate from baselines",
            DataSize(image_size=64, train=24, validation=4, test=20, slices=10),
            Recipe(
                steps=300,
                batch_size=4,
                learning_rate=3e-3,
                decay_from=0.25,
                filters=16,
                discriminator_filters=16,
            ),
        ),
        Preset(
            "medium",
            "128x128, hours on a CPU, minutes on a GPU",
            DataSize(image_size=128, train=40, validation=6, test=20, slices=24),
            Recipe(steps=6000, batch_size=4, learning_rate=5e-4, filters=32, discriminator_filters=32),
        ),
        Preset(
            "paper",
            "256x256, the published recipe (batch 1, Adam 2e-4, 200 epochs, jitter and mirroring); needs a GPU",
            DataSize(image_size=256, train=38, validation=4, test=20, slices=50),
            Recipe(
                steps=0,
                epochs=200,
                batch_size=1,
                learning_rate=2e-4,
                filters=64,
                discriminator_filters=64,
                jitter=286 / 256,
                flip=True,
            ),
        ),
    )
}


def preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise unknown_name("preset", name, PRESETS) from None
