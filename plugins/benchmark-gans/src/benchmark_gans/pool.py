"""CycleGAN's pool of made images (section 4): discriminators also see older ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Holds up to ``size`` images; with 0 every image is handed straight back.

    Has its own random state, seeded from torch's, so that a checkpoint can hold it.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []
        self.random = torch.Generator().manual_seed(int(torch.randint(2**62, ()).item()))

    def exchange(self, images: Tensor) -> Tensor:
        """For each image of ``(N, C, H, W)``: while the pool fills, store it and return it; then, with
        probability 1/2, store it in the place of a stored one and return that, else return it.
        """
        if self.size == 0:
            return images
        returned = []
        for image in images:
            if len(self.images) < self.size:
                self.images.append(image.clone())
                returned.append(image)
            elif torch.rand((), generator=self.random) < 0.5:
                place = int(torch.randint(self.size, (), generator=self.random))
                returned.append(self.images[place])
                self.images[place] = image.clone()
            else:
                returned.append(image)
        return torch.stack(returned)

    def state_dict(self) -> dict[str, Any]:
        """The stored images and the random state."""
        return {"images": [image.clone() for image in self.images], "random": self.random.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.images = [image.clone() for image in state["images"]]
        self.random.set_state(state["random"].cpu())
