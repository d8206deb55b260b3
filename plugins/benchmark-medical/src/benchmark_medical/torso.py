"""Procedural torso: one patient's shape is drawn once, then painted on any grid.

Coordinates are RAS mm around the tip of the diaphragm's dome; slices run from the kidneys (z about -90) to
the top of the lungs (z about +130). Arms are taken to lie above the head, as in a PET scan.
"""

from __future__ import annotations

import numpy as np

from benchmark_medical.canvas import Canvas, Distance, Pose, both, capsule, ellipsoid, superellipsoid, union
from benchmark_medical.fields import NoiseSpace, Points, Samples

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
            rotation=(rng.normal(0, 0.07), rng.normal(0, 0.03), rng.normal(0, 0.03)),
            shift=(rng.normal(0, 10), rng.normal(0, 9), rng.normal(0, 8)),
            scale=tuple(float(np.clip(size * rng.normal(1, 0.03), 0.84, 1.08)) for _ in range(3)),  # type: ignore[arg-type]
        )
        noise = NoiseSpace(rng)
        self.warps = [noise.field(rng, 105.0) for _ in range(3)]
        self.fine = noise.field(rng, 9.0)
        self.coarse = noise.field(rng, 45.0)
        self.vessels = [noise.field(rng, 13.0), noise.field(rng, 13.0)]
        self.lobes = noise.field(rng, 24.0)
        self.planes = noise.field(rng, 20.0)
        self.fat = float(rng.uniform(6.0, 28.0))
        self.wall = float(rng.uniform(12.0, 18.0))
        self.back = float(rng.uniform(0.85, 1.15) * (0.9 if self.female else 1.05))
        self.ribs = float(rng.uniform(0.0, 2 * np.pi))
        self.heart = rng.uniform(0.88, 1.12, 3)
        self.heart_turn = float(rng.normal(0.65, 0.15))
        self.stomach_air = float(rng.uniform(-6, 24))
        self.scoliosis = float(rng.normal(0, 5))
        self.breast = float(rng.uniform(24, 42)) if self.female else 0.0
        self.glandular = float(rng.uniform(0.0, 1.4))
        self.visceral = float(rng.uniform(-0.5, 0.5))
        self.lesions = [self._lesion(rng) for _ in range(rng.integers(3, 9))]

    @staticmethod
    def _lesion(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Centre and radii (mm): in a lung, the mediastinum, the liver, or beside the spine."""
        low, high = [
            ((-105, -50, 10), (-45, 45, 110)),
            ((45, -50, 20), (105, 45, 110)),
            ((-30, -20, 40), (30, 45, 110)),
            ((15, -45, -70), (110, 50, -5)),
            ((-40, -45, -90), (40, -15, 20)),
        ][rng.integers(0, 5)]
        return rng.uniform(low, high), rng.uniform(5, 15) * rng.uniform(0.75, 1.3, 3)

    def paint(self, canvas: Canvas, scanner: Points) -> Points:
        """Paint the torso; gives the body coordinates of the voxels, for textures."""
        straight = self.pose.to_body(scanner)
        near = (straight[0] / 222) ** 2 + (straight[1] / 172) ** 2 < 1
        bent = Samples(straight, near)
        x, y, z = (p + np.float32(5.0) * bent(warp) for p, warp in zip(straight, self.warps, strict=True))
        points = (x, y, z)
        at = Samples(points, near)
        cavity, outside = self._wall(canvas, points, at)
        self._abdomen(canvas, points, at, cavity)
        self._chest(canvas, points, at, cavity)
        self._skeleton(canvas, points, cavity, outside)
        for centre, radii in self.lesions:
            canvas.fill("lesion", both(ellipsoid(points, centre, radii) + 1.5 * at(self.fine), cavity))
        return straight

    def _wall(self, canvas: Canvas, points: Points, at: Samples) -> tuple[Distance, Distance]:
        """Skin, fat and muscles around the cavity; gives the distances to the cavity and to the skin."""
        x, y, z = points
        lift = np.clip(z / 420, -0.1, 0.3)
        groove = 7 * np.exp(-((x / 13) ** 2)) * np.clip(-y / 60, 0, 1)
        trunk = superellipsoid((x * (1 + lift), y * (1 + 0.4 * lift), z * 0), (0, 0, 0), (160, 103, 1e4), 2.35) + groove
        shoulders = [
            union(
                capsule(points, (side * 92, -44, 78), (side * 158, -22, 196), 42),
                capsule(points, (side * 66, 48, 92), (side * 150, 10, 196), 28),
                smooth=20,
            )
            for side in (-1, 1)
        ]
        frame = union(trunk, *shoulders, smooth=24)
        # fat is thicker in front of the belly than over the ribs and shoulders
        padding = np.float32(self.fat) * (0.75 + 0.25 * np.clip(-z / 60, 0, 1) + 0.12 * at(self.coarse))
        outside = (frame - padding).astype(np.float32)
        for side in (-1, 1) if self.female else ():
            bulge = ellipsoid(points, (side * 76, 84 + self.fat * 0.5, 58), (56, self.breast, 54))
            outside = union(outside, bulge, smooth=16)
        canvas.fill("skin", outside)
        canvas.fill("fat", outside + 2.2)
        if self.female:
            leaves = (np.float32(0.9 - self.glandular) + np.abs(at(self.lobes))) * 9
            for side in (-1, 1):
                centre = (side * 78, 92 + self.fat * 0.5, 58)
                cone = ellipsoid(points, centre, (40, max(self.breast - 10, 8), 40))
                canvas.fill("breast gland", both(cone, leaves, outside + 8, -frame - 1))
        muscle = frame + 2.0 * at(self.coarse)
        canvas.fill("muscle", muscle)
        # sheets of fat between the muscles, parallel to the skin and across
        layer = np.abs(muscle + np.float32(self.wall * 0.5) + 2.5 * at(self.planes)) - 0.7
        across = np.abs(at(self.planes)) * 7 - 0.6
        sheets = both(np.minimum(layer, across), muscle + 2.5)
        canvas.paint("fat", canvas.cover(sheets).astype(np.float32))
        cavity = trunk + np.float32(self.wall) + 10 * np.clip(z / 130 - 0.3, 0, 1)
        for side in (-1, 1):  # the long muscles of the back
            back = ellipsoid((x, y, z * 0), (side * 33, -79, 0), (27 * self.back, 20 * self.back, 1e4))
            cavity = both(cavity, -back)
            canvas.fill("fat", both(back - 1.3, muscle + 2))
            canvas.fill("muscle", both(back, muscle + 3))
        for side in (-1, 1):  # the straight muscles of the belly, and the pectoral muscles
            belly = ellipsoid((x, y, z * 0), (side * 32, 94, 0), (27, 7.5, 1e4))
            canvas.fill("muscle", both(belly, z - 10))
            chest = ellipsoid(points, (side * 74, 78, 96), (58, 17, 46))
            canvas.fill("muscle", both(chest, outside + 5))
        return cavity.astype(np.float32), outside

    def _dome(self, points: Points) -> Distance:
        """Height above the diaphragm (mm)."""
        x, y, z = points
        right = 6 - ((x - 62) / 11) ** 2 * 0.6 - (y - 10) ** 2 / 110
        left = -6 - ((x + 62) / 11) ** 2 * 0.6 - (y - 10) ** 2 / 110
        return z - np.maximum(right, left)

    def _chest(self, canvas: Canvas, points: Points, at: Samples, cavity: Distance) -> None:
        x, y, z = points
        above = -self._dome(points)
        lungs = [both(ellipsoid(points, (side * 66, -8, 14), (74, 116, 142)), cavity + 5.5, above) for side in (-1, 1)]
        front = np.float32(12) + 10 * at(self.coarse) + 0.35 * np.maximum(-z, 0)
        mediastinum = union(
            ellipsoid((x, y, z * 0), (0, 62, 0), (9, 60, 1e4)) - np.clip(front, 0, 22) * 0.5,
            ellipsoid(points, (0, 6, 66), (30, 34, 130)),
            ellipsoid((x, y, z * 0), (0, -44, 0), (33, 28, 1e4)),
            smooth=10,
        )
        lung = both(np.minimum(*lungs), -mediastinum)
        canvas.fill("fat", both(cavity + 4.5, above))
        canvas.fill("lung", lung)
        branching = np.hypot(self.vessels[0](points), self.vessels[1](points)) * 5.5
        hilum = np.maximum(np.hypot(np.abs(x) - 30, y) - 8, 0) * 0.03
        canvas.paint("blood", canvas.cover(branching - np.float32(3.0) + hilum) * canvas.cover(lung + 4))
        canvas.fill("muscle", both(np.abs(above) - 1.6, cavity + 2))  # the diaphragm
        self._heart(canvas, points, at, cavity)
        canvas.fill("blood", capsule(points, (-24, -24, -200), (-24, -22, 70), 11.5))
        canvas.fill("blood", capsule(points, (-24, -22, 70), (6, 24, 86), 12.5))
        canvas.fill("blood", capsule(points, (6, 24, 86), (2, 26, 44), 14.5))
        canvas.fill("blood", capsule(points, (26, 26, 56), (22, 24, 160), 8.5))
        pulmonary = union(
            capsule(points, (-16, 34, 58), (-22, 10, 68), 12), capsule(points, (-22, 10, 66), (40, -4, 60), 9), smooth=6
        )
        canvas.fill("blood", pulmonary)
        for side in (-1, 1):
            canvas.fill("blood", capsule(points, (-6, 34, 100), (side * 34, 28, 165), 5.5))
            canvas.fill("muscle", capsule(points, (side * 62, 34, 118), (side * 130, 8, 175), 7))
            canvas.fill("blood", capsule(points, (side * 56, 20, 120), (side * 124, -2, 170), 5))
        canvas.fill("muscle", capsule(points, (-8, -16, -20), (0, -12, 160), 7))
        canvas.fill("air", capsule(points, (-8, -16, 30), (0, -12, 160), 1.6))
        trachea = [
            capsule(points, (2, 6, 76), (0, 12, 160), 8),
            capsule(points, (2, 6, 76), (38, -6, 50), 6),
            capsule(points, (2, 6, 76), (-38, -6, 48), 6),
        ]
        canvas.fill("cartilage", union(*trachea) - 1.5)
        canvas.fill("air", union(*trachea))

    def _heart(self, canvas: Canvas, points: Points, at: Samples, cavity: Distance) -> None:
        """Turned to the left: the left chamber with its thick wall behind, the right one in front, the atria above."""
        x, y, z = points
        cos, sin = np.cos(self.heart_turn), np.sin(self.heart_turn)
        turned = (-(x + 18) * cos + (y - 24) * sin, (x + 18) * sin + (y - 24) * cos, z)  # along the axis, to the front
        a, b, c = self.heart
        heart = both(ellipsoid(turned, (0, 0, 30), (62 * a, 43 * b, 46 * c)), cavity + 5)
        canvas.fill("fat", heart - 2.5)
        canvas.fill("myocardium", both(heart, heart + 3 + 1.5 * at(self.coarse)))
        left = ellipsoid(turned, (16 * a, -13 * b, 25), (41 * a, 27 * b, 35 * c))
        right = ellipsoid(turned, (8 * a, 22 * b, 24), (44 * a, 17 * b, 36 * c))
        atria = [ellipsoid(turned, (-34 * a, side * 17 * b, 44), (23 * a, 19 * b, 25 * c)) for side in (-1, 1)]
        for chamber in (right, *atria):
            canvas.fill("myocardium", both(chamber - 3, heart))
            canvas.fill("blood", both(chamber, heart + 2.5))
        canvas.fill("myocardium", both(left, heart))
        canvas.fill("blood", left + 10.5 + 1.2 * at(self.fine))

    def _abdomen(self, canvas: Canvas, points: Points, at: Samples, cavity: Distance) -> None:
        y = points[1]
        below = self._dome(points)
        canvas.fill("fat", both(cavity + 2, below))
        psoas = [capsule(points, (side * 36, -44, -170), (side * 24, -40, -30), 15.5) for side in (-1, 1)]
        canvas.fill("muscle", both(union(*psoas), below))
        crura = [capsule(points, (side * 13, -26, -120), (side * 15, -18, 2), 5) for side in (-1, 1)]
        canvas.fill("muscle", both(np.minimum(*crura), below))
        loops = np.abs(at(self.lobes)) * 12 - np.float32(9.0 + 2 * self.visceral)
        gut = both(ellipsoid(points, (0, 38, -116), (128, 56, 90)), cavity + 6)
        canvas.fill("bowel", both(loops, gut))
        canvas.fill("air", both(loops + 6.5, gut, 12 * at(self.coarse) - y + 42))
        for side in (-1, 1):  # the colon, along the flanks
            colon = capsule(points, (side * 98, 14, -200), (side * 92, 30, -78 + 14 * side), 19) + 2.5 * at(self.lobes)
            canvas.fill("bowel", both(colon, cavity + 5))
            canvas.fill("air", both(colon + 4, 8 * at(self.coarse) - y + 20))
        stomach = union(
            ellipsoid(points, (-56, 22, -34), (40, 36, 40)),
            capsule(points, (-40, 44, -66), (20, 48, -82), 17),
            smooth=16,
        )
        stomach = both(stomach, cavity + 7, below + 5)
        canvas.fill("bowel", stomach)
        canvas.fill("air", both(stomach + 4, -(y - 26 - self.stomach_air)))
        hollow = ellipsoid(points, (-78, -22, -40), (17, 30, 40))
        spleen = both(ellipsoid(points, (-104, -34, -36), (28, 44, 46)), cavity + 5, below + 4, -hollow)
        canvas.fill("spleen", spleen)
        head, tail = (
            capsule(points, (34, 4, -84), (2, 14, -70), 12),
            capsule(points, (2, 14, -70), (-74, -22, -48), 9.5),
        )
        gland = union(head, tail, smooth=8)
        canvas.fill("pancreas", both(gland + 2.2 * at(self.fine), below))
        for side in (-1, 1):
            middle = (side * 64, -40, -96 + 4 * side)
            kidney = ellipsoid(points, middle, (27, 26, 50))
            hilum = ellipsoid(points, (side * 40, -32, -96), (17, 12, 20))
            canvas.fill("fat", both(kidney - 7, cavity + 3))
            canvas.fill("kidney", both(kidney, -hilum))
            pelvis = ellipsoid(points, (side * 56, -38, -96), (11, 8, 26)) + 2.5 * at(self.fine)
            canvas.fill("fat", both(pelvis, kidney + 7))
            canvas.fill("muscle", capsule(points, (side * 26, -24, -44), (side * 38, -30, -40), 2.6))  # adrenal gland
        self._liver(canvas, points, cavity, below)
        canvas.fill("blood", capsule(points, (20, -18, -200), (20, -8, 22), 11))
        canvas.fill("blood", capsule(points, (-14, -20, -200), (-22, -24, 20), 10))

    def _liver(self, canvas: Canvas, points: Points, cavity: Distance, below: Distance) -> None:
        right = ellipsoid(points, (72, -2, -36), (66, 80, 78))
        left = ellipsoid(points, (-2, 46, -22), (68, 33, 36))
        notch = capsule(points, (4, -30, -60), (16, 24, -60), 20)  # where vessels, duct and caudate lobe lie
        liver = both(union(right, left, smooth=16), cavity + 4, below + 2, -notch)
        canvas.fill("liver", liver)
        veins = np.hypot(self.vessels[0](points), self.vessels[1](points)) * 6.0 - 1.7
        canvas.paint("blood", canvas.cover(veins) * canvas.cover(liver + 8))
        canvas.fill("blood", both(capsule(points, (10, 6, -64), (58, 12, -44), 6), liver - 12))
        canvas.fill("fat", both(capsule(points, (-6, 60, -90), (0, 26, -34), 3.0), liver))  # the falciform ligament
        canvas.fill("csf", ellipsoid(points, (42, 42, -74), (13, 23, 19)))  # gall bladder

    def _skeleton(self, canvas: Canvas, points: Points, cavity: Distance, outside: Distance) -> None:
        x, y, z = points
        shell = np.maximum(cavity - 4.5, -(cavity + 3.5))
        slope = z + 0.62 * y + 0.12 * np.abs(x)
        period = 31.0
        rib = np.abs(np.mod(slope + self.ribs * period, period) - period / 2) - 6.5
        cage = both(np.maximum(shell, rib), -z - 46 - 0.25 * (60 - np.abs(x)), np.abs(y) - 99, 14 - np.abs(x))
        costal = np.clip((y - 66) / 6, 0, 1) * np.clip((74 - np.abs(x)) / 6, 0, 1)  # in front, ribs end in cartilage
        solid = canvas.cover(cage)
        canvas.paint("cartilage", (solid * costal).astype(np.float32))
        canvas.paint("cortical bone", (solid * (1 - costal)).astype(np.float32))
        canvas.paint("trabecular bone", (canvas.cover(cage + 1.9) * (1 - costal)).astype(np.float32))
        self._spine(canvas, points, outside)
        for side in (-1, 1):
            blade = capsule(points, (side * 100, -86, 46), (side * 124, -60, 150), 4)
            blade = np.minimum(blade, capsule(points, (side * 102, -86, 50), (side * 80, -94, 150), 3.5))
            blade = union(blade, capsule(points, (side * 124, -60, 110), (side * 84, -96, 120), 3), smooth=4)
            canvas.fill("cortical bone", both(blade, outside + 9))
            canvas.fill("trabecular bone", both(blade + 1.8, outside + 9))
            collar = capsule(points, (side * 18, 74, 138), (side * 130, 20, 182), 7)
            canvas.fill("cortical bone", collar)
            canvas.fill("trabecular bone", collar + 2.2)
        sternum = both(ellipsoid(points, (0, 88, 78), (21, 6.5, 78)), outside + 6)
        canvas.fill("cortical bone", sternum)
        canvas.fill("trabecular bone", sternum + 1.7)

    def _spine(self, canvas: Canvas, points: Points, outside: Distance) -> None:
        """Vertebrae 28 mm apart with discs between them, arches, processes, and the cord in its canal."""
        x, y, z = points
        x = x - np.float32(self.scoliosis) * np.sin(z / 90)
        flat = (x, y, z * 0)
        height = np.abs(np.mod(z + self.ribs * 25, 28.0) - 14.0)
        wide = 20 - 0.025 * z
        body = both(
            superellipsoid((x / wide * 20, y, z * 0), (0, -48, 0), (20, 16, 1e4), 2.4),
            -ellipsoid(flat, (0, -68, 0), (10, 7, 1e4)),
        )
        disc = height - 3.0
        canvas.fill("cortical bone", body)
        canvas.fill("trabecular bone", body + 1.5)
        canvas.fill("cartilage", both(body, disc))
        arch = both(ellipsoid(flat, (0, -70, 0), (16, 13, 1e4)), 5 - height)
        canvas.fill("cortical bone", arch)
        canvas.fill("trabecular bone", arch + 2.5)
        canvas.fill("fat", ellipsoid(flat, (0, -69, 0), (10, 8.5, 1e4)))
        canvas.fill("csf", ellipsoid(flat, (0, -69, 0), (8.5, 7.2, 1e4)))
        canvas.fill("white matter", ellipsoid(flat, (0, -69, 0), (5, 4, 1e4)))
        spine = both(np.abs(x) - 3.2, np.abs(y + 90) - 13.0, 4.0 - height)
        canvas.fill("cortical bone", both(spine, outside + 6))
        canvas.fill("trabecular bone", both(spine + 1.5, outside + 8))
        for side in (-1, 1):
            process = both(capsule(flat, (side * 12, -70, 0), (side * 36, -80, 0), 5.5), 6 - height)
            canvas.fill("cortical bone", process)
            canvas.fill("trabecular bone", process + 1.8)
            joint = both(ellipsoid(flat, (side * 15, -76, 0), (7, 8, 1e4)), height - 7)
            canvas.fill("cortical bone", joint)
