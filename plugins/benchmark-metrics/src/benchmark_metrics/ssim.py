"""Structural similarity (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004), of slices and of volumes.

Local means are compared, so images are counted from the lower end of the range: HU and other signed units
become non-negative, as the luminance term presumes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images
from benchmark_metrics.windows import (
    Array,
    Mask,
    Window,
    counted_from,
    gaussian_taps,
    mean_in_mask,
    sum_in_mask,
    uniform_taps,
)


class Similarity(NamedTuple):
    """Maps of all windows: ``ssim = luminance * contrast_structure`` (eq. 13), and the second factor alone."""

    ssim: Array
    contrast_structure: Array


class StructuralSimilarity:
    """The index with its window and constants pinned; knows no range and no mask.

    Args:
        window: ``gaussian``: 11 taps on each axis, sigma 1.5 (Wang 2004). ``uniform``: 7 equal taps
            (scikit-image's default).
        covariance: ``population``: N in the denominator of variances (Wang 2004); ``sample``: N - 1
            (scikit-image's default), where N is the number of voxels of the window.
        k1, k2: constants of eq. 13, relative to the range.
    """

    def __init__(
        self,
        window: Literal["gaussian", "uniform"] = "gaussian",
        covariance: Literal["population", "sample"] = "population",
        k1: float = 0.01,
        k2: float = 0.03,
    ) -> None:
        if window not in ("gaussian", "uniform"):
            raise ValueError(f"ssim: window {window!r} is none of gaussian, uniform")
        if covariance not in ("population", "sample"):
            raise ValueError(f"ssim: covariance {covariance!r} is none of population, sample")
        self.window = Window(gaussian_taps(11, 1.5) if window == "gaussian" else uniform_taps(7))
        self._sample = covariance == "sample"
        self._k1, self._k2 = k1, k2

    def of_image(self, x: Array, y: Array, width: float) -> Similarity:
        """Maps of two images ``(rows, columns)`` that are not negative, for a range of this width."""
        return self._similarity(self.window.means(_products(x, y)), width, dimensions=2)

    def of_volume(self, x: Array, y: Array, width: float) -> Iterator[Similarity]:
        """Planes of the maps of two volumes ``(Z, rows, columns)``; few planes are in memory at a time."""
        products = (_products(*planes) for planes in zip(x, y, strict=True))
        for means in self.window.means_of_volume(products):
            yield self._similarity(means, width, dimensions=3)

    def _similarity(self, means: Array, width: float, dimensions: int) -> Similarity:
        """From local means of x, y, x^2 + y^2 and xy, stacked along the middle axis."""
        mean_x, mean_y, squares, product = (means[:, i] for i in range(4))
        product_of_means = mean_x * mean_y
        squares_of_means = mean_x * mean_x
        squares_of_means += mean_y * mean_y
        covariance = product - product_of_means
        variances = squares - squares_of_means
        if self._sample:
            count = self.window.size**dimensions
            covariance *= count / (count - 1)
            variances *= count / (count - 1)
        c1, c2 = (self._k1 * width) ** 2, (self._k2 * width) ** 2
        covariance *= 2.0
        covariance += c2
        variances += c2
        covariance /= variances
        product_of_means *= 2.0
        product_of_means += c1
        squares_of_means += c1
        product_of_means /= squares_of_means
        product_of_means *= covariance
        return Similarity(product_of_means, covariance)


def _products(x: Array, y: Array) -> Array:
    """What has to be averaged, as ``(rows, 4, columns)``: x, y, x^2 + y^2 and xy."""
    rows, columns = x.shape
    planes = np.empty((rows, 4, columns))
    planes[:, 0], planes[:, 1] = x, y
    np.multiply(x, x, out=planes[:, 2])
    np.multiply(y, y, out=planes[:, 3])
    planes[:, 2] += planes[:, 3]
    np.multiply(x, y, out=planes[:, 3])
    return planes


class SSIM:
    """Mean of the SSIM map over the windows centred in the mask.

    Args:
        window, covariance: see :class:`StructuralSimilarity`.
        border: ``valid``: only windows fully inside the image count; ``reflect``: the image is continued by
            its mirror image (the edge pixel not repeated), so that every pixel has a window.

    NaN: no window is centred in the mask, the image is smaller than the window, or it holds a value that is
    not finite.
    """

    def __init__(
        self,
        window: Literal["gaussian", "uniform"] = "gaussian",
        covariance: Literal["population", "sample"] = "population",
        border: Literal["valid", "reflect"] = "valid",
    ) -> None:
        if border not in ("valid", "reflect"):
            raise ValueError(f"ssim: border {border!r} is none of valid, reflect")
        self._index = StructuralSimilarity(window, covariance)
        self._reflects = border == "reflect"

    def score(self, images: Images) -> NDArray[np.float64]:
        """One number a slice, from windows of two dimensions."""
        slices = zip(images.prediction, images.target, images.mask, strict=True)
        return np.array([self._of_slice(*each, images.data_range) for each in slices])

    def _of_slice(self, prediction: Array, target: Array, mask: Mask, data_range: tuple[float, float]) -> float:
        if not self._computable(prediction, target):
            return math.nan
        low, high = data_range
        x, y, region = self._bordered(counted_from(low, prediction), counted_from(low, target), mask)
        return mean_in_mask(self._index.of_image(x, y, high - low).ssim, region, self._index.window.before)

    def score_volume(self, images: Images) -> float:
        """One number for the study, from windows of three dimensions."""
        if not self._computable(images.prediction, images.target):
            return math.nan
        low, high = images.data_range
        pair = counted_from(low, images.prediction), counted_from(low, images.target)
        x, y, region = self._bordered(*pair, images.mask)
        before, total, count = self._index.window.before, 0.0, 0
        for z, similarity in enumerate(self._index.of_volume(x, y, high - low), start=before):
            rows, columns = similarity.ssim.shape
            part = region[z, before : before + rows, before : before + columns]
            sum_here, count_here = sum_in_mask(similarity.ssim, part)
            total, count = total + sum_here, count + count_here
        return total / count if count else math.nan

    def _computable(self, prediction: Array, target: Array) -> bool:
        large = min(target.shape) >= self._index.window.size
        return large and bool(np.isfinite(prediction).all() and np.isfinite(target).all())

    def _bordered(self, x: Array, y: Array, mask: Mask) -> tuple[Array, Array, Mask]:
        """Images as wide as the border rule needs; what it adds is outside the mask."""
        if not self._reflects:
            return x, y, mask
        radius = self._index.window.before
        return np.pad(x, radius, mode="reflect"), np.pad(y, radius, mode="reflect"), np.pad(mask, radius)
