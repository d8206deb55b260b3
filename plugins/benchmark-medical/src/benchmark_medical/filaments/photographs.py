"""Photographs of filaments: what a fundus camera sees of vessels, a microscope of a neuron. One channel, 0 to 255.

Vessels are the green channel of a fundus photograph (haemoglobin absorbs it most): light from the retina's ground is
absorbed along the line of sight in the blood (Beer and Lambert), arteries carry a reflex along their axis, the
optic disc is bright, the macula dark, the field of view round. Neurons are seen in bright field: a grey body with
dark and bright rims, as refraction makes them under oblique light, on an uneven ground with debris out of focus.
Both are blurred by the optics and get shot and read noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmark_medical.filaments.trees import Drawing, Habit, Segments, draw, grow

Array = NDArray[np.float32]

FIELD = 0.48
"""Radius of the round field of view, as a share of the image's side."""
FINEST = 0.0025
"""Radius below which a vessel ends, as a share of the side."""
FINEST_PIXELS = 0.3
"""The same in pixels: what is thinner can be neither drawn nor seen. Coarse images hold fewer branches."""
VESSELS = Habit()
DENDRITES = Habit(step=0.025, bend=0.06, straighten=0.5, reach=14.0, taper=0.965, spread=0.9)


@dataclass(frozen=True)
class Camera:
    """What stays the same in all photographs of a patient."""

    ground: float
    contrast: float
    blur: float
    """Standard deviation of the point spread, in pixels."""
    gain: float
    """Photons a grey level: the more, the less noise."""
    uneven: float
    calibre: float


@dataclass(frozen=True)
class Photograph:
    """A mask and its photograph, arrays ``(size, size)``, and the field in which there is anything to see."""

    mask: Array
    """Share of the pixel that filaments cover, 0..1."""
    image: NDArray[np.int16]
    field: NDArray[np.bool_]


def camera(rng: np.random.Generator, kind: str) -> Camera:
    """A patient's camera and tissue."""
    vessels = kind == "vessels"
    return Camera(
        ground=float(rng.uniform(85, 130) if vessels else rng.uniform(150, 185)),
        contrast=float(rng.uniform(0.75, 1.3)),
        blur=float(rng.uniform(0.45, 0.8)),
        gain=float(rng.uniform(1.0, 3.0)),
        uneven=float(rng.uniform(0.5, 1.4)),
        calibre=float(rng.uniform(0.85, 1.2)),
    )


def photograph(rng: np.random.Generator, kind: str, size: int, by: Camera) -> Photograph:
    """One photograph of another place of the same patient. ``kind``: vessels or neurons."""
    return _fundus(rng, size, by) if kind == "vessels" else _neuron(rng, size, by)


def _fundus(rng: np.random.Generator, size: int, by: Camera) -> Photograph:
    rows, columns = _grid(size)
    side = rng.choice((-1, 1))
    disc = 0.5 + rng.normal(0, 0.03), 0.5 + side * rng.uniform(0.2, 0.3)
    drawing = _vessels(rng, size, disc, side, by)
    field = np.hypot(rows - 0.5, columns - 0.5) < FIELD
    ground = by.ground * (1 + 0.22 * by.uneven * _clouds(rng, size, 0.35)) * (1 + 0.06 * _clouds(rng, size, 0.05))
    ground = ground * (1 - 0.35 * by.uneven * np.hypot(rows - 0.5, columns - 0.5) ** 2 / FIELD**2)
    macula = np.hypot(rows - disc[0], columns - disc[1] + side * 0.36)
    ground = ground * (1 - 0.28 * np.exp(-0.5 * (macula / 0.06) ** 2))
    rim = np.hypot(rows - disc[0], 1.1 * (columns - disc[1]))
    ground = ground + 95 / (1 + np.exp((rim - 0.062) / 0.007)) * (1 - 0.3 * np.exp(-0.5 * (rim / 0.03) ** 2))
    vein = drawing.tree % 2 == 1
    absorbed = np.where(vein, 30.0, 22.0) * by.contrast * drawing.depth**0.8
    reflex = np.where(vein | (drawing.axis > 0.5), 0, 0.12 * np.minimum(drawing.depth * size / 4, 1))
    image = np.where(field, ground * np.exp(-absorbed) * (1 + reflex), 3.0)
    mask = np.where(field, drawing.coverage, 0).astype(np.float32)
    return Photograph(mask, _exposed(rng, image, by), field)


def _vessels(rng: np.random.Generator, size: int, disc: tuple[float, float], side: int, by: Camera) -> Drawing:
    """Arteries (even) and veins (odd): temporal arcades round the macula, nasal branches, from the optic disc."""
    roots = []
    for quadrant, (angle, share) in enumerate(((1.15, 1.0), (-1.15, 1.0), (2.5, 0.75), (-2.5, 0.75))):
        for vein in (0, 1):
            # direction in the image: angle counts from the macula's side, which lies opposite to ``side``
            direction = angle + rng.normal(0, 0.15) + (0.12 if vein else -0.12) * (1 if quadrant % 2 else -1)
            heading = np.pi - direction if side > 0 else direction
            trunk = (0.0125 if vein else 0.0095) * share * by.calibre * rng.uniform(0.9, 1.1)
            place = disc[0] + rng.normal(0, 0.01), disc[1] + rng.normal(0, 0.01)
            roots.append((place, heading, trunk))
    ordered = sorted(range(len(roots)), key=lambda number: number % 2)  # all arteries, then all veins
    grown = grow(rng, [roots[number] for number in ordered], VESSELS, max(FINEST, FINEST_PIXELS / size))
    parity = np.array([number % 2 for number in ordered])
    named = Segments(grown.start, grown.end, grown.start_radius, grown.end_radius, parity[grown.tree])
    return draw(named, size)


def _neuron(rng: np.random.Generator, size: int, by: Camera) -> Photograph:
    rows, columns = _grid(size)
    centre = 0.5 + rng.normal(0, 0.07), 0.5 + rng.normal(0, 0.07)
    count = int(rng.integers(3, 6))
    headings = np.arange(count) * 2 * np.pi / count + rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.3, count)
    body = 0.055 * by.calibre * rng.uniform(0.85, 1.25)
    stretch, tilt = rng.uniform(1.0, 1.5), rng.uniform(0, np.pi)
    along = (rows - centre[0]) * np.sin(tilt) + (columns - centre[1]) * np.cos(tilt)
    across = (rows - centre[0]) * np.cos(tilt) - (columns - centre[1]) * np.sin(tilt)
    soma = np.clip((body - np.hypot(along / stretch, across)) * size + 0.5, 0, 1)
    roots = [
        (
            (centre[0] + 0.6 * body * np.sin(a), centre[1] + 0.6 * body * np.cos(a)),
            float(a),
            body * rng.uniform(0.3, 0.5),
        )
        for a in headings
    ]
    drawing = draw(grow(rng, roots, DENDRITES, max(0.006, FINEST_PIXELS / size)), size)
    mask = np.maximum(soma, drawing.coverage).astype(np.float32)
    ground = by.ground * (1 + 0.09 * by.uneven * _clouds(rng, size, 0.5)) * (1 + 0.02 * _clouds(rng, size, 0.03))
    image = ground + _debris(rng, rows, columns)
    light = rng.uniform(0, 2 * np.pi)
    relief = gaussian_filter(mask, 0.006 * size)
    slopes = np.gradient(relief * 0.012 * size)
    shade = np.sin(light) * slopes[0] + np.cos(light) * slopes[1]
    rim = np.hypot(*slopes)
    grain = 0.5 * _clouds(rng, size, 0.02)
    image = image + by.contrast * (110 * shade - 75 * rim - 14 * mask * (1 + grain))
    return Photograph(mask, _exposed(rng, image, by), np.ones((size, size), bool))


def _debris(rng: np.random.Generator, rows: Array, columns: Array) -> Any:
    """Things out of focus: soft dark or bright discs with a rim of the other sign."""
    total = np.zeros(np.broadcast_shapes(rows.shape, columns.shape), np.float32)
    for _ in range(rng.integers(2, 7)):
        place, radius = rng.uniform(0, 1, 2), rng.uniform(0.015, 0.06)
        distance = np.hypot(rows - place[0], columns - place[1]) / radius
        strength = rng.uniform(15, 45) * rng.choice((-1, 1), p=(0.7, 0.3))
        total += strength * (np.exp(-(distance**4)) - 0.5 * np.exp(-((distance - 1.35) ** 2) / 0.05))
    return total


def _exposed(rng: np.random.Generator, image: NDArray[np.floating[Any]], by: Camera) -> NDArray[np.int16]:
    """Blur, shot and read noise, 8 bits."""
    seen = np.maximum(gaussian_filter(image.astype(np.float64), by.blur), 0)
    noisy = rng.poisson(seen * by.gain) / by.gain + rng.normal(0, 1.0, seen.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.int16)


def _clouds(rng: np.random.Generator, size: int, scale: float) -> Any:
    """A smooth random field with features of ``scale`` of the side, mean 0, variance 1."""
    white = rng.standard_normal((size, size), dtype=np.float32)
    smooth = gaussian_filter(white, max(scale * size / 2, 0.5), mode="reflect")
    return (smooth - smooth.mean()) / max(float(smooth.std()), 1e-6)


def _grid(size: int) -> tuple[Array, Array]:
    places = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    return places[:, None], places[None, :]
