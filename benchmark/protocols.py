"""What the implementation behind a record must give: protocols, not base classes.

Images inside the harness are single-channel: ``(N, 1, H, W)`` float32 tensors in [-1, 1] for models,
``(H, W)`` or ``(Z, H, W)`` float64 arrays in physical units for metrics. The map between the two is the
data set's :class:`benchmark.data.intensity.IntensityMap`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmark.data.intensity import IntensityMap
from benchmark.presets import DataSize, Recipe

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn


@dataclass(frozen=True)
class TaskInfo:
    """What a model may know of the task it is built for.

    ``image_size`` is (height, width) in pixels. ``source`` and ``target`` map physical units to [-1, 1].
    """

    name: str
    source_modality: str
    target_modality: str
    source: IntensityMap
    target: IntensityMap
    image_size: tuple[int, int]
    training_slices: int


@dataclass(frozen=True)
class ModelContext:
    """What the harness hands to a model's factory beside its options. Torch is already seeded."""

    task: TaskInfo
    recipe: Recipe
    steps: int
    """The budget: how many times ``training_step`` will be called."""
    device: torch.device
    preset: str
    training: bool = True
    """False: built only to translate with stored weights; what only losses need can be left out."""


@dataclass(frozen=True)
class Batch:
    """One training batch on the model's device: ``(N, 1, H, W)`` float32, images in [-1, 1], mask in {0, 1}.

    For a model that asked for unpaired data, ``source`` and ``target`` come from independently drawn slices;
    ``mask`` then belongs to ``target``.
    """

    source: Tensor
    target: Tensor
    mask: Tensor


class Translator(Protocol):
    """What every model can do."""

    def translate(self, source: Tensor) -> Tensor:
        """Translate ``(N, 1, H, W)`` images in [-1, 1]; same shape and range. Must not change its input."""
        ...


class FixedModel(Translator, Protocol):
    """A model without anything to learn. Factory: ``factory(options, context) -> FixedModel``."""


class Stateful(Translator, Protocol):
    """A model whose state can be stored without pickle: nested dicts and lists of tensors and plain numbers."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class TrainedModel(Stateful, Protocol):
    """A model trained step by step by the harness. Factory: ``factory(options, context) -> TrainedModel``.

    ``state_dict`` holds *everything* that the next ``training_step`` depends on beside torch's random state:
    networks, optimisers, schedulers, replay pools.

    A model may also have ``provenance() -> Mapping[str, str]``: facts for the record, such as the name and
    checksum of the pretrained features it uses.
    """

    def training_step(self, batch: Batch) -> Mapping[str, Tensor | float]:
        """Update all networks once; return the loss terms (detached) by name, for the log."""
        ...

    def networks(self) -> Mapping[str, nn.Module]:
        """All trainable networks. Those that ``translate`` uses are called ``generator`` or ``generator_...``."""
        ...


class TrainingSlices(Protocol):
    """The training slices as arrays, for models that train themselves."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
        """Source and target in [-1, 1] and the region mask, each ``(H, W)``."""
        ...


class FittedModel(Stateful, Protocol):
    """A model that trains itself in one call. Factory: ``factory(options, context) -> FittedModel``."""

    def fit(self, slices: TrainingSlices) -> None: ...


class Metric(Protocol):
    """Scores one translated slice. Factory: ``factory(**options) -> Metric``.

    The factory raises :class:`benchmark.Unavailable` when something it needs (weights, say) is missing.
    """

    def score(
        self,
        prediction: NDArray[np.float64],
        target: NDArray[np.float64],
        mask: NDArray[np.bool_],
        data_range: tuple[float, float],
    ) -> float:
        """Score ``(H, W)`` images in the target's physical unit inside ``mask`` (never empty).

        ``data_range`` is the profile's (low, high). Undefined values are NaN; a perfect PSNR is infinite.
        """
        ...


@dataclass(frozen=True)
class BuildRequest:
    """What a task's builder is asked for: one ``mi2i/1`` file at ``path``, deterministic in ``seed``.

    Write it with :class:`benchmark.data.writer.DatasetWriter`.
    """

    task: str
    path: Path
    size: DataSize
    seed: int
    options: Any
    report: Callable[[str], None]
