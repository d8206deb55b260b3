"""How far apart source and target lie: the shift at which they tell most about each other.

Mutual information (Maes et al., IEEE Trans. Med. Imaging 16:187, 1997) needs no likeness of grey values, so it serves
any pair of modalities. Whole volumes are shifted, not turned or bent: this is a guard against wrong pairs, lost
origins and swapped axes, not a registration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BINS = 24
_SLICES = 7
_PIXELS = 96
_FARTHEST = 8
_SMALLEST = 24
_BEYOND = 2
_CLEARLY = 1.05
_A_PIXEL = 0.9
_MOST = 0.75
_VOTES = 32
_MIRRORS = ("with its slices in reverse order", "mirrored top to bottom", "mirrored left to right")


@dataclass(frozen=True)
class Alignment:
    """How far the source lies from where it fits the target best."""

    shift: tuple[float, float, float]
    """(z, y, x) in mm, along the stored slices, rows and columns."""
    pixels: float
    """Length of the in-plane shift in pixels of the stored slices."""
    slices: int
    """Shift along the slices, in slices."""
    gain: float
    """Mutual information there, as a multiple of that without a shift."""
    mirrored: tuple[float, float, float]
    """The same of the best place of the source mirrored along its slices, rows and columns."""
    information: float
    """Mutual information without a shift, in nats."""
    agreeing: float = 1.0
    """Share of the slices that fit better there, each on its own."""

    @property
    def length(self) -> float:
        """Length of the shift in mm."""
        return float(sum(part * part for part in self.shift) ** 0.5)

    @property
    def apart(self) -> bool:
        """At least a pixel or a slice off, clearly better elsewhere, and so in most slices: a volume is shifted as a
        whole, while degraded slices may look more like a neighbour that happens to be less so."""
        return self.gain >= _CLEARLY and self.agreeing >= _MOST and (self.pixels >= _A_PIXEL or self.slices != 0)

    @property
    def flipped(self) -> str:
        """How the source fits clearly better mirrored than anywhere as it is; empty if it does not."""
        best = max(range(3), key=lambda axis: self.mirrored[axis])
        return _MIRRORS[best] if self.mirrored[best] >= _CLEARLY * self.gain else ""


def alignment(
    source: NDArray[np.number],
    target: NDArray[np.number],
    mask: NDArray[np.bool_],
    spacing: tuple[float, float, float],
) -> Alignment | None:
    """Measure a pair ``(Z, H, W)``; ``None`` where slices are too small, or hold too little, to say anything.

    Up to seven slices, at no more than 96 pixels a side, are compared at all shifts of up to eight pixels and two
    slices; the best is refined by a parabola, and up to 32 slices say, each on its own, whether they fit better there.
    """
    import numpy as np

    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    if min(mask.shape[1:]) < _SMALLEST or not filled.size:
        return None
    # background far from the body says nothing and would hide what the body says
    margin = _FARTHEST * -(-max(mask.shape[1:]) // _PIXELS)
    rows, columns = (_around(np.asarray(mask.any(axis=axes)), margin) for axes in ((0, 2), (0, 1)))
    source, target, mask = source[:, rows, columns], target[:, rows, columns], mask[:, rows, columns]
    step = -(-max(mask.shape[1:]) // _PIXELS)
    chosen = filled[np.unique(np.linspace(0, len(filled) - 1, _SLICES + 2).round().astype(int)[1:-1])]
    nearest_first = sorted(range(-_BEYOND, _BEYOND + 1), key=abs)  # of equals, as in a single slice, no shift at all
    images = {k: _binned(_small(source, chosen + k, step)) for k in nearest_first}
    fixed = _binned(_small(target, chosen, step))
    reach = min(_FARTHEST, min(fixed.shape[1:]) // 6)
    still = _information(images[0], fixed, reach, 0, 0)
    # what independent grey values seem to say of each other: bins squared over twice the voxels (Miller 1955)
    if not still > 0.01 + _BINS * _BINS / fixed.size:
        return None
    plane = _plane(images[0], fixed, reach)
    row, column = (int(place) - reach for place in np.unravel_index(plane.argmax(), plane.shape))
    along = {k: _information(images[k], fixed, reach, row, column) for k in images}
    best = max(along, key=lambda k: along[k])
    if best:
        plane = _plane(images[best], fixed, reach)
        row, column = (int(place) - reach for place in np.unravel_index(plane.argmax(), plane.shape))
    reversed_slices = _binned(_small(source[::-1], chosen, step))
    mirrors = (reversed_slices, images[0][:, ::-1], images[0][:, :, ::-1])
    along_slices, along_rows, along_columns = (float(_plane(mirror, fixed, reach).max()) / still for mirror in mirrors)
    gain, agreeing = float(plane.max() / still), 1.0
    within = filled[(filled + best >= 0) & (filled + best < len(source))]
    if gain >= _CLEARLY and within.size:
        many = within[np.unique(np.linspace(0, len(within) - 1, _VOTES).round().astype(int))]
        # in one go, so that both are counted in the same bins
        here, there = np.split(_binned(_small(source, np.concatenate([many, many + best]), step)), 2)
        agreeing = _agreeing(here, there, _binned(_small(target, many, step)), reach, row, column)
    y, x = row + _peak(plane[:, column + reach], row + reach), column + _peak(plane[row + reach], column + reach)
    return Alignment(
        shift=(best * spacing[0], -y * step * spacing[1], -x * step * spacing[2]),
        pixels=float(np.hypot(y, x)) * step,
        slices=best,
        gain=gain,
        mirrored=(along_slices, along_rows, along_columns),
        information=still,
        agreeing=agreeing,
    )


def _around(there: NDArray[np.bool_], margin: int) -> slice:
    """From the first to the last of what is there, a margin more, and not less than can be measured."""
    import numpy as np

    places = np.flatnonzero(there)
    first, last = int(places[0]) - margin, int(places[-1]) + margin + 1
    lacking = max(0, _SMALLEST - (last - first))
    first, last = max(0, first - lacking), min(len(there), last + lacking)
    return slice(first, last)


def _small(volume: NDArray[np.number], numbers: NDArray[np.integer], step: int) -> NDArray[np.float32]:
    """Slices by number (the nearest there is), ``step`` by ``step`` pixels averaged."""
    import numpy as np

    taken = volume[np.clip(numbers, 0, len(volume) - 1)].astype(np.float32)
    count, height, width = taken.shape
    cut = taken[:, : height // step * step, : width // step * step]
    means: NDArray[np.float32] = cut.reshape(count, height // step, step, width // step, step).mean((2, 4))
    return means


def _binned(images: NDArray[np.float32]) -> NDArray[np.int16]:
    """Grey values as numbers of equally wide bins between the 1st and 99th percentile."""
    import numpy as np

    low, high = np.percentile(images, [1, 99])
    scaled = (images - low) * (_BINS / max(float(high - low), 1e-12))
    numbers: NDArray[np.int16] = np.clip(scaled, 0, _BINS - 1).astype(np.int16)
    return numbers


def _plane(moving: NDArray[np.int16], fixed: NDArray[np.int16], reach: int) -> NDArray[np.float64]:
    """Mutual information at every shift of up to ``reach`` rows and columns."""
    import numpy as np

    shifts = range(-reach, reach + 1)
    return np.array([[_information(moving, fixed, reach, row, column) for column in shifts] for row in shifts])


def _information(moving: NDArray[np.int16], fixed: NDArray[np.int16], reach: int, row: int, column: int) -> float:
    """Mutual information in nats of the middle of ``fixed`` and ``moving`` pushed down ``row``, right ``column``."""
    import numpy as np

    _, height, width = fixed.shape
    inner = fixed[:, reach : height - reach, reach : width - reach]
    other = moving[:, reach - row : height - reach - row, reach - column : width - reach - column]
    joint = np.bincount((inner * _BINS + other).ravel(), minlength=_BINS * _BINS).reshape(_BINS, _BINS) / inner.size
    sides = joint.sum(1)[:, None] * joint.sum(0)[None, :]
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / sides[there])).sum())


def _agreeing(
    here: NDArray[np.int16], there: NDArray[np.int16], fixed: NDArray[np.int16], reach: int, row: int, column: int
) -> float:
    """The share of slices that, each on its own, tell more of ``fixed`` there, shifted, than here."""
    layers = [slice(number, number + 1) for number in range(len(fixed))]
    better = [
        _information(there[layer], fixed[layer], reach, row, column)
        > _information(here[layer], fixed[layer], reach, 0, 0)
        for layer in layers
    ]
    return sum(better) / len(better)


def _peak(values: NDArray[np.float64], place: int) -> float:
    """How far beside the greatest of three neighbours the parabola through them has its top."""
    if not 0 < place < len(values) - 1:
        return 0.0
    before, top, after = (float(values[place + offset]) for offset in (-1, 0, 1))
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else (before - after) / (2 * bend)
