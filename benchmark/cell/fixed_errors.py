"""Does an error stay at one place over slices: a block, a spot, a checkerboard that the network paints everywhere?

An ordinary error follows the anatomy, whose fine detail lies elsewhere in every patient, so the mean over patients of
what is fine in the errors is nearly nothing. What a network paints by itself (a cell of a coarse feature map that took
over its instance norm: the droplets of Karras et al. 2020, arXiv 1912.04958, section 2; the checkerboards of transposed
convolutions, Odena et al. 2016) lies in the same pixels every time, and stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.store.predictions import PredictionsReader

if TYPE_CHECKING:
    from benchmark.data.format.reader import Dataset

STUDIES = 4
"""Studies below which nothing is said: with fewer, the anatomy of one is much of the mean."""
SLICES = 16
"""Slices of a study that are looked at, spread evenly."""
FINE = 1.0
"""What a Gaussian filter of this standard deviation in pixels takes away is fine."""
NEIGHBOURHOOD = 5
"""Side in pixels of the squares in which a stain is looked for."""
STAIN = 0.15
"""Root mean square of the lasting error in a square, relative to the standard deviation of the targets, from which it
is a stain. Trained models that are all right have up to 0.1, PAN's droplets 0.26 to 0.7."""
PERIODS = (2, 4)
"""Periods in pixels of the patterns that are looked for: one and two of a network's doublings."""
PATTERN = 0.01
"""Amplitude of one wave of such a period, in the same measure, from which it is a pattern. Up to 0.007 where all is
right; 0.013 where a checkerboard is faintly seen."""

Image = NDArray[np.float64]


def fixed_error(predictions: PredictionsReader, dataset: Dataset) -> str:
    """What stays at one place in the errors of a stored translation, in words; empty if nothing.

    Errors are in the target's unit. The mean over studies is freed of what chance leaves of it, as the studies'
    spread tells.
    """
    means, targets = _Moments(), _Moments()
    for error, target in _errors(predictions, dataset):
        means.add(1, _fine(error).mean(axis=0), 0.0)
        targets.add(target.size, target.mean(), target.var() * target.size)
    studies = means.count
    if studies < STUDIES:
        return ""
    lasting: Image = np.asarray(means.mean)
    energy = np.maximum(np.square(lasting) - means.squares / (studies - 1) / studies, 0.0)
    deviation = float(np.sqrt(targets.squares / targets.count))
    unit = dataset.info.target.unit
    if np.sqrt(_largest_mean(energy)) > STAIN * deviation > 0:
        row, column = (int(place) for place in np.unravel_index(np.abs(lasting).argmax(), lasting.shape))
        return (
            f"{lasting[row, column]:+.3g} {unit} at row {row}, column {column} on average over {studies} studies, "
            "beside what lies around"
        )
    amplitude, period = max((_wave(lasting, period), period) for period in PERIODS)
    if amplitude > PATTERN * deviation > 0:
        return f"a pattern of period {period} pixels and {amplitude:.3g} {unit} in the mean of {studies} studies"
    return ""


class _Moments:
    """Mean and sum of squared deviations of values that come in groups (Chan, Golub, LeVeque 1979): none is kept."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Image | float = 0.0
        self.squares: Image | float = 0.0

    def add(self, count: int, mean: Image | float, squares: Image | float) -> None:
        """Take in a group by its own count, mean and sum of squared deviations."""
        total, apart = self.count + count, mean - self.mean
        self.mean = self.mean + apart * (count / total)
        self.squares = self.squares + squares + np.square(apart) * (self.count * count / total)
        self.count = total


def _wave(image: Image, period: int) -> float:
    """The largest amplitude of the waves that repeat after ``period`` pixels, along an axis or both."""
    largest = 0.0
    row, column = (np.exp(-2j * np.pi * np.arange(size) / period) for size in image.shape)
    for down in range(period):
        for along in range(period):
            real = 2 * down % period == 0 and 2 * along % period == 0  # its own mirror image: not halved between two
            if math.gcd(down, along, period) == 1:  # else a shorter period, or none
                size = abs(complex(row**down @ image @ column**along)) / image.size
                largest = max(largest, size if real else 2 * size)
    return largest


def _errors(predictions: PredictionsReader, dataset: Dataset) -> Iterator[tuple[Image, Image]]:
    """Errors and targets ``(Z, H, W)`` of each study, at most 16 slices; slices of different sizes end it."""
    for case in dataset.iterate(predictions.split):
        if case.key not in predictions.keys:
            continue
        chosen = np.unique(np.linspace(0, len(case.target) - 1, min(SLICES, len(case.target))).astype(int))
        target = case.target[chosen].astype(np.float64)
        yield np.stack([predictions.image(case.key, int(row)) for row in chosen]).astype(np.float64) - target, target


def _fine(images: Image) -> Image:
    from scipy.ndimage import gaussian_filter

    fine: Image = images - gaussian_filter(images, (0, FINE, FINE))
    return fine


def _largest_mean(energy: Image) -> float:
    from scipy.ndimage import uniform_filter

    return float(uniform_filter(energy, NEIGHBOURHOOD).max())
