"""Stage II of Guibas et al. 2017 as its author code has it: a U-Net from mask to image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark_gans.networks.ublock import WIDEST, depth_for


def depth_to_two(image_size: tuple[int, int]) -> int:
    """How often the U-Net halves an image: 8 times at most, and never down to one pixel, as the authors' 512x512.

    Raises:
        UsageError: a side is not a multiple of 16.
    """
    depth = depth_for(image_size)
    return depth - 1 if min(image_size) >> depth == 1 else depth


class MaskUNet(nn.Module):
    """``(N, inputs, H, W)`` to ``(N, outputs, H, W)`` in [-1, 1] with 4x4 layers, ``depth`` down and ``depth`` up.

    What differs from pix2pix: batch norm on every layer, the first and the last too, biases everywhere, LeakyReLU in
    the decoder, skips taken after the activation. Dropout comes after the activation of the first three layers up.
    54,420,617 parameters for three channels in and out, 64 filters, depth 8.
    """

    receptive_field: int | None = None

    def __init__(self, inputs: int, outputs: int = 1, *, filters: int = 64, depth: int = 8, dropout: float = 0.5):
        super().__init__()
        widths = [filters * min(WIDEST, 2**level) for level in range(depth)]
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 4, 2, 1) for before, after in zip([inputs, *widths], widths, strict=False)
        )
        self.down_norm = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        inwards = widths[::-1]
        outwards = [*inwards[1:], outputs]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(before if level == 0 else 2 * before, after, 4, 2, 1)
            for level, (before, after) in enumerate(zip(inwards, outwards, strict=True))
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(width) for width in outwards)
        self.dropout = dropout

    def forward(self, mask: Tensor) -> Tensor:
        skips: list[Tensor] = []
        hidden = mask
        for convolution, norm in zip(self.down, self.down_norm, strict=True):
            hidden = F.leaky_relu(norm(convolution(hidden)), 0.2)
            skips.append(hidden)
        hidden = skips.pop()
        for level, norm in enumerate(self.up_norm):
            hidden = norm(self.up[level](hidden))
            if not skips:
                break
            hidden = F.leaky_relu(hidden, 0.2)
            if self.dropout and level < 3:
                hidden = F.dropout(hidden, self.dropout, self.training)
            hidden = torch.cat([hidden, skips.pop()], 1)
        return torch.tanh(hidden)
