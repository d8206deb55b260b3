"""The task's embedded data: random ellipses, and the same blurred and noisy. Put your own in its place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.intensity import Window
from benchmark.contracts.protocols import BuildRequest
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter

WINDOW = Window(0.0, 1000.0)
ORGANS = 6


def build(request: BuildRequest) -> None:
    """Write one data set at ``request.path``, the same for the same seed."""
    counts = {"train": request.size.train, "val": request.size.validation, "test": request.size.test}
    splits: dict[str, list[str]] = {}
    with DatasetWriter(
        request.path,
        task=request.task,
        name="ellipses",
        source=Side("blurred", "a.u.", WINDOW),
        target=Side("sharp", "a.u.", WINDOW),
        simulated=True,
    ) as writer:
        for place, (split, count) in enumerate(counts.items()):
            splits[split] = [f"{split}{number:03d}" for number in range(1, count + 1)]
            for number, patient in enumerate(splits[split]):
                random = np.random.default_rng([request.seed, place, number])
                target, mask = anatomy(random, request.size.slices, request.size.image_size)
                noise = random.normal(0, request.options.noise, target.shape)
                source = np.clip(blurred(target) + noise, 0, None)
                writer.add_case(patient, "s1", source=source, target=target, mask=mask, spacing=(3.0, 2.0, 2.0))
                request.report(f"{patient}: {len(target)} slices")
        writer.set_splits(splits)


def anatomy(random: np.random.Generator, slices: int, side: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A patient: a body with organs of random place, size and brightness, ``(slices, side, side)``, and its mask."""
    z, y, x = np.mgrid[:slices, :side, :side] / np.array([slices, side, side]).reshape(3, 1, 1, 1) - 0.5
    width, height = random.uniform(0.35, 0.45, 2)
    mask = (x / width) ** 2 + (y / height) ** 2 < 1
    image = np.where(mask, random.uniform(250, 350), 0.0)
    for _ in range(ORGANS):
        across, down, tilt = random.uniform(-0.22, 0.22, 2), random.uniform(0.04, 0.12, 2), random.uniform(-0.1, 0.1)
        inside = ((x - across[0] - tilt * z) / down[0]) ** 2 + ((y - across[1]) / down[1]) ** 2 < 1
        image[inside & mask] = random.uniform(100, 800)
    return image + np.where(mask, random.normal(0, 5, image.shape), 0.0), mask


def blurred(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each slice under a binomial kernel of 5 x 5 pixels."""
    for axis in (1, 2):
        shifted = {step: np.roll(images, step, axis) for step in (-2, -1, 1, 2)}
        images = (6 * images + 4 * (shifted[-1] + shifted[1]) + shifted[-2] + shifted[2]) / 16
    return images
