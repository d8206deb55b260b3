"""ID-CGAN's own networks (Zhang, Sindagi, Patel): the released system's, and the journal version's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark import UsageError
from benchmark_gans.networks.discriminators import Verdict
from benchmark_gans.networks.receptive_field import receptive_field


class FullResolutionGenerator(nn.Module):
    """The released generator: twelve k3s1p1 layers at full resolution, skips added, a one-channel bottleneck.

    Batch norm but on the first and last layer, all biases on. ``activated_skip``: skips are added after
    LeakyReLU, as in-place activation does in the released Torch code; else before it, as its layer table reads.
    ``(N, inputs, H, W)`` to ``(N, outputs, H, W)`` in [-1, 1], any size; 263,686 parameters for three channels.
    """

    def __init__(self, inputs: int = 1, outputs: int = 1, *, filters: int = 64, activated_skip: bool = True) -> None:
        super().__init__()
        half = max(1, filters // 2)
        down = [filters] * 4 + [half, 1]
        up = [half, filters, filters, filters, filters]
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 3, 1, 1) for before, after in zip([inputs, *down], down, strict=False)
        )
        self.down_norm = nn.ModuleList(
            nn.BatchNorm2d(each) if level else nn.Identity() for level, each in enumerate(down)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 3, 1, 1) for before, after in zip([1, *up], [*up, outputs], strict=True)
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(each) for each in up)
        self.activated_skip = activated_skip
        self.receptive_field = receptive_field([*self.down, *self.up])

    def forward(self, image: Tensor) -> Tensor:
        skips: dict[int, Tensor] = {}
        hidden = image
        for level, (convolution, norm) in enumerate(zip(self.down, self.down_norm, strict=True)):
            raw = norm(convolution(hidden))
            hidden = F.leaky_relu(raw, 0.2)
            skips[level] = hidden if self.activated_skip else raw
        for level, norm in enumerate(self.up_norm):
            hidden = norm(self.up[level](hidden))
            if level in (1, 3):
                hidden = hidden + skips[{1: 3, 3: 1}[level]]
            hidden = F.relu(hidden)
        return torch.tanh(self.up[-1](hidden))


class DenseBlock(nn.Module):
    """Layers of conv3-LeakyReLU-BN, each seeing everything before it and adding ``growth`` channels."""

    def __init__(self, inputs: int, layers: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(seen, growth, 3, 1, 1), nn.LeakyReLU(0.2), nn.BatchNorm2d(growth))
            for seen in range(inputs, inputs + layers * growth, growth)
        )
        self.outputs = inputs + layers * growth

    def forward(self, hidden: Tensor) -> Tensor:
        for layer in self.layers:
            hidden = torch.cat([hidden, layer(hidden)], 1)
        return hidden


def _transition(inputs: int, outputs: int, change: Literal["down", "same", "up"]) -> nn.Sequential:
    """A 1x1 convolution, then half the size, the same, or twice."""
    sampling = {"down": nn.MaxPool2d(2), "same": nn.Identity(), "up": nn.Upsample(scale_factor=2)}
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), sampling[change])


STAGES: Sequence[tuple[int, int, int, Literal["down", "same", "up"]]] = (
    (4, 48, 128, "down"),
    (6, 64, 256, "down"),
    (8, 96, 512, "same"),
    (8, 32, 128, "same"),
    (6, 64, 120, "up"),
    (4, 34, 64, "up"),
    (4, 16, 64, "up"),
    (4, 16, 16, "same"),
)
"""Layers and growth of each dense block, width and change of the transition after it, for a stem of 64."""
SKIPS = {4: 1, 5: 0, 6: -1}
"""Stage -> stage (-1: the stem) whose output it sees too."""


class DenseGenerator(nn.Module):
    """The journal version's generator: stem, eight dense blocks with transitions, long skips, conv, Tanh.

    The paper's table was not at hand. Layers, growth, transitions and skips are those of a community code whose
    widths fit the string 64-D256-Td128-D512-Td256-D1024-Tn512-D768-Tn128-D640-Tu120-D384-Tu64-D192-Tu64-D32-Tn16 but
    for two blocks: the fifth is 768 wide (256 of them a third skip; a figure of the paper's draws two), the last 128.
    10,072,107 parameters for three channels and 64 filters.

    Raises:
        UsageError: a side of the image is not a multiple of 8.
    """

    def __init__(
        self, inputs: int = 1, outputs: int = 1, *, image_size: tuple[int, int] = (256, 256), filters: int = 64
    ) -> None:
        super().__init__()
        height, width = image_size
        if height % 8 or width % 8:
            raise UsageError(
                f"image size {height}x{width}: ID-CGAN's dense generator needs sides that are multiples of 8"
            )

        def scaled(channels: int) -> int:
            return max(1, channels * filters // 64)

        self.stem = nn.Sequential(
            nn.Conv2d(inputs, filters, 3, 1, 1), nn.BatchNorm2d(filters), nn.LeakyReLU(0.2), nn.MaxPool2d(2)
        )
        self.stages = nn.ModuleList()
        widths = {-1: filters}
        for number, (layers, growth, after, change) in enumerate(STAGES):
            seen = widths[number - 1] + (widths[SKIPS[number]] if number in SKIPS else 0)
            block = DenseBlock(seen, layers, scaled(growth))
            widths[number] = scaled(after)
            self.stages.append(nn.Sequential(block, _transition(block.outputs, widths[number], change)))
        self.output = nn.Conv2d(widths[len(STAGES) - 1], outputs, 3, 1, 1)
        self.receptive_field = receptive_field(self.modules())

    def forward(self, image: Tensor) -> Tensor:
        found = {-1: self.stem(image)}
        hidden = found[-1]
        for number, stage in enumerate(self.stages):
            if number in SKIPS:
                hidden = torch.cat([hidden, found[SKIPS[number]]], 1)
            hidden = found[number] = stage(hidden)
        return torch.tanh(self.output(hidden))


class PyramidDiscriminator(nn.Module):
    """The journal version's discriminator: five conv blocks, pyramid pooling at 1/2 to 1/16, one logit a place.

    Widths, kernels and strides are not in the source (a figure): filters x 1, 2, 4, 8, 8 with k4, strides
    2, 2, 2, 1, 1, as the released discriminator; each pooled map is reduced to an eighth of the channels.

    Raises:
        UsageError: the image is too small for the coarsest pooling.
    """

    receptive_field: int | None = None

    def __init__(self, inputs: int = 2, *, image_size: tuple[int, int] = (256, 256), filters: int = 48) -> None:
        super().__init__()
        if min(image_size) < 24:
            raise UsageError(f"image size {image_size[0]}x{image_size[1]}: ID-CGAN's discriminator needs 24 pixels")
        widths = [filters * times for times in (1, 2, 4, 8, 8)]
        strides = (2, 2, 2, 1, 1)
        self.hidden = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride, 1)
            for before, after, stride in zip([inputs, *widths], widths, strides, strict=False)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(each) if level else nn.Identity() for level, each in enumerate(widths)
        )
        narrow = max(1, widths[-1] // 8)
        self.parts = (2, 4, 8, 16)
        self.reduce = nn.ModuleList(nn.Conv2d(widths[-1], narrow, 1) for _ in self.parts)
        self.output = nn.Conv2d(widths[-1] + narrow * len(self.parts), 1, 3, 1, 1)

    def forward(self, image: Tensor) -> Verdict:
        found: list[Tensor] = []
        hidden = image
        for convolution, norm in zip(self.hidden, self.norms, strict=True):
            hidden = F.leaky_relu(norm(convolution(hidden)), 0.2)
            found.append(hidden)
        rows, columns = hidden.shape[-2:]
        pooled = [hidden]
        for part, reduce in zip(self.parts, self.reduce, strict=True):
            coarse = F.adaptive_avg_pool2d(hidden, (max(1, rows // part), max(1, columns // part)))
            pooled.append(F.interpolate(reduce(coarse), size=(rows, columns), mode="bilinear", align_corners=False))
        return Verdict(self.output(torch.cat(pooled, 1)), tuple(found))
