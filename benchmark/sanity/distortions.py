"""Graded distortions of a target image: what every measure of image quality should notice, the more the worse.

Arrays are ``(Z, H, W)`` in the target's unit; strengths are relative to the data set's window or in pixels, so that
they mean the same for HU, SUV and arbitrary units. All are the same for the same study.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter, uniform_filter
from scipy.ndimage import shift as moved

from benchmark.contracts.intensity import IntensityMap
from benchmark.data.format.cases import Case

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """What distortions may know beside the study: both windows, the mean target, which labels are lesions."""

    source: IntensityMap
    """Of several channels the first one's."""
    target: IntensityMap
    mean: Array
    """Mean of the training targets ``(H, W)``."""
    lesions: tuple[int, ...]


Distort = Callable[[Case, Scene, float], Array]


@dataclass(frozen=True)
class Distortion:
    """A way to make an image worse, in steps of growing strength, each with what it is called."""

    name: str
    apply: Distort
    levels: Mapping[str, float]
    needs_lesions: bool = False


def _target(case: Case) -> Array:
    return case.target.astype(np.float64)


def _blur(case: Case, _: Scene, strength: float) -> Array:
    return np.asarray(gaussian_filter(_target(case), (0, strength, strength), mode="nearest"))


def _noise(case: Case, scene: Scene, strength: float) -> Array:
    """The same noise at every strength, so that steps differ by strength only."""
    rng = np.random.default_rng(zlib.crc32(str(case.key).encode()))
    return _target(case) + strength * scene.target.width * rng.standard_normal(case.target.shape)


def _shift(case: Case, _: Scene, strength: float) -> Array:
    return np.asarray(moved(_target(case), (0, 0, strength), order=1, mode="nearest"))


def _scale(case: Case, scene: Scene, strength: float) -> Array:
    """Contrast counted from the window's lower end."""
    return scene.target.low + (_target(case) - scene.target.low) * strength


def _bias(case: Case, scene: Scene, strength: float) -> Array:
    """A factor that rises from one corner of the slice to the other, 1 in the middle."""
    rows, columns = (np.linspace(-1, 1, size) for size in case.target.shape[1:])
    field = 1 + strength * (rows[:, None] + columns[None, :]) / 2
    return scene.target.low + (_target(case) - scene.target.low) * field


def _erase_lesions(case: Case, scene: Scene, _: float) -> Array:
    """Lesions filled with the mean of what is around them."""
    image = _target(case)
    if case.labels is not None:
        for layer, labels, mask in zip(image, case.labels, case.mask, strict=True):
            lesion = np.isin(labels, scene.lesions) & mask
            if lesion.any():
                _fill(layer, lesion, mask)
    return image


def _erase_patch(case: Case, _: Scene, strength: float) -> Array:
    """In every slice, a disc where the image differs most from its surroundings, filled with their mean."""
    image = _target(case)
    side = max(image.shape[1:])
    rows, columns = np.ogrid[: image.shape[1], : image.shape[2]]
    for layer, mask in zip(image, case.mask, strict=True):
        if not mask.any():
            continue
        detail = np.where(mask, np.abs(layer - uniform_filter(layer, max(3, side // 8))), -1)
        middle = np.unravel_index(int(detail.argmax()), detail.shape)
        disc = np.hypot(rows - middle[0], columns - middle[1]) <= strength * side
        _fill(layer, disc & mask, mask)
    return image


def _fill(layer: Array, hole: NDArray[np.bool_], mask: NDArray[np.bool_]) -> None:
    around = binary_dilation(hole, iterations=2) & mask & ~hole
    layer[hole] = layer[around].mean() if around.any() else layer[mask].mean()


def _copy(case: Case, scene: Scene, _: float) -> Array:
    """The source, of several channels the first, its window brought onto the target's."""
    return scene.target.inverse(scene.source.forward(case.channels[0]))


def _mean(case: Case, scene: Scene, _: float) -> Array:
    return np.broadcast_to(scene.mean, case.target.shape).copy()


DISTORTIONS = (
    Distortion("blur", _blur, {"0.5 px": 0.5, "1 px": 1.0, "2 px": 2.0}),
    Distortion("noise", _noise, {"1 %": 0.01, "2 %": 0.02, "5 %": 0.05}),
    Distortion("shift", _shift, {"1 px": 1.0, "2 px": 2.0, "3 px": 3.0}),
    Distortion("scale", _scale, {"x 1.02": 1.02, "x 1.05": 1.05, "x 1.1": 1.1}),
    Distortion("bias field", _bias, {"5 %": 0.05, "10 %": 0.1, "20 %": 0.2}),
    Distortion("erased patch", _erase_patch, {"3 % of the side": 0.03, "6 %": 0.06, "9 %": 0.09}),
    Distortion("erased lesions", _erase_lesions, {"all": 1.0}, needs_lesions=True),
    Distortion("copy-input", _copy, {"": 1.0}),
    Distortion("mean image", _mean, {"": 1.0}),
)
"""In the order in which a card lists them."""
