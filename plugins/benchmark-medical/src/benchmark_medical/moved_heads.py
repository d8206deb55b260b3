"""A whole stack of slices with rigid motion during the acquisition, each slice with a path of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark_medical import motion
from benchmark_medical.options import MotionOptions

RADIUS_MM = 70.0
"""Where the severity of a rotation is measured: about a head's radius."""


def move(
    images: NDArray[np.generic], options: MotionOptions, pixel_mm: float, rng: np.random.Generator
) -> tuple[NDArray[np.complex64], dict[str, Any]]:
    """Complex images ``(Z, H, W)`` after motion in every slice, and what is kept of how they moved."""
    along = 0 if options.phase_axis == "rows" else 1
    times = motion.line_times(images.shape[1 + along], options.line_order)
    moved, paths, severities = np.empty(images.shape, np.complex64), [], []
    for index, layer in enumerate(images):
        path = motion.draw(rng, options.severity, options.trajectory)
        weights = motion.line_weights(layer, along)
        positions = motion.recentred(path.at(times), weights)
        moved[index] = np.fft.ifft2(motion.corrupt(layer, positions, options.phase_axis, pixel_mm))
        paths.append(path.to_json())
        severities.append(round(motion.severity(positions, weights, RADIUS_MM), 4))
    return moved, {
        "severity_mm": severities,
        "trajectories": paths,
        "line_order": options.line_order,
        "phase_axis": options.phase_axis,
    }
