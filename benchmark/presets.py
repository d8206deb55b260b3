"""How large a run is: the sizes of the embedded data and the training budget that every model gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmark.errors import unknown_name


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
    """The training budget and optimiser settings, the same for every model unless its record says otherwise.

    ``steps`` counts calls of ``training_step``; with ``epochs`` set it is derived from the training slices
    instead. ``decay_from`` is the fraction of the budget after which the learning rate falls linearly to
    zero (1: never).
    """

    steps: int
    batch_size: int
    learning_rate: float
    beta1: float = 0.5
    beta2: float = 0.999
    decay_from: float = 1.0
    filters: int = 64
    """Width of the first layer of generators."""
    discriminator_filters: int = 64
    epochs: int | None = None

    def budget(self, training_slices: int) -> int:
        """Number of training steps for a data set with this many training slices."""
        if self.epochs is None:
            return self.steps
        return self.epochs * max(1, training_slices // self.batch_size)

    def changed(self, values: Mapping[str, Any]) -> Recipe:
        """A copy with some fields replaced."""
        return replace(self, **values)


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
            DataSize(image_size=64, train=24, validation=4, test=12, slices=10),
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
            DataSize(image_size=128, train=40, validation=6, test=16, slices=24),
            Recipe(steps=6000, batch_size=4, learning_rate=5e-4, filters=32, discriminator_filters=32),
        ),
        Preset(
            "paper",
            "256x256, the published recipe (batch 1, Adam 2e-4, 200 epochs); needs a GPU",
            DataSize(image_size=256, train=38, validation=4, test=12, slices=50),
            Recipe(steps=0, epochs=200, batch_size=1, learning_rate=2e-4, filters=64, discriminator_filters=64),
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
