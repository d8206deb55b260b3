"""Where the training slices lie in their file: those with a region, of each side, in the order they are counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.data.format.reader import Dataset, DatasetInfo
from benchmark.data.format.schema import CaseKey
from benchmark.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPLIT = "train"
"""The split that is streamed: the others are read once, a study at a time."""
SIDE_OF = {"source": "source", "target": "target", "mask": "target"}
"""What is kept of a slice, and the side that it is counted with: the mask belongs to the target."""
MOST_IN_MEMORY = 256 << 20
"""Bytes of training slices up to which a cell holds them: torch itself takes up more, and a file beside the data would
only be in the way. The embedded data of presets smoke and small are far below."""
_BYTES_A_PIXEL = 4 + 4 + 1
"""What a slice takes in network space: two float32 images, and a mask of one byte."""


@dataclass(frozen=True)
class Places:
    """By side, each slice's case (a number in ``keys``) and its number in that case; a mask lies with its target."""

    keys: tuple[CaseKey, ...]
    sides: Mapping[str, NDArray[np.int32]]
    """``(N, 2)`` by ``source`` and ``target``; N differs where the sides are not paired."""


def places(dataset: Dataset) -> Places:
    """Find the training slices; masks are read, one study at a time, and no image.

    Raises:
        DatasetError: a side has no slice with a region, or the file is damaged.
    """
    import numpy as np

    keys = dataset.info.in_split(SPLIT)
    listed: dict[str, list[NDArray[np.int32]]] = {"source": [], "target": []}
    for case, key in enumerate(keys):
        roles, filled = dataset.regions(key)
        numbers = np.flatnonzero(filled).astype(np.int32)
        for role in roles:
            listed[role].append(np.stack([np.full_like(numbers, case), numbers], axis=1))
    for role, found in listed.items():
        if not sum(map(len, found)):
            raise no_slice(dataset.info, SPLIT, role)
    return Places(keys, {role: np.concatenate(found) for role, found in listed.items()})


def in_network_space(info: DatasetInfo, role: str, images: NDArray[np.generic]) -> NDArray[np.generic]:
    """Slices ``(n, H, W)`` of a role as they are trained on: ``(n, C, H, W)``, float32 in [-1, 1], masks bool."""
    import numpy as np

    if role == "mask":
        return np.asarray(images != 0)[:, None]
    side = info.source_map if role == "source" else info.target_map
    return side.forward(images.astype(np.float32, copy=False))[:, None]


def no_slice(info: DatasetInfo, split: str, role: str) -> DatasetError:
    """The error for a split that nothing can be trained on."""
    return DatasetError(f"{info.path}: the {split} split has no {role} slice with a region")


def bytes_in_memory(info: DatasetInfo) -> int:
    """What the training slices take in network space, those without a region counted too."""
    height, width = info.image_size
    return info.slice_count(SPLIT) * height * width * _BYTES_A_PIXEL


def stay_on_disk(info: DatasetInfo) -> bool:
    """Whether the training slices are too many to be held in memory by every cell."""
    return bytes_in_memory(info) > MOST_IN_MEMORY
