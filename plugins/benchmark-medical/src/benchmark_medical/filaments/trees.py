"""Trees of filaments: they grow by a random walk, taper, and branch by Murray's law.

Lengths are shares of the image's side, so that a tree does not depend on the pixels that sample it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Vector = tuple[float, float]


@dataclass(frozen=True)
class Habit:
    """How a kind of filament grows."""

    step: float = 0.02
    bend: float = 0.12
    """Standard deviation of the change of direction a step, in radians."""
    straighten: float = 0.6
    """How fast a bend is forgotten, 0 (never) to 1 (at once)."""
    reach: float = 9.0
    """Length of a branch in multiples of the square root of its radius over the trunk's, in steps."""
    taper: float = 0.995
    """Radius after a step over the radius before."""
    asymmetry: tuple[float, float] = (0.78, 0.95)
    """Radius of the thicker child over its parent's, from and to."""
    spread: float = 0.75
    """Angle between the two children, in radians, before chance."""


@dataclass(frozen=True)
class Segments:
    """Straight pieces: ends ``(n, 2)`` (row, column), radii there ``(n,)``, and the tree that each belongs to."""

    start: Array
    end: Array
    start_radius: Array
    end_radius: Array
    tree: NDArray[np.int64]


def grow(
    rng: np.random.Generator, roots: list[tuple[Vector, float, float]], habit: Habit, least_radius: float
) -> Segments:
    """Grow a tree from each root (place, direction in radians, radius) until branches are thinner than
    ``least_radius`` or leave the image."""
    pieces: list[tuple[float, float, float, float, float, float, int]] = []
    for tree, (place, angle, trunk) in enumerate(roots):
        waiting = [(place, angle, trunk)]
        while waiting:
            (row, column), direction, radius = waiting.pop()
            drift = 0.0
            steps = max(2, int(habit.reach * np.sqrt(radius / trunk) * rng.uniform(0.6, 1.5)))
            alive = True
            for _ in range(steps):
                drift = (1 - habit.straighten) * drift + rng.normal(0, habit.bend)
                direction += drift
                thinner = radius * habit.taper
                to = row + habit.step * np.sin(direction), column + habit.step * np.cos(direction)
                pieces.append((row, column, *to, radius, thinner, tree))
                (row, column), radius = to, thinner
                if radius < least_radius or not (-0.05 < row < 1.05 and -0.05 < column < 1.05):
                    alive = False
                    break
            if alive:
                thick = radius * rng.uniform(*habit.asymmetry)
                thin = float(np.cbrt(max(radius**3 - thick**3, 0)))
                side = rng.choice((-1, 1))
                share = (thin / (thick + thin)) ** 2 if thick + thin > 0 else 0.5
                fork = habit.spread * rng.uniform(0.7, 1.4)
                waiting.append(((row, column), direction + side * fork * share, thick))
                if thin >= least_radius:
                    waiting.append(((row, column), direction - side * fork * (1 - share), thin))
    values = np.array(pieces, np.float32).reshape(-1, 7)
    return Segments(values[:, 0:2], values[:, 2:4], values[:, 4], values[:, 5], values[:, 6].astype(np.int64))


@dataclass(frozen=True)
class Drawing:
    """Filaments on a grid ``(size, size)``."""

    coverage: Array
    """Share of each pixel that a filament covers, 0..1."""
    depth: Array
    """Length of the line of sight inside the thickest filament at the pixel, as a share of the image's side."""
    axis: Array
    """Distance from the nearest filament's axis over its radius; 1 at its wall and outside."""
    tree: NDArray[np.int64]
    """The tree of the thickest filament at the pixel; -1 without any."""


def draw(segments: Segments, size: int) -> Drawing:
    """Draw round, tapering segments; where several cross, the thickest is seen."""
    coverage, depth = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    axis = np.ones((size, size), np.float32)
    tree = np.full((size, size), -1)
    for number in range(len(segments.start)):
        start, end = segments.start[number], segments.end[number]
        radii = segments.start_radius[number], segments.end_radius[number]
        margin = max(radii) + 1.0 / size
        low = np.floor((np.minimum(start, end) - margin) * size).astype(int).clip(0, size)
        high = np.ceil((np.maximum(start, end) + margin) * size).astype(int).clip(0, size) + 1
        box = np.s_[low[0] : high[0], low[1] : high[1]]
        if not coverage[box].size:
            continue
        height, width = coverage[box].shape
        rows = (np.arange(low[0], low[0] + height, dtype=np.float32)[:, None] + 0.5) / size - start[0]
        columns = (np.arange(low[1], low[1] + width, dtype=np.float32)[None, :] + 0.5) / size - start[1]
        line = end - start
        along = np.clip((rows * line[0] + columns * line[1]) / max(float(line @ line), 1e-12), 0, 1)
        distance = np.hypot(rows - along * line[0], columns - along * line[1])
        radius = radii[0] + along * (radii[1] - radii[0])
        coverage[box] = np.maximum(coverage[box], np.clip((radius - distance) * size + 0.5, 0, 1))
        chord = 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0))
        axis[box] = np.minimum(axis[box], distance / radius)
        tree[box] = np.where(chord > depth[box], segments.tree[number], tree[box])
        depth[box] = np.maximum(depth[box], chord)
    return Drawing(coverage, depth, axis, tree)
