"""DCGAN's generator in the widths of Guibas et al. stage I: noise to mask. Its discriminator is ImageDiscriminator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark import UsageError

NOISE = 100
"""Length of the noise vector."""


class NoiseGenerator(nn.Module):
    """Noise ``(N, 100)`` to ``(N, outputs, H, W)``: a linear layer to 1/16 of the size, four 5x5 layers up.

    Batch norm and ReLU after all but the last, which gives logits, or Tanh with ``tanh``. 57,257,857 parameters
    for one channel at 512x512 and 64 filters, 5,132,161 at 64x64.

    Raises:
        UsageError: a side of the image is not a multiple of 16.
    """

    receptive_field: int | None = None

    def __init__(
        self, outputs: int = 1, *, image_size: tuple[int, int] = (512, 512), filters: int = 64, tanh: bool = True
    ) -> None:
        super().__init__()
        height, width = image_size
        if height % 16 or width % 16:
            raise UsageError(f"image size {height}x{width}: DCGAN's generator needs sides that are multiples of 16")
        self.start = (filters * 8, height // 16, width // 16)
        widths = [filters * 8, filters * 4, filters * 2, filters]
        self.project = nn.Linear(NOISE, widths[0] * self.start[1] * self.start[2])
        self.norms = nn.ModuleList(nn.BatchNorm2d(each) for each in widths)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 5, 2, 2, output_padding=1)
            for before, after in zip(widths, [*widths[1:], outputs], strict=True)
        )
        self.tanh = tanh

    def forward(self, noise: Tensor) -> Tensor:
        hidden = self.project(noise).view(-1, *self.start)
        for norm, layer in zip(self.norms, self.up, strict=True):
            hidden = layer(F.relu(norm(hidden)))
        return torch.tanh(hidden) if self.tanh else hidden
