"""Small images with known faults, for conformance tests: a textured body in an exactly empty background."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmark.contracts.protocols import Images

Array = NDArray[np.float64]


def phantom(shape: tuple[int, int, int], data_range: tuple[float, float], seed: int = 0) -> Images:
    """An elliptic body with organs and texture, the same image as prediction and target.

    The background is exactly the lower end of the range; nothing comes near the upper end. The mask is the
    body; the labels are the organs.
    """
    rng = np.random.default_rng(seed)
    depth, rows, columns = shape
    z, y, x = np.mgrid[:depth, :rows, :columns].astype(np.float64)
    u, v = (y - (rows - 1) / 2) / rows, (x - (columns - 1) / 2) / columns
    body = (u / 0.42) ** 2 + (v / 0.38) ** 2 < 1
    grain = gaussian_filter(rng.normal(size=shape), (0, 1, 1))
    waves = np.sin(12 * u + 0.4 * z) * np.cos(15 * v)
    fraction = 0.4 + 0.1 * waves + 0.05 * grain / grain.std()
    labels = np.zeros(shape, np.uint8)
    for label, (row, column, radius) in enumerate([(-0.15, -0.12, 0.1), (-0.1, 0.15, 0.08), (0.17, 0.0, 0.12)], 1):
        labels[np.hypot(u - row, v - column) < radius] = label
    fraction += np.choose(labels, [0.0, 0.15, -0.2, 0.08])
    low, high = data_range
    image = np.where(body, low + (high - low) * np.clip(fraction, 0.05, 0.9), low)
    return Images(
        image.copy(), image, body, data_range, spacing=(3.0, 1.5, 1.0), labels=labels, predicted_labels=labels.copy()
    )


def noisier(images: Images, low_outside: bool) -> Iterator[Images]:
    """The prediction with more and more noise in the body: 0.5, 2 and 6 % of the range."""
    noise = np.random.default_rng(1).normal(size=images.target.shape)
    low, high = images.data_range
    for level in (0.005, 0.02, 0.06):
        yield _changed(images, images.target + level * (high - low) * noise, low_outside)


def blurrier(images: Images, low_outside: bool) -> Iterator[Images]:
    """The prediction blurred in the plane: sigma 0.6, 1.2 and 2.4 pixels."""
    for sigma in (0.6, 1.2, 2.4):
        yield _changed(images, gaussian_filter(images.target, (0, sigma, sigma)), low_outside)


def misplaced(images: Images) -> Iterator[Images]:
    """The predicted structures moved by 1, 2 and 4 pixels along the columns."""
    if images.labels is not None:
        for pixels in (1, 2, 4):
            yield replace(images, predicted_labels=np.roll(images.labels, pixels, axis=2))


def _changed(images: Images, prediction: Array, low_outside: bool) -> Images:
    """The same study with another prediction, inside the range as a profile's clipping leaves it."""
    clipped = np.clip(prediction, *images.data_range)
    if low_outside:
        clipped = np.where(images.mask, clipped, images.data_range[0])
    return replace(images, prediction=clipped)


def degenerate(images: Images) -> dict[str, Images]:
    """The cases that metrics have to decide, by name, with the whole image as the region."""
    low, high = images.data_range
    everywhere = np.ones_like(images.mask)
    middle, upper, empty = (np.full_like(images.target, low + part * (high - low)) for part in (0.25, 0.5, 0.0))
    no_labels = np.zeros(images.target.shape, np.uint8)
    pairs = {
        "both the same constant": (middle, middle),
        "both at the lower end": (empty, empty),
        "two different constants": (upper, middle),
        "prediction constant": (middle, images.target),
        "prediction at the lower end": (empty, images.target),
        "target constant": (images.target, middle),
    }
    cases = {
        name: replace(images, prediction=prediction.copy(), target=target, mask=everywhere)
        for name, (prediction, target) in pairs.items()
    }
    return {
        **cases,
        "no structure in either": replace(images, labels=no_labels, predicted_labels=no_labels),
        "every structure missed": replace(images, predicted_labels=no_labels),
        "no structure in the target": replace(images, labels=no_labels),
    }
