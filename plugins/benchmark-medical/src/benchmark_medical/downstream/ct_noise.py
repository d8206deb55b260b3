"""How much noise a CT has, of which grain, and whether faint things can be told from it.

Noise is measured where the target is even: soft tissue without edges. Detectability is that of a model observer who
knows what to look for and where (signal known exactly): the non-prewhitening matched filter without its mean
(ICRU Report 54), at places where the data set planted a low-contrast disc and at places where it might have.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from benchmark.contracts.protocols import DownstreamContext, DownstreamStudy
from benchmark.errors import NotApplicable
from benchmark_medical.inserts import MARGIN_PIXELS, disc

Array = NDArray[np.float64]

SOFT_HU = (-50.0, 150.0)
MOST_SPAN_HU = 60.0
"""An even patch: the smoothed target spans no more."""
SMOOTHING_PIXELS = 1.5
FEWEST_PATCHES = 4
FEWEST_SITES = 5
"""Places with a signal, and as many without, that a study needs."""


class NoisePower:
    """Noise and mean frequency of its power spectrum in even patches."""

    def __init__(self, _: None, context: DownstreamContext) -> None:
        pass

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        """``noise``: standard deviation in HU; ``frequency``: mean of the noise power spectrum, in 1/cm.

        Raises:
            NotApplicable: there is hardly an even patch.
        """
        patches = list(even_patches(study))
        if len(patches) < FEWEST_PATCHES:
            raise NotApplicable("studies without enough even soft tissue")
        spectrum = power_spectrum(np.stack([study.prediction[place] for place in patches]))
        side = spectrum.shape[0]
        frequency = np.hypot(
            *np.meshgrid(*(np.fft.fftfreq(side, spacing / 10) for spacing in study.spacing[1:]), indexing="ij")
        )
        total = float(spectrum.sum())
        return {
            "noise": float(np.sqrt(total)),
            "frequency": float((frequency * spectrum).sum() / total) if total > 0 else np.nan,
        }


def even_patches(study: DownstreamStudy) -> Iterator[tuple[int, slice, slice]]:
    """Squares of the target (8 pixels a side, 16 in large images) that are even soft tissue inside the region.

    They overlap by three quarters: coarse images hold few.
    """
    side = 8 if max(study.target.shape[1:]) < 160 else 16
    for index, (image, mask) in enumerate(zip(study.target, study.mask, strict=True)):
        smooth = gaussian_filter(image.astype(np.float64), SMOOTHING_PIXELS, mode="nearest")
        high, low = maximum_filter(smooth, side), minimum_filter(smooth, side)
        inside = minimum_filter(mask.astype(np.uint8), side) > 0
        even = inside & (high - low < MOST_SPAN_HU) & (low > SOFT_HU[0]) & (high < SOFT_HU[1])
        half, step = side // 2, side // 4
        for row in range(half, image.shape[0] - half + 1, step):
            for column in range(half, image.shape[1] - half + 1, step):
                if even[row, column]:
                    yield index, slice(row - half, row + half), slice(column - half, column + half)


def power_spectrum(patches: NDArray[np.generic]) -> Array:
    """Noise power of patches ``(n, N, N)`` after a plane has been taken out; sums to the variance."""
    values = patches.astype(np.float64)
    side = values.shape[1]
    ramp = np.arange(side) - (side - 1) / 2
    norm = side * (ramp**2).sum()
    values -= values.mean((1, 2), keepdims=True)
    values -= np.einsum("nij,i->n", values, ramp)[:, None, None] / norm * ramp[:, None]
    values -= np.einsum("nij,j->n", values, ramp)[:, None, None] / norm * ramp[None, :]
    spectrum: Array = np.mean(np.abs(np.fft.fft2(values)) ** 2, axis=0) / side**4
    return spectrum


class LowContrast:
    """Detectability of planted low-contrast discs."""

    def __init__(self, _: None, context: DownstreamContext) -> None:
        pass

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        """``detectability``: d', the distance of the observer's answers with and without signal in their spread.

        Raises:
            NotApplicable: the data set planted no signals, or too few.
        """
        sites, radius = study.physics.get("signals"), study.physics.get("signal_radius_pixels")
        if not sites or not radius:
            raise NotApplicable("no signals were planted in these data")
        template = observer_template(float(radius))
        reach = template.shape[0] // 2
        padded = np.pad(study.prediction.astype(np.float64), ((0, 0), (reach, reach), (reach, reach)), mode="edge")
        answers: dict[bool, list[float]] = {True: [], False: []}
        for index, row, column, present in sites:
            seen = padded[index, row : row + 2 * reach + 1, column : column + 2 * reach + 1]
            answers[bool(present)].append(float((template * seen).sum()))
        if min(map(len, answers.values())) < FEWEST_SITES:
            raise NotApplicable(f"studies with fewer than {FEWEST_SITES} signals")
        spread = np.sqrt((np.var(answers[True], ddof=1) + np.var(answers[False], ddof=1)) / 2)
        distance = np.mean(answers[True]) - np.mean(answers[False])
        if distance == 0:
            return {"detectability": 0.0}
        sign = float(study.physics.get("signal_hu", 1.0))
        return {"detectability": float(np.copysign(1, sign) * distance / spread) if spread > 0 else np.nan}


def observer_template(radius: float) -> Array:
    """The expected signal less its mean over the even tissue around it; 0 beyond."""
    reach = int(np.ceil(radius + MARGIN_PIXELS))
    rows, columns = np.indices((2 * reach + 1, 2 * reach + 1)) - reach
    distance = np.hypot(rows, columns)
    signal, seen = (disc(distance, r).astype(np.float64) for r in (radius, radius + MARGIN_PIXELS - 0.5))
    template: Array = seen * (signal - (seen * signal).sum() / seen.sum())
    return template
