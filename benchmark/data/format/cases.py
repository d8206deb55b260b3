"""What a data set holds once it is read: a case, its sides where one may be missing, what the file says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.contracts.channels import Channel, joined
from benchmark.contracts.intensity import IntensityMap
from benchmark.data.format.schema import CHANNELS_SCHEMA, SCHEMA, CaseKey, Side, nature
from benchmark.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Case:
    """One study in physical units: arrays ``(Z, H, W)``; ``spacing`` (z, y, x) in mm.

    A source of several channels is ``(C, Z, H, W)``, in the order of :attr:`DatasetInfo.sources`.
    """

    key: CaseKey
    source: NDArray[np.float32]
    target: NDArray[np.float32]
    mask: NDArray[np.bool_]
    labels: NDArray[np.uint8] | None
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]

    @property
    def channels(self) -> tuple[NDArray[np.float32], ...]:
        """The source's channels, each ``(Z, H, W)``."""
        return channels_of(self.source)


@dataclass(frozen=True)
class Sides:
    """One study of which a side may be missing: arrays ``(Z, H, W)`` in physical units, spacing (z, y, x) in mm.

    A source of several channels is ``(C, Z, H, W)``.
    """

    key: CaseKey
    source: NDArray[np.float32] | None
    target: NDArray[np.float32] | None
    mask: NDArray[np.bool_]
    spacing: tuple[float, float, float]
    labels: NDArray[np.uint8] | None = None

    @property
    def channels(self) -> tuple[NDArray[np.float32], ...]:
        """The source's channels, each ``(Z, H, W)``; none where the source is missing."""
        return () if self.source is None else channels_of(self.source)


def channels_of(source: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """The channels of a source as a case holds it, each ``(Z, H, W)``."""
    return (source,) if source.ndim == 3 else tuple(source)


@dataclass(frozen=True)
class DatasetInfo:
    """What a file says of itself."""

    path: Path
    task: str
    name: str
    simulated: bool
    sources: tuple[Side, ...]
    """The source's channels, one or several, in the order in which models see them."""
    target: Side
    source_maps: tuple[IntensityMap, ...]
    """Of each channel."""
    target_map: IntensityMap
    image_size: tuple[int, int]
    splits: Mapping[str, tuple[str, ...]]
    cases: tuple[CaseKey, ...]
    slices: Mapping[CaseKey, int]
    content_sha256: str
    provenance: Mapping[str, Any]
    paired: bool = True
    """False: sources and targets of the training split do not belong together."""
    mirror_safe: bool = False
    """The anatomy is as likely mirrored left to right."""

    @property
    def source(self) -> Side:
        """The source.

        Raises:
            DatasetError: it has several channels.
        """
        return self.sources[self._only_channel()]

    @property
    def source_map(self) -> IntensityMap:
        """The source's map.

        Raises:
            DatasetError: it has several channels.
        """
        return self.source_maps[self._only_channel()]

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The source's channels as models are told of them; the only one is called ``source``."""
        described = zip(self.sources, self.source_maps, strict=True)
        return tuple(Channel(side.name or "source", side.modality, fitted) for side, fitted in described)

    @property
    def schema(self) -> str:
        """The layout that the file has."""
        return SCHEMA if len(self.sources) == 1 else CHANNELS_SCHEMA

    @property
    def source_modality(self) -> str:
        """What the source images, all channels in one text."""
        return joined(side.modality for side in self.sources)

    @property
    def source_unit(self) -> str:
        """The unit of the source, of channels in different ones all in one text."""
        return joined(side.unit for side in self.sources)

    def _only_channel(self) -> int:
        if len(self.sources) > 1:
            names = ", ".join(side.name for side in self.sources)
            raise DatasetError(f"{self.path}: its source has {len(self.sources)} channels ({names}), this takes one")
        return 0

    @property
    def degraded(self) -> bool:
        """Sources were made from real images by a simulated degradation."""
        made = self.provenance.get("degradation")
        return isinstance(made, Mapping) and bool(made.get("of_real_images"))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of a table made from these data must know, as ``provenance.remarks`` says."""
        listed = self.provenance.get("remarks", ())
        return tuple(map(str, listed)) if isinstance(listed, list) else ()

    @property
    def nature(self) -> str:
        """What the images are, in words."""
        return nature(self.simulated, self.degraded)

    def in_split(self, split: str) -> tuple[CaseKey, ...]:
        """The cases of a split's patients, sorted."""
        patients = set(self.splits[split])
        return tuple(key for key in self.cases if key.patient in patients)

    def slice_count(self, split: str) -> int:
        """Number of slices in a split."""
        return sum(self.slices[key] for key in self.in_split(split))
