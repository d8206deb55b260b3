"""The intensity window of a side: declared, or fitted to the training patients of a file and to nobody else."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from benchmark.contracts.intensity import IntensityMap
from benchmark.data.format.chunks import read_array
from benchmark.data.format.schema import CaseKey, Side
from benchmark.errors import DatasetError

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

_PERCENTILE_SAMPLE = 4_000_000


def fitted_window(file: h5py.File, role: str, side: Side, training: Collection[CaseKey]) -> IntensityMap:
    """The window that a side's rule gives on an open file; percentiles are of the region of ``training`` cases.

    From many voxels every n-th is taken. One case is in memory at a time, and at most 32 MB of the sample.

    Raises:
        DatasetError: the training voxels are constant.
    """
    import numpy as np

    if side.window.kind == "fixed":
        return IntensityMap(side.unit, side.window.low, side.window.high, side.window.curve)
    groups = [group for group in (file[f"cases/{key}"] for key in training) if role in group]
    total = sum(int(np.count_nonzero(read_array(group["mask"]))) for group in groups)
    sample = np.concatenate([*_every(groups, role, max(1, total // _PERCENTILE_SAMPLE))])
    low, high = np.percentile(sample, [side.window.low, side.window.high])
    if not low < high:
        raise DatasetError(f"{role}: training voxels are constant ({low:g}), no window can be fitted")
    return IntensityMap(side.unit, float(low), float(high), side.window.curve)


def _every(groups: list[h5py.Group], role: str, step: int) -> Iterator[NDArray[np.float32]]:
    """Every ``step``-th voxel of all regions, counted through all cases."""
    import numpy as np

    first = 0
    for group in groups:
        voxels = read_array(group[role])[read_array(group["mask"]) != 0]
        yield voxels[first::step].astype(np.float32)
        first = (first - voxels.size) % step
