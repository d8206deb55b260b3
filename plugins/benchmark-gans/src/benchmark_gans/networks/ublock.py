"""MedGAN's generator: U-blocks (a pix2pix U-Net each), chained into a CasNet (MedGAN section 2.4, Fig. 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark import UsageError
from benchmark_gans.networks.normalisation import Norm, needs_bias, norm_layer

MAXIMUM_DEPTH = 8
MINIMUM_DEPTH = 4
WIDEST = 8
"""Layers are at most this many times as wide as the first."""


def depth_for(image_size: tuple[int, int]) -> int:
    """How often a U-block halves an image: down to 1x1 for powers of two, at most 8 times (MedGAN's 256x256).

    Other sizes are halved as long as both sides are even, e.g. 96x96 five times, down to 3x3.

    Raises:
        UsageError: a side is not a multiple of 16.
    """
    height, width = image_size
    depth = 0
    while depth < MAXIMUM_DEPTH and height % 2 ** (depth + 1) == 0 and width % 2 ** (depth + 1) == 0:
        depth += 1
    if depth < MINIMUM_DEPTH:
        multiple = 2**MINIMUM_DEPTH
        sizes = [tuple(_multiple(side, up) for side in image_size) for up in (False, True)]
        near = " or ".join(f"{h}x{w}" for h, w in dict.fromkeys(sizes))
        raise UsageError(
            f"image size {height}x{width}: a U-block halves the image at least {MINIMUM_DEPTH} times, so both sides "
            f"must be multiples of {multiple}, best a power of two. Build or import the data as {near}."
        )
    return depth


def _multiple(side: int, up: bool) -> int:
    step: int = 2**MINIMUM_DEPTH
    return -(-side // step) * step if up else max(step, side // step * step)


class UBlock(nn.Module):
    """One encoder-decoder with skips: ``(N, inputs, H, W)`` to ``(N, outputs, H, W)`` in [-1, 1].

    ``depth`` convolutions k4s2p1 down and as many transposed ones up; skips are concatenated, encoder part
    first; no norm on the first layer and none on the innermost, where a 1x1 map has no variance. Tanh at the
    end, unless ``tanh`` is off (logits then). 54,403,457 parameters for one channel in and out, 64 filters,
    depth 8. With ``norm`` ``"batch"`` it is pix2pix's own U-Net: affine, no biases but in the last layer,
    54,413,955 parameters for three channels.
    """

    receptive_field: int | None = None

    def __init__(
        self,
        inputs: int = 1,
        outputs: int = 1,
        *,
        filters: int = 64,
        depth: int = 8,
        dropout: float = 0.0,
        tanh: bool = True,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        widths = [filters * min(WIDEST, 2**level) for level in range(depth)]
        bias = needs_bias(norm)
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 4, 2, 1, bias=bias)
            for before, after in zip([inputs, *widths], widths, strict=False)
        )
        self.down_norm = nn.ModuleList(
            norm_layer(norm, width) if 0 < level < depth - 1 else nn.Identity() for level, width in enumerate(widths)
        )
        # decoder from the inside out; all but the innermost see the skip's channels too
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(
                widths[level] * (1 if level == depth - 1 else 2),
                widths[level - 1] if level else outputs,
                4,
                2,
                1,
                bias=bias or level == 0,
            )
            for level in reversed(range(depth))
        )
        self.up_norm = nn.ModuleList(norm_layer(norm, widths[level - 1]) for level in reversed(range(1, depth)))
        self.dropout = dropout
        self.tanh = tanh

    def forward(self, image: Tensor) -> Tensor:
        skips: list[Tensor] = []  # activated by the layer below, in place: ReLU comes to the same on either
        hidden = image
        for level, (convolution, norm) in enumerate(zip(self.down, self.down_norm, strict=True)):
            hidden = norm(convolution(hidden if level == 0 else F.leaky_relu(hidden, 0.2, inplace=True)))
            skips.append(hidden)
        hidden = skips.pop()
        for level, norm in enumerate(self.up_norm):
            hidden = norm(self.up[level](F.relu(hidden, inplace=True)))
            if self.dropout and level < 3:
                hidden = F.dropout(hidden, self.dropout, self.training)
            hidden = torch.cat([skips.pop(), hidden], 1)
        image = self.up[-1](F.relu(hidden, inplace=True))
        return torch.tanh(image) if self.tanh else image


class CasNet(nn.Module):
    """``blocks`` U-blocks in a row, each translating the image of the one before; weights are not shared.

    The first sees ``inputs`` channels, the last gives ``outputs``. Joints are one-channel images in [-1, 1] (read from
    MedGAN's Fig. 2; the text does not say). 326,420,742 parameters for six blocks at 64 filters and depth 8.
    """

    receptive_field: int | None = None

    def __init__(
        self,
        *,
        inputs: int = 1,
        outputs: int = 1,
        blocks: int = 6,
        filters: int = 64,
        depth: int = 8,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            UBlock(
                1 if number else inputs,
                outputs if number == blocks - 1 else 1,
                filters=filters,
                depth=depth,
                dropout=dropout,
            )
            for number in range(blocks)
        )

    def forward(self, image: Tensor) -> Tensor:
        for block in self.blocks:
            image = block(image)
        return image
