"""Where the training slices lie in their file: those with a region, of each side, in the order they are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.contracts.channels import SourceStack
from benchmark.data.format.cases import DatasetInfo
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import CaseKey, source_roles
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
    """Slices ``(n, H, W)`` of a role as they are trained on: ``(n, C, H, W)``, float32 in [-1, 1], masks bool.

    Of a source of several channels they are given as ``(C, n, H, W)``.
    """
    import numpy as np

    if role == "mask":
        return np.asarray(images != 0)[:, None]
    maps = info.source_maps if role == "source" else (info.target_map,)
    return SourceStack(images if images.dtype == np.int16 else images.astype(np.float32, copy=False), maps)[:]


def read_mapped(dataset: Dataset, key: CaseKey, role: str, numbers: Sequence[int]) -> NDArray[np.generic]:
    """Slices of a case in ascending order as they are trained on (:func:`in_network_space`); no other is read.

    Raises:
        DatasetError: the file has no such slice, or is damaged there.
    """
    import numpy as np

    roles = source_roles(dataset.info.sources) if role == "source" else (role,)
    images = [dataset.load_slices(key, name, numbers) for name in roles]
    return in_network_space(dataset.info, role, images[0] if len(images) == 1 else np.stack(images))


def no_slice(info: DatasetInfo, split: str, role: str) -> DatasetError:
    """The error for a split that nothing can be trained on."""
    return DatasetError(f"{info.path}: the {split} split has no {role} slice with a region")


def bytes_in_memory(info: DatasetInfo, context: int = 0) -> int:
    """What the training slices take in network space, those without a region counted too.

    That is a float32 image for the target and for each channel, with ``context`` as many more on either side of it,
    and a mask of one byte a pixel.
    """
    height, width = info.image_size
    images = len(info.sources) * (2 * context + 1) + 1
    return info.slice_count(SPLIT) * height * width * (4 * images + 1)


def stay_on_disk(info: DatasetInfo, context: int = 0) -> bool:
    """Whether the training slices, with ``context`` neighbours each, are too many for every cell to hold in memory."""
    return bytes_in_memory(info, context) > MOST_IN_MEMORY
