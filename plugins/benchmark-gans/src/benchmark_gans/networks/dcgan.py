"""DCGAN's generator in the widths of Guibas et al. stage I: noise to mask, or, for translation, source to mask.

The discriminator of both is :class:`benchmark_gans.networks.discriminators.ImageDiscriminator`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark import UsageError
from benchmark_gans.networks.receptive_field import receptive_field

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
        check_sides(image_size)
        height, width = image_size
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


class SourceToMask(nn.Module):
    """Source ``(N, inputs, H, W)`` to logits ``(N, outputs, H, W)``: a DCGAN that draws from an image, not from noise.

    The convolutions of DCGAN's discriminator (5x5, stride 2, batch norm on all but the first, LeakyReLU) stand in
    for the linear layer of its generator, whose four 5x5 layers follow. No skips, as there are none in DCGAN.

    Raises:
        UsageError: a side of the image is not a multiple of 16.
    """

    def __init__(self, inputs: int, outputs: int, *, image_size: tuple[int, int], filters: int = 64) -> None:
        super().__init__()
        check_sides(image_size)
        widths = [filters, filters * 2, filters * 4, filters * 8]
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 5, 2, 2) for before, after in zip([inputs, *widths], widths, strict=False)
        )
        self.down_norm = nn.ModuleList(
            nn.BatchNorm2d(width) if level else nn.Identity() for level, width in enumerate(widths)
        )
        outwards = widths[-2::-1]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 5, 2, 2, output_padding=1)
            for before, after in zip(widths[::-1], [*outwards, outputs], strict=True)
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(width) for width in outwards)
        self.receptive_field = receptive_field([*self.down, *self.up])

    def forward(self, source: Tensor) -> Tensor:
        hidden = source
        for convolution, norm in zip(self.down, self.down_norm, strict=True):
            hidden = F.leaky_relu(norm(convolution(hidden)), 0.2)
        for level, norm in enumerate(self.up_norm):
            hidden = F.relu(norm(self.up[level](hidden)))
        logits: Tensor = self.up[-1](hidden)
        return logits


def check_sides(image_size: tuple[int, int]) -> None:
    """Four layers of stride 2 must come out even.

    Raises:
        UsageError: a side of the image is not a multiple of 16.
    """
    height, width = image_size
    if height % 16 or width % 16:
        raise UsageError(f"image size {height}x{width}: DCGAN's generator needs sides that are multiples of 16")
