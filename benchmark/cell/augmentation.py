"""Random changes of training images: jitter (enlarge and cut) and mirroring, alike for source, target and mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from benchmark.contracts.presets import Recipe


@dataclass(frozen=True)
class Augmentation:
    """What happens to the training images of one cell, and why something that the recipe asks for does not."""

    jitter: float = 1.0
    """Images are enlarged by this ratio and cut at a random place to their size again; 1: never."""
    mirrored_axis: int | None = None
    """Axis of ``(N, C, H, W)`` that is reversed with probability 1/2: -1 columns, -2 rows."""
    not_mirrored: str = "not asked for"
    """Why not, where it is not."""

    @classmethod
    def of(cls, recipe: Recipe, *, mirror_safe: bool, view: str) -> Augmentation:
        """What a recipe comes to on given images.

        ``mirror_safe``: the anatomy is as likely the other way round. ``view`` says to which sides of the patient
        columns and rows run; only the axis from left to right may be reversed.
        """
        if not recipe.flip:
            return cls(recipe.jitter)
        if not mirror_safe:
            return cls(recipe.jitter, None, "the data are not declared mirror-safe: organs may have a side")
        for axis, side in ((-1, view[0]), (-2, view[1])):
            if side in "LR":
                return cls(recipe.jitter, axis, "")
        return cls(recipe.jitter, None, "no axis of the slices runs from left to right")

    def to_json(self, image_size: tuple[int, int]) -> dict[str, Any]:
        """As the record holds it; ``jittered_to`` is the size from which images are cut."""
        return {
            "jitter": self.jitter,
            "jittered_to": list(self._enlarged(image_size)),
            "mirrored": {None: "no", -1: "columns", -2: "rows"}[self.mirrored_axis],
            "not_mirrored": self.not_mirrored,
        }

    def apply(self, random: np.random.Generator, images: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """Change a batch ``(N, C, H, W)`` of images, and their mask ``(N, 1, H, W)`` in {0, 1} in the same way.

        All channels of an image move together. Bilinear; the mask is 1 where at least half of a pixel was.
        """
        import torch
        import torch.nn.functional as F

        if self.jitter == 1 and self.mirrored_axis is None:
            return (images,) if mask is None else (images, mask)
        together = images if mask is None else torch.cat([images, mask], 1)
        count, _, height, width = together.shape
        tall, wide = self._enlarged((height, width))
        rows, columns = random.integers(0, tall - height + 1, count), random.integers(0, wide - width + 1, count)
        mirrored = random.random(count) < 0.5
        if (tall, wide) != (height, width):
            together = F.interpolate(together, (tall, wide), mode="bilinear", align_corners=False)
        made = []
        for number in range(count):
            top, left = int(rows[number]), int(columns[number])
            image = together[number, :, top : top + height, left : left + width]
            made.append(
                image.flip(self.mirrored_axis) if self.mirrored_axis is not None and mirrored[number] else image
            )
        changed = torch.stack(made)
        if mask is None:
            return (changed,)
        return changed[:, :-1], (changed[:, -1:] >= 0.5).to(mask.dtype)

    def _enlarged(self, image_size: tuple[int, int]) -> tuple[int, int]:
        height, width = image_size
        return round(height * self.jitter), round(width * self.jitter)
