"""Procedural torso: one patient's shape is drawn once, then painted on any grid.

Coordinates are RAS mm around the tip of the diaphragm's dome; slices run from the kidneys (z about -90) to
the top of the lungs (z about +130). Arms are taken to lie above the head, as in a PET scan.
"""

from __future__ import annotations

import numpy as np

from benchmark_medical.canvas import Canvas, Distance, Pose, both, capsule, ellipsoid, union
from benchmark_medical.fields import NoiseSpace, Points

FIELD_OF_VIEW = 460.0
"""mm"""
HEIGHTS = (-92.0, 128.0)
"""Lowest and highest slice, in mm."""


class Torso:
    """One patient's torso. All random numbers are drawn here, none when painting."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.female = bool(rng.random() < 0.5)
        size = rng.normal(0.94 if self.female else 1.0, 0.035)
        self.pose = Pose(
            rotation=(rng.normal(0, 0.09), rng.normal(0, 0.03), rng.normal(0, 0.03)),
            shift=(rng.normal(0, 10), rng.normal(0, 9), rng.normal(0, 8)),
            scale=tuple(float(np.clip(size * rng.normal(1, 0.03), 0.84, 1.08)) for _ in range(3)),  # type: ignore[arg-type]
        )
        noise = NoiseSpace(rng)
        self.warps = [noise.field(rng, 80.0) for _ in range(3)]
        self.fine = noise.field(rng, 9.0)
        self.coarse = noise.field(rng, 45.0)
        self.vessels = [noise.field(rng, 13.0), noise.field(rng, 13.0)]
        self.lobes = noise.field(rng, 24.0)
        self.fat = float(rng.uniform(5.0, 26.0))
        self.wall = float(rng.uniform(11.0, 17.0))
        self.ribs = float(rng.uniform(0.0, 2 * np.pi))
        self.heart = rng.uniform(0.88, 1.12, 3)
        self.stomach_air = float(rng.uniform(-6, 24))
        self.scoliosis = float(rng.normal(0, 5))
        self.breast = float(rng.uniform(26, 42)) if self.female else 0.0
        self.lesions = [self._lesion(rng) for _ in range(rng.integers(3, 9))]

    @staticmethod
    def _lesion(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Centre and radii (mm): in a lung, the mediastinum, the liver, or beside the spine."""
        low, high = [
            ((-105, -50, 10), (-45, 45, 110)),
            ((45, -50, 20), (105, 45, 110)),
            ((-30, -30, 40), (30, 45, 110)),
            ((15, -45, -70), (110, 50, -5)),
            ((-40, -60, -90), (40, -30, 20)),
        ][rng.integers(0, 5)]
        return rng.uniform(low, high), rng.uniform(5, 15) * rng.uniform(0.75, 1.3, 3)

    def paint(self, canvas: Canvas, scanner: Points) -> Points:
        """Paint the torso; gives the body coordinates of the voxels, for textures."""
        straight = self.pose.to_body(scanner)
        x, y, z = (p + np.float32(5.0) * warp(straight) for p, warp in zip(straight, self.warps, strict=True))
        points = (x, y, z)
        lift = np.clip(z / 400, -0.1, 0.3)
        tapered = (x * (1 + lift), y * (1 + 0.5 * lift), z * 0)
        trunk = ellipsoid(
            (np.abs(tapered[0]) ** 1.15 / 2.1, tapered[1], tapered[2]), (0, 0, 0), (160**1.15 / 2.1, 100, 1e4)
        )
        outside = trunk - np.float32(self.fat)
        for side in (-1, 1) if self.female else ():
            bulge = ellipsoid(points, (side * 74, 84 + self.fat * 0.6, 62), (54, self.breast, 52))
            outside = union(outside, bulge, smooth=14)
        canvas.fill("skin", outside)
        canvas.fill("fat", outside + 2.5)
        layered = trunk + 3.5 * self.coarse(points)
        canvas.fill("muscle", layered)
        canvas.paint("fat", canvas.band(layered, -self.wall * 0.55, -self.wall * 0.45) * (np.abs(x) > 30))
        cavity = trunk + np.float32(self.wall)
        self._abdomen(canvas, points, cavity)
        self._chest(canvas, points, cavity)
        self._skeleton(canvas, points, cavity, outside)
        for centre, radii in self.lesions:
            canvas.fill("lesion", both(ellipsoid(points, centre, radii) + 1.5 * self.fine(points), cavity))
        return straight

    def _dome(self, points: Points) -> Distance:
        """Height above the diaphragm (mm)."""
        x, y, z = points
        right = 6 - ((x - 62) / 11) ** 2 * 0.6 - (y - 10) ** 2 / 110
        left = -6 - ((x + 62) / 11) ** 2 * 0.6 - (y - 10) ** 2 / 110
        return z - np.maximum(right, left)

    def _chest(self, canvas: Canvas, points: Points, cavity: Distance) -> None:
        x = points[0]
        above = -self._dome(points)
        lungs = [both(ellipsoid(points, (side * 70, -6, 20), (62, 92, 128)), cavity + 7, above) for side in (-1, 1)]
        mediastinum = union(
            ellipsoid(points, (0, 8, 30), (32, 70, 200)), ellipsoid(points, (0, -62, 20), (34, 36, 400)), smooth=8
        )
        lung = both(np.minimum(*lungs), -mediastinum)
        chest = both(cavity + 5, above)
        canvas.fill("fat", chest)
        canvas.fill("lung", lung)
        branching = np.hypot(self.vessels[0](points), self.vessels[1](points)) * 5.5
        hilum = np.maximum(np.abs(x) - 30, 0) * 0.035
        canvas.paint("blood", canvas.cover(branching - np.float32(2.6) + hilum) * canvas.cover(lung + 4))
        grow = self.heart
        heart = both(ellipsoid(points, (-22, 26, 30), (50 * grow[0], 40 * grow[1], 44 * grow[2])), cavity + 6)
        canvas.fill("fat", heart - 3)
        canvas.fill("blood", heart)
        left = ellipsoid(points, (-40, 14, 26), (32 * grow[0], 28 * grow[1], 36 * grow[2]))
        canvas.fill("myocardium", both(left, heart + 1))
        canvas.fill("blood", left + 10)
        canvas.fill("blood", capsule(points, (-20, -38, -200), (-18, -34, 70), 12))
        canvas.fill("blood", capsule(points, (-18, -34, 70), (8, 16, 84), 12.5))
        canvas.fill("blood", capsule(points, (8, 16, 84), (4, 22, 40), 14))
        canvas.fill("blood", capsule(points, (24, 22, 60), (22, 24, 160), 8))
        canvas.fill("muscle", capsule(points, (-4, -28, -20), (0, -24, 160), 6))
        trachea = [
            capsule(points, (2, -4, 76), (0, 4, 160), 8),
            capsule(points, (2, -4, 76), (36, -12, 50), 6),
            capsule(points, (2, -4, 76), (-36, -12, 48), 6),
        ]
        canvas.fill("muscle", union(*trachea) - 1.5)
        canvas.fill("air", union(*trachea))

    def _abdomen(self, canvas: Canvas, points: Points, cavity: Distance) -> None:
        y = points[1]
        below = self._dome(points)
        canvas.fill("fat", both(cavity + 3, below))
        psoas = [capsule(points, (side * 30, -58, -160), (side * 22, -60, -20), 15) for side in (-1, 1)]
        canvas.fill("muscle", both(union(*psoas), below))
        loops = np.abs(self.lobes(points)) * 12 - 9.0
        gut = both(ellipsoid(points, (0, 30, -120), (125, 62, 75)), cavity + 7)
        canvas.fill("bowel", both(loops, gut))
        canvas.fill("air", both(loops + 6.5, gut, 12 * self.coarse(points) - y + 36))
        stomach = both(ellipsoid(points, (-58, 26, -36), (42, 36, 40)), cavity + 9, below + 6)
        canvas.fill("bowel", stomach)
        canvas.fill("air", both(stomach + 4, -(y - 26 - self.stomach_air)))
        spleen = both(ellipsoid(points, (-104, -34, -36), (28, 42, 44)), cavity + 6, below + 4)
        canvas.fill("spleen", spleen)
        for side in (-1, 1):
            kidney = ellipsoid(points, (side * 62, -50, -92 + 4 * side), (26, 24, 48))
            kidney = both(kidney, -ellipsoid(points, (side * 40, -42, -92), (16, 12, 18)))
            canvas.fill("kidney", kidney)
            canvas.fill("fat", ellipsoid(points, (side * 54, -48, -92), (9, 7, 22)))
        liver = both(
            union(
                ellipsoid(points, (68, 2, -38), (72, 84, 78)),
                ellipsoid(points, (-2, 44, -28), (72, 38, 42)),
                smooth=16,
            ),
            cavity + 5,
            below + 3,
        )
        canvas.fill("liver", liver)
        veins = np.hypot(self.vessels[0](points), self.vessels[1](points)) * 6.0 - 1.5
        canvas.paint("blood", canvas.cover(veins) * canvas.cover(liver + 8))
        canvas.fill("csf", ellipsoid(points, (44, 36, -74), (13, 24, 18)))  # gall bladder
        canvas.fill("blood", capsule(points, (18, -38, -200), (20, -20, 20), 12))
        canvas.fill("blood", capsule(points, (-20, -38, -200), (-20, -38, 20), 11))

    def _skeleton(self, canvas: Canvas, points: Points, cavity: Distance, outside: Distance) -> None:
        x, y, z = points
        shell = np.maximum(cavity - 4.5, -(cavity + 4.5))
        slope = z + 0.62 * y + 0.12 * np.abs(x)
        period = 31.0
        rib = np.abs(np.mod(slope + self.ribs * period, period) - period / 2) - 6.5
        cage = both(np.maximum(shell, rib), -z - 46 - 0.25 * (60 - np.abs(x)), np.abs(y) - 96, 14 - np.abs(x))
        canvas.fill("cortical bone", cage)
        canvas.fill("spongy bone", cage + 2.2)
        bend = self.scoliosis * np.sin(z / 90)
        straight = (x - bend, y, z)
        height = np.abs(np.mod(z + self.ribs * 25, 28.0) - 14.0)
        disc = height - 3.0
        body = both(
            ellipsoid((straight[0], y, z * 0), (0, -66, 0), (21, 16, 1e4)),
            -ellipsoid((straight[0], y, z * 0), (0, -86, 0), (10, 8, 1e4)),
        )
        canvas.fill("cortical bone", body)
        canvas.fill("spongy bone", body + 1.6)
        canvas.fill("muscle", both(body, disc))
        arch = ellipsoid((straight[0], y, z * 0), (0, -88, 0), (15, 13, 1e4))
        canvas.fill("cortical bone", arch)
        canvas.fill("csf", ellipsoid((straight[0], y, z * 0), (0, -87, 0), (9, 8, 1e4)))
        canvas.fill("white matter", ellipsoid((straight[0], y, z * 0), (0, -87, 0), (5, 4, 1e4)))
        spine = both(np.abs(straight[0]) - 3.0, np.abs(y + 108) - 13.0, -disc * 1.0)
        canvas.fill("cortical bone", both(spine, outside + 8))
        for side in (-1, 1):
            process = capsule((straight[0], y, z * 0), (side * 13, -86, 0), (side * 34, -98, 0), 5)
            canvas.fill("cortical bone", both(process, 6 - height))
            canvas.fill("spongy bone", both(process + 2.0, 6 - height))
            scapula = capsule((x, y, z), (side * 108, -88, 40), (side * 126, -72, 140), 5)
            scapula = np.minimum(scapula, capsule((x, y, z), (side * 108, -88, 40), (side * 84, -100, 140), 4))
            canvas.fill("cortical bone", both(scapula, outside + 9))
        sternum = both(ellipsoid(points, (0, 86, 74), (20, 7, 76)), outside + 7)
        canvas.fill("cortical bone", sternum)
        canvas.fill("spongy bone", sternum + 2.0)
