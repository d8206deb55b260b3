"""Scans that are one scan at another resolution: what hashes of pixels cannot find.

Of every scan the body is cut out and averaged to a few hundred blocks. Copies of a scan agree in these but for what
the new grid rounds; two people agree in what all people of a data set have in common, so that this is taken off first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from benchmark.data.format.schema import CaseKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCKS = (6, 16, 16)
"""Of a thumbnail, along slices, rows and columns; smaller bodies have none."""
ALIKE = 0.96
"""Correlation of two thumbnails from which on they may be of one scan."""
OWN = 0.6
"""The same of what is left of both when the mean of all is taken off, where there are enough."""
ENOUGH = 6
"""Cases whose mean says what all have in common."""


def thumbnail(image: NDArray[np.number], mask: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """The body of a scan ``(Z, H, W)`` as block means ``BLOCKS``; ``None`` of what is smaller than that, or empty."""
    import numpy as np

    box = []
    for axis, blocks in enumerate(BLOCKS):
        filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if not filled.size or filled[-1] + 1 - filled[0] < blocks:
            return None
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    means: NDArray[np.float32] = image[tuple(box)].astype(np.float32)
    for axis, blocks in enumerate(BLOCKS):
        edges = np.linspace(0, means.shape[axis], blocks + 1).round().astype(int)
        sums = np.add.reduceat(means, edges[:-1], axis=axis)
        shape = [1, 1, 1]
        shape[axis] = blocks
        means = (sums / np.diff(edges).reshape(shape)).astype(np.float32)
    return means


def same_scans(thumbnails: Mapping[CaseKey, NDArray[np.float32]]) -> Iterator[tuple[CaseKey, CaseKey]]:
    """Cases of different patients whose scans are alike beyond what people have in common.

    Of many that are alike, each with the first that it is like: ten visits of one person are nine pairs.
    """
    import numpy as np

    keys = list(thumbnails)
    if len(keys) < 2:
        return
    stack = np.stack([thumbnails[key].ravel() for key in keys]).astype(np.float64)
    whole = _unit(stack)
    own = _unit(whole - whole.mean(axis=0)) if len(keys) >= ENOUGH else whole
    close = (whole @ whole.T >= ALIKE) & (own @ own.T >= OWN)
    likened: set[CaseKey] = set()
    for first, second in ((keys[row], keys[column]) for row, column in np.argwhere(np.triu(close, 1))):
        if first.patient != second.patient and second not in likened:
            likened.add(second)
            yield first, second


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row less its mean, at length 1; 0 where it does not vary."""
    import numpy as np

    centred = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: NDArray[np.float64] = centred / np.where(lengths > 0, lengths, 1.0)
    return unit
