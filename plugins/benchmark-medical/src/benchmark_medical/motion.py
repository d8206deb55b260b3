"""Rigid in-plane motion during a 2-D MR acquisition, line by line in k-space.

Every phase-encode line samples the Fourier transform of the head where it lay at that moment. Rotations are
three shears in Fourier space, so they keep energy exactly; shifts are phase ramps, exact per line. Single
coil, no spin history, no field changes, no through-plane motion, no regridding between lines.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["step", "drift", "periodic"]
Order = Literal["sequential", "interleaved", "centre-out"]
KINDS: tuple[Kind, ...] = ("step", "drift", "periodic")

ECHO_TRAIN = 8
"""Phase-encode lines per shot of an interleaved acquisition."""

_ANGLE_STEP = np.deg2rad(0.2)


@dataclass(frozen=True)
class Trajectory:
    """Position of the head over one slice's acquisition; time runs from 0 to 1.

    ``moves`` are (time, row shift, column shift, rotation): *step*: from that time on; *drift*: the position
    reached at time 1, linearly (the time is where it starts); *periodic*: the amplitude of a sine with
    ``cycles`` cycles. Shifts in mm, rotation in degrees.
    """

    kind: Kind
    moves: tuple[tuple[float, float, float, float], ...]
    cycles: float = 0.0
    phase: float = 0.0

    def at(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Row shift (mm), column shift (mm) and rotation (degrees) at some times, ``(times, 3)``."""
        position = np.zeros((time.size, 3))
        for start, *goal in self.moves:
            target = np.asarray(goal)
            if self.kind == "step":
                position[time >= start] = target
            elif self.kind == "drift":
                position += np.clip((time - start) / max(1 - start, 1e-6), 0, 1)[:, None] * target
            else:
                position += np.sin(2 * np.pi * (self.cycles * time + self.phase))[:, None] * target
        return position

    def to_json(self) -> dict[str, Any]:
        """As a plain mapping, with numbers rounded as they were drawn."""
        return {name: value for name, value in asdict(self).items() if value or name in ("kind", "moves")}


def draw(rng: np.random.Generator, severity: float, kind: Kind | Literal["mixed"] = "mixed") -> Trajectory:
    """A random trajectory: shifts of a few mm, rotations of a few degrees at severity 1."""
    chosen: Kind = KINDS[rng.integers(0, 3)] if kind == "mixed" else kind
    strength = severity * rng.uniform(0.8, 1.4)

    def move(time: float, share: float) -> tuple[float, float, float, float]:
        rows, columns, turn = rng.normal(0, (9.0, 9.0, 7.5)) * strength * share
        return (round(time, 4), round(rows, 4), round(columns, 4), round(turn, 4))

    if chosen == "step":
        times = np.sort(rng.uniform(0.08, 0.92, rng.integers(3, 8)))
        return Trajectory("step", tuple(move(float(time), 1.0) for time in times))
    if chosen == "drift":
        return Trajectory("drift", (move(float(rng.uniform(0, 0.3)), 1.5),))
    cycles, phase = rng.uniform(2.0, 7.0), rng.uniform()
    return Trajectory("periodic", (move(0.0, 0.7),), round(float(cycles), 4), round(float(phase), 4))


def line_times(lines: int, order: Order) -> NDArray[np.float64]:
    """When each phase-encode line (in the order of ``numpy.fft.fftfreq``) is acquired, in 0..1."""
    frequency = np.fft.fftshift(np.arange(lines))  # index into fft order, from the most negative frequency up
    if order == "sequential":
        sequence = frequency
    elif order == "interleaved":
        shots = max(1, lines // ECHO_TRAIN)
        sequence = np.concatenate([frequency[shot::shots] for shot in range(shots)])
    elif order == "centre-out":
        distance = np.abs(np.fft.fftfreq(lines))
        sequence = np.argsort(distance, kind="stable")
    else:
        raise ValueError(f"line order {order!r}: use sequential, interleaved or centre-out")
    times = np.empty(lines)
    times[sequence] = np.arange(lines) / max(lines - 1, 1)
    return times


def rotate(image: NDArray[np.generic], angle: float) -> NDArray[np.complex64]:
    """Turn ``(..., H, W)`` by ``angle`` radians about the centre: three shears, each a phase ramp."""
    if angle == 0:
        return image.astype(np.complex64)
    tangent, sine = -np.tan(angle / 2), np.sin(angle)
    turned = _shear(image, tangent, -1)
    turned = _shear(turned, sine, -2)
    return _shear(turned, tangent, -1)


def _shear(image: NDArray[np.generic], slope: float, axis: int) -> NDArray[np.complex64]:
    other = -1 if axis == -2 else -2
    offset = (np.arange(image.shape[other]) - (image.shape[other] - 1) / 2) * slope
    frequency = np.fft.fftfreq(image.shape[axis])
    ramp = np.exp(-2j * np.pi * (np.outer(offset, frequency) if axis == -1 else np.outer(frequency, offset)))
    spectrum = np.fft.fft(image.astype(np.complex64), axis=axis)
    return np.fft.ifft(spectrum * ramp.astype(np.complex64), axis=axis).astype(np.complex64, copy=False)


def corrupt(
    image: NDArray[np.generic], positions: NDArray[np.float64], phase_axis: Literal["rows", "columns"], pixel: float
) -> NDArray[np.complex64]:
    """k-space ``(H, W)`` of a slice whose every phase-encode line saw the head at its own position.

    ``positions`` are (row shift mm, column shift mm, rotation degrees) per line in ``fftfreq`` order;
    ``pixel`` in mm. Rotations are rounded to 0.2 degrees.
    """
    along = 0 if phase_axis == "rows" else 1
    lines = image.shape[along]
    if positions.shape != (lines, 3):
        raise ValueError(f"positions have shape {positions.shape}; expected ({lines}, 3), one row per line")
    turns = np.rint(np.deg2rad(positions[:, 2]) / _ANGLE_STEP).astype(int)
    result = np.empty(image.shape, np.complex64)
    for turn in np.unique(turns):
        spectrum = np.fft.fft2(rotate(image, turn * _ANGLE_STEP))
        chosen = np.flatnonzero(turns == turn)
        if along == 0:
            result[chosen] = spectrum[chosen]
        else:
            result[:, chosen] = spectrum[:, chosen]
    frequency = [np.fft.fftfreq(n) for n in image.shape]
    shifts = positions[:, :2] / pixel
    if along == 0:
        ramp = frequency[0][:, None] * shifts[:, :1] + np.outer(shifts[:, 1], frequency[1])
    else:
        ramp = np.outer(frequency[0], shifts[:, 0]) + frequency[1][None, :] * shifts[None, :, 1]
    shifted: NDArray[np.complex64] = (result * np.exp(-2j * np.pi * ramp)).astype(np.complex64)
    return shifted


def line_weights(image: NDArray[np.generic], along: int) -> NDArray[np.float64]:
    """Share of the image's k-space energy in each phase-encode line (``fftfreq`` order) of axis ``along``.

    Of an empty image, as slices beyond a body are, all lines have the same.
    """
    energy: NDArray[np.float64] = (np.abs(np.fft.fft2(image)) ** 2).sum(1 - along, dtype=np.float64)
    total = energy.sum()
    shares: NDArray[np.float64] = energy / total if total > 0 else np.full(len(energy), 1 / len(energy))
    return shares


def recentred(positions: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The positions relative to their energy-weighted mean.

    Where the head lay while the centre of k-space was measured is where the image shows it; a shift of the
    whole image is no artefact, and a reference elsewhere would only punish correct restorations.
    """
    mean: NDArray[np.float64] = (weights[:, None] * positions).sum(0)
    return positions - mean


def severity(positions: NDArray[np.float64], weights: NDArray[np.float64], radius: float) -> float:
    """RMS displacement in mm, about the mean position, of a point ``radius`` mm from the centre; each line
    counts with its share ``weights`` of the k-space energy."""
    moved = recentred(positions, weights) * (1, 1, np.deg2rad(radius))
    return float(np.sqrt((weights[:, None] * moved**2).sum()))
