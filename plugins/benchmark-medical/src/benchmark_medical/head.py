"""Procedural head: one patient's shape is drawn once, then painted on any grid.

Coordinates are RAS mm around the middle of the brain; slices of interest run from the orbits (z about -38)
to the upper brain (z about +58).
"""

from __future__ import annotations

import numpy as np

from benchmark_medical.canvas import Canvas, Distance, Pose, both, capsule, ellipsoid, superellipsoid, union
from benchmark_medical.fields import NoiseSpace, Points, Samples

FIELD_OF_VIEW = 240.0
"""mm"""
HEIGHTS = (-32.0, 52.0)
"""Lowest and highest slice, in mm."""


class Head:
    """One patient's head. All random numbers are drawn here, none when painting."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.female = bool(rng.random() < 0.5)
        size = rng.normal(0.965 if self.female else 1.005, 0.03)
        self.pose = Pose(
            rotation=(rng.normal(0, 0.12), rng.normal(0, 0.07), rng.normal(0, 0.04)),
            shift=(rng.normal(0, 4), rng.normal(0, 4), rng.normal(0, 4)),
            scale=tuple(float(np.clip(size * rng.normal(1, 0.025), 0.88, 1.1)) for _ in range(3)),  # type: ignore[arg-type]
        )
        noise = NoiseSpace(rng)
        self.warps = [noise.field(rng, 70.0) for _ in range(3)]
        self.folds = noise.field(rng, 9.5)
        self.folia = noise.field(rng, 4.5)
        self.cells = noise.field(rng, 6.0)
        self.fine = noise.field(rng, 5.0)
        self.coarse = noise.field(rng, 26.0)
        self.bumps = noise.field(rng, 50.0)
        self.breadth = float(rng.uniform(66.0, 75.0))
        self.egg = float(rng.uniform(0.0, 0.07))
        self.brow = float(rng.uniform(4.0, 5.0) if self.female else rng.uniform(5.0, 7.0))
        self.scalp = float(rng.uniform(4.5, 8.0))
        self.skull = float(rng.uniform(7.0, 11.0))
        self.face_fat = float(rng.uniform(3.0, 9.0))
        self.atrophy = float(rng.uniform(0.4, 1.7))
        self.ventricles = float(rng.uniform(0.75, 1.6))
        self.sinus = rng.uniform(0.7, 1.25, 4)
        self.opacified = rng.random(4) < 0.12
        self.ethmoid = float(rng.uniform(-0.35, 0.15))
        self.gaze = rng.uniform(-0.35, 0.35)
        self.lesions = [self._lesion(rng) for _ in range(rng.integers(0, 3))]
        self.spots = [
            (rng.uniform((-45, -55, 10), (45, 45, 40)), rng.uniform(2.0, 4.5)) for _ in range(rng.integers(0, 6))
        ]

    @staticmethod
    def _lesion(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
        """Centre, radii (mm) and width of the oedema around it."""
        direction = rng.normal(size=3) * (1.0, 1.0, 0.6)
        centre = direction / np.linalg.norm(direction) * rng.uniform(15, 48) + (0, -4, 14)
        return centre, rng.uniform(4, 13) * rng.uniform(0.75, 1.25, 3), rng.uniform(0, 8)

    def paint(self, canvas: Canvas, scanner: Points) -> Points:
        """Paint the head; gives the body coordinates of the voxels, for textures."""
        straight = self.pose.to_body(scanner)
        near = (straight[0] / 104) ** 2 + ((straight[1] - 2) / 124) ** 2 < 1
        bent = Samples(straight, near)
        x, y, z = (p + np.float32(2.5) * bent(warp) for p, warp in zip(straight, self.warps, strict=True))
        points = (x, y, z)
        at = Samples(points, near)
        narrowing = 1 + np.float32(self.egg) * (y + 6) / 88  # the forehead is narrower than the back
        cranium = superellipsoid((x * narrowing, y, z), (0, -6, 6), (self.breadth, 88, 84), 2.25)
        outside = self._soft_tissue(canvas, points, at, cranium)
        inner = self._skull(canvas, points, at, cranium, outside)
        self._brain(canvas, points, at, inner)
        self._face(canvas, points, at, outside)
        return straight

    def _soft_tissue(self, canvas: Canvas, points: Points, at: Samples, cranium: Distance) -> Distance:
        z = points[2]
        face = ellipsoid(points, (0, 34, -62), (62, 62, 62))
        neck = capsule(points, (0, -34, -40), (0, -40, -160), 56)
        outside = union(cranium - np.float32(self.scalp + 2), face, neck, smooth=22)
        nose = capsule(points, (0, 86, -22), (0, 104, -50), 8.5)
        outside = union(outside, nose, smooth=12)
        ears = [
            both(
                ellipsoid(points, (side * 79, -16, -26), (12, 17, 30)),
                -ellipsoid(points, (side * 87, -12, -26), (6, 10, 20)),
            )
            for side in (-1, 1)
        ]
        outside = union(outside, *ears, smooth=3)
        canvas.fill("skin", outside)
        canvas.fill("fat", outside + 2.2)
        deep = outside + np.float32(2.2 + self.face_fat)
        canvas.fill("muscle", both(deep, np.maximum(z + 12, 0) * np.float32(0.8) - 4))
        for side in (-1, 1):  # temporal and masticatory muscles
            temporal = ellipsoid(points, (side * 64, 26, -18), (11, 34, 42))
            canvas.fill("muscle", both(temporal, outside + 3.5))
        marbling = at(self.cells)
        share = canvas.cover((np.float32(1.15) - marbling) * 3)
        canvas.paint("fat", share * canvas.fractions[3] * (z < 0))
        return outside

    def _skull(self, canvas: Canvas, points: Points, at: Samples, cranium: Distance, outside: Distance) -> Distance:
        """Bone; gives the distance to its inner side."""
        x, y, z = points
        crest = 1.5 * np.exp(-((np.abs(x) / 14) ** 2)) * (y < 0)  # behind, in the middle
        thick = self.skull * (1 + 0.14 * at(self.bumps) + 0.05 * at(self.coarse)) + crest
        thick = np.clip(thick, 3.5, 14).astype(np.float32)
        canvas.fill("cortical bone", cranium)
        marrow = np.maximum(cranium + 2.0, -(cranium + thick - 1.8))
        canvas.fill("spongy bone", both(marrow, -z - 30))
        canvas.fill("csf", cranium + thick)
        inner: Distance = cranium + thick
        base: list[Distance] = []
        for side in (-1, 1):
            base.append(capsule(points, (side * 18, -4, -40), (side * 62, -24, -34), 9))  # petrous
            base.append(capsule(points, (side * 14, 36, -26), (side * 56, 26, -18), 4.5))  # sphenoid wing
            base.append(capsule(points, (side * 44, 66, -22), (side * 52, 44, -34), 4.0))  # lateral orbit
            base.append(capsule(points, (side * 66, 34, -40), (side * 58, 58, -44), 3.5))  # zygoma
        clivus = capsule(points, (0, 8, -30), (0, -8, -60), 9)
        brow = capsule(points, (-30, 76, -12), (30, 76, -12), self.brow)
        bone = both(union(*base, clivus, brow, smooth=5), outside + 6)
        canvas.fill("cortical bone", bone)
        canvas.fill("spongy bone", bone + 3.2)
        return inner

    def _brain(self, canvas: Canvas, points: Points, at: Samples, inner: Distance) -> None:
        x, y, z = points
        brain = inner + np.float32(1.2 + self.atrophy)
        hemispheres = both(brain, (self._floor(points) - z).astype(np.float32))
        # sulci are sheets that stand on the surface: the field is looked up along rays from the middle of the brain
        radius = np.sqrt(x * x + 0.7 * (y + 6) ** 2 + 0.8 * (z - 6) ** 2)
        stretch = np.float32(0.25) + np.float32(0.75 * 62) / np.maximum(radius, 25)
        fold = np.abs(at.along(self.folds, (x * stretch, y * stretch, z * stretch))) * np.float32(9.5 / 2.2)
        reach = 17 + 4 * at(self.coarse) - np.maximum(36 - radius, 0)
        deep = np.maximum(-hemispheres - reach, 0)
        fissure = np.abs(x + 0.8 * at(self.bumps))
        callosum = ellipsoid(points, (0, -6, 8), (26, 46, 22))
        fissure = fissure + np.maximum(-callosum, 0) * 2
        sylvius = np.hypot(z - 2 + 0.25 * y, np.maximum(34 - np.abs(x), 0) * 1.4) + np.maximum(-20 - y, 0)
        sulcus = np.minimum(np.minimum(fold + deep, fissure), sylvius.astype(np.float32))
        surface = np.minimum(-hemispheres, sulcus)
        canvas.fill("grey matter", hemispheres)
        canvas.paint("white matter", canvas.cover(3.2 - surface) * canvas.cover(hemispheres + 3.0))
        deeper = np.clip(1.3 + hemispheres / 20, 0.3, 1.3)  # sulci are wider at the surface
        gape = np.float32(0.15 + 0.35 * self.atrophy) * deeper
        canvas.paint("csf", canvas.band(sulcus - gape, -9.0, 0.0) * canvas.cover(hemispheres))
        sinus = both(np.hypot(x, inner + 3.5) - 3.2, y - 40, -18 - z)
        canvas.fill("blood", sinus.astype(np.float32))
        self._deep_structures(canvas, points, hemispheres)
        self._hindbrain(canvas, points, at, brain, hemispheres)
        for centre, radii, oedema in self.lesions:
            lesion = ellipsoid(points, centre, radii) + 1.6 * at(self.folds)
            if oedema > 1:
                swelling = both(lesion - np.float32(oedema), hemispheres + 4)
                canvas.paint("oedema", canvas.cover(swelling) * (1 - canvas.fractions[8]))
            canvas.fill("lesion", both(lesion, brain))
            canvas.fill("oedema", both(lesion + np.float32(min(radii) * 0.6), brain))
        for centre, radius in self.spots:
            spot = both(ellipsoid(points, centre, (radius, radius, radius)), hemispheres + 6)
            canvas.paint("oedema", canvas.cover(spot) * canvas.fractions[7])

    @staticmethod
    def _tentorium(points: Points) -> Distance:
        """Height (mm) of the roof of the hindbrain: a tent, steepest in the middle and in front."""
        x, y, _ = points
        height: Distance = -13 + 13 * np.exp(-((x / 30) ** 2)) * np.clip((y + 92) / 60, 0, 1)
        return height

    def _floor(self, points: Points) -> Distance:
        """Height (mm) of the underside of the hemispheres: the tentorium behind, the temporal lobes at the sides,
        the frontal lobes above the orbits."""
        x, y, _ = points
        temporal = np.clip((np.abs(x) - 16) / 12, 0, 1) * np.clip((y + 36) / 14, 0, 1) * np.clip((44 - y) / 10, 0, 1)
        front = -18 + np.clip(-0.25 * (y + 5), -4, 12)
        behind = np.clip((-18 - y) / 16, 0, 1)
        height: Distance = behind * self._tentorium(points) + (1 - behind) * front - 26 * temporal
        return height

    def _deep_structures(self, canvas: Canvas, points: Points, hemispheres: Distance) -> None:
        wide = self.ventricles
        for side in (-1, 1):
            nuclei = union(
                ellipsoid(points, (side * 11, -14, 8), (9, 15, 9)),
                capsule(points, (side * 13, 20, 12), (side * 18, -6, 24), 5),
            )
            lentiform = ellipsoid(points, (side * 25, 3, 4), (7, 17, 10))
            canvas.fill("deep grey matter", both(union(nuclei, lentiform), hemispheres + 8))
        ventricles: list[Distance] = [ellipsoid(points, (0, -6, 2), (1.6 * wide, 13, 9))]
        for side in (-1, 1):
            bends = [(9, 34, 10), (6, 14, 19), (9, -16, 22), (20, -36, 12), (24, -58, 8)]
            radii = [4.5, 4.2, 4.4, 5.2, 3.2]
            for start, end, radius in zip(bends, bends[1:], radii, strict=False):
                ventricles.append(
                    capsule(points, (side * start[0], *start[1:]), (side * end[0], *end[1:]), radius * wide * 0.85)
                )
            ventricles.append(capsule(points, (side * 20, -36, 12), (side * 32, -10, -12), 2.4 * wide))
        canvas.fill("csf", both(union(*ventricles, smooth=3), hemispheres + 3))

    def _hindbrain(self, canvas: Canvas, points: Points, at: Samples, brain: Distance, hemispheres: Distance) -> None:
        x, y, z = points
        roof = (z - self._tentorium(points)).astype(np.float32)
        canvas.fill("csf", both(brain, np.minimum(roof, z + 14), y - 8, -hemispheres))
        petrous = y + 18 + 0.42 * np.maximum(np.abs(x) - 14, 0)
        notch = np.hypot(x, y + 92) * -1.0 + 8  # between the two halves, behind
        cerebellum = both(brain + 1.5, roof + 1.5, petrous, notch).astype(np.float32)
        stretched = (x * 0.35, y, z * 1.3)
        leaves = np.abs(at.along(self.folia, stretched)) * np.float32(2.2)
        canvas.fill("cerebellar cortex", cerebellum)
        tree = np.maximum(2.6 - leaves, cerebellum + 3.5)
        core = ellipsoid(points, (0, -46, -32), (24, 12, 11))
        canvas.fill("white matter", both(union(tree, core, smooth=2), cerebellum + 2))
        canvas.fill("white matter", capsule(points, (0, -14, -4), (0, -22, -70), 11.5))
        canvas.fill("white matter", ellipsoid(points, (0, -13, -30), (16, 13, 14)))  # pons
        canvas.fill("csf", ellipsoid(points, (0, -36, -30), (6, 3.5, 12)))

    def _face(self, canvas: Canvas, points: Points, at: Samples, outside: Distance) -> None:
        x = points[0]
        for side in (-1, 1):
            orbit = union(
                ellipsoid(points, (side * 32, 66, -30), (19, 20, 17)),
                capsule(points, (side * 30, 60, -30), (side * 13, 26, -30), 6),
                smooth=12,
            )
            canvas.fill("cortical bone", both(orbit - 2.2, outside + 5))
            canvas.fill("fat", both(orbit, outside + 3))
            for angle in (0.0, np.pi / 2, np.pi, 3 * np.pi / 2):
                root = (side * 15, 32, -30)
                end = (side * 32 + 11 * np.cos(angle), 66, -30 + 11 * np.sin(angle))
                canvas.fill("muscle", capsule(points, root, end, 2.0))
            canvas.fill("white matter", capsule(points, (side * 14, 28, -30), (side * 31, 60, -30), 1.8))
            canvas.fill("eye", ellipsoid(points, (side * 32, 72, -30), (12, 12, 12)))
            look = (side * 32 + 9 * np.sin(self.gaze), 72 + 9 * np.cos(self.gaze), -30)
            canvas.fill("lens", ellipsoid(points, look, (4.5, 2.2, 4.5)))
        labyrinth = ellipsoid(points, (0, 56, -38), (12, 30, 18))
        canvas.fill("cortical bone", labyrinth - 1.5)
        cells = np.maximum(labyrinth, (np.float32(self.ethmoid) - np.abs(at(self.cells))) * 2.0)
        canvas.fill("mucosa", labyrinth)
        canvas.fill("air", cells)
        septum = np.abs(x + 0.8 * at(self.coarse)) - 1.0
        canvas.fill("cortical bone", both(septum, labyrinth))
        frontal = [(side * 13, 80, -4, 13 * s, 6 * s, 14 * s) for side, s in zip((-1, 1), self.sinus, strict=False)]
        sphenoid = [
            (side * 8, 16, -34, 7.5 * s, 11 * s, 9 * s) for side, s in zip((-1, 1), self.sinus[2:], strict=True)
        ]
        for (cx, cy, cz, rx, ry, rz), opaque in zip(frontal + sphenoid, self.opacified, strict=True):
            cavity = ellipsoid(points, (cx, cy, cz), (rx, ry, rz)) + 1.2 * at(self.cells)
            canvas.fill("cortical bone", both(cavity - 1.8, outside + 5))
            canvas.fill("mucosa", both(cavity, outside + 5))
            if not opaque:
                canvas.fill("air", both(cavity + 0.8, outside + 6))
        for side in (-1, 1):
            mastoid = ellipsoid(points, (side * 58, -34, -34), (13, 15, 17))
            canvas.fill("cortical bone", both(mastoid - 1, outside + 6))
            air = np.maximum(mastoid, (np.float32(0.25) - at(self.folia)) * 2.5)
            canvas.fill("air", both(air, outside + 8))
            canvas.fill("air", capsule(points, (side * 84, -12, -32), (side * 50, -12, -33), 3.0))
        nostrils = both(ellipsoid(points, (0, 84, -52), (9, 22, 16)), -septum)
        canvas.fill("air", nostrils)
