"""Fila-sGAN's own networks (Zhao et al. 2018): an encoder-decoder with a noise branch, and its discriminator.

Two readings: ``author`` computes what the author code does (the first encoder layer and the noise branch are
activated twice, the norm has a shift and no gain, maps are flattened row, column, channel), ``plain`` what the
paper's figure shows (each activation once, affine norm). Norms use the statistics of the batch, always.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark import UsageError
from benchmark_gans.networks.discriminators import Verdict
from benchmark_gans.networks.receptive_field import receptive_field

Reading = Literal["author", "plain"]

NOISE = 400
"""Length of the noise vector."""
INNERMOST = 8
"""Side of the innermost map, whatever the image size: the noise joins there."""
DOWN = (1, 2, 4, 8, 8, 8)
UP = (4, 8, 4, 2, 1)
JUDGE = (0.5, 1, 2, 4, 8)


class BatchStatistics(nn.Module):
    """Norm over batch, rows and columns with the batch's own statistics; a shift, and a gain if ``gain``."""

    def __init__(self, channels: int, *, gain: bool, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if gain else None
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, hidden: Tensor) -> Tensor:
        return F.batch_norm(hidden, None, None, self.weight, self.bias, training=True, eps=self.eps)


def _norm(channels: int, reading: Reading) -> nn.Module:
    return BatchStatistics(channels, gain=reading == "plain", eps=1e-3 if reading == "author" else 1e-5)


def levels_for(image_size: tuple[int, int]) -> int:
    """How often the encoder halves an image: down to 8x8; six times for 512x512.

    Raises:
        UsageError: the image is not a square of 16, 32, 64, ... 512 pixels.
    """
    height, width = image_size
    levels = (height // INNERMOST).bit_length() - 1
    if height != width or height != INNERMOST * 2**levels or not 1 <= levels <= len(DOWN):
        raise UsageError(
            f"image size {height}x{width}: Fila-sGAN's generator halves squares down to {INNERMOST}x{INNERMOST}, so "
            "the side must be 16, 32, 64, 128, 256 or 512; build or import the data so, or use architecture=protocol"
        )
    return levels


class FilaGenerator(nn.Module):
    """``(N, inputs, S, S)`` and noise ``(N, 400)`` to ``(N, outputs, S, S)`` in [-1, 1].

    k4s2 convolutions down to 8x8, where a map made from the noise joins, and transposed ones up, with
    concatenated skips. Smaller images than 512x512 leave out inner layers. 26,112,259 parameters for two
    channels to three at 512x512 and 64 filters in the ``author`` reading.
    """

    def __init__(
        self,
        inputs: int = 1,
        outputs: int = 1,
        *,
        image_size: tuple[int, int] = (512, 512),
        filters: int = 64,
        reading: Reading = "author",
    ) -> None:
        super().__init__()
        levels = levels_for(image_size)
        self.reading = reading
        down = [filters * times for times in DOWN[:levels]]
        # the first layer has no norm and so a bias; layers before a norm have none
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 4, 2, 1, bias=level == 0)
            for level, (before, after) in enumerate(zip([inputs, *down], down, strict=False))
        )
        self.down_norm = nn.ModuleList(
            _norm(each, reading) if level else nn.Identity() for level, each in enumerate(down)
        )
        self.noise_channels = filters
        self.noise = nn.Linear(NOISE, 16 * filters)
        up = [filters * times for times in UP[len(UP) - (levels - 1) :]]
        made = [filters * 2, *up]
        skips = list(reversed(down))
        widths = [*made[1:], outputs]
        self.up = nn.ModuleList([nn.ConvTranspose2d(filters, filters * 2, 4, 2, 1, bias=False)])
        for before, skip, after in zip(made, skips, widths, strict=True):
            self.up.append(nn.ConvTranspose2d(before + skip, after, 4, 2, 1, bias=len(self.up) == levels))
        self.up_norm = nn.ModuleList(_norm(each, reading) for each in made)
        # LeakyReLU before the first three of six decoder layers at 512x512: as many before the middle of fewer
        self.leaky = min(3, levels)
        # the first decoder layer makes its map of the noise
        self.receptive_field = receptive_field([*self.down, *self.up[1:]])

    def forward(self, image: Tensor, noise: Tensor) -> Tensor:
        skips: list[Tensor] = []
        hidden = image
        for level, (convolution, norm) in enumerate(zip(self.down, self.down_norm, strict=True)):
            hidden = norm(convolution(hidden if level == 0 else F.leaky_relu(hidden, 0.2)))
            if level == 0 and self.reading == "author":
                hidden = F.leaky_relu(hidden, 0.2)
            skips.append(hidden)
        made = self._spread(self.noise(noise))
        for level, layer in enumerate(self.up):
            if level:
                made = torch.cat([made, skips.pop()], 1)
            made = layer(F.leaky_relu(made, 0.2) if level < self.leaky else F.relu(made))
            if level < len(self.up_norm):
                made = self.up_norm[level](made)
        return torch.tanh(made)

    def _spread(self, flat: Tensor) -> Tensor:
        """The noise branch's linear layer as a 4x4 map."""
        if self.reading == "author":
            return F.leaky_relu(flat, 0.2).view(-1, 4, 4, self.noise_channels).movedim(-1, 1)
        return flat.view(-1, self.noise_channels, 4, 4)


class FilaDiscriminator(nn.Module):
    """Five k4s2 convolutions and one linear layer. 2,919,905 parameters for five channels at 512x512.

    The linear layer's input sees 94 pixels.

    Raises:
        UsageError: a side of the image is not a multiple of 32.
    """

    def __init__(
        self,
        inputs: int = 2,
        *,
        image_size: tuple[int, int] = (512, 512),
        filters: int = 64,
        reading: Reading = "author",
    ) -> None:
        super().__init__()
        height, width = image_size
        if height % 32 or width % 32:
            raise UsageError(
                f"image size {height}x{width}: Fila-sGAN's discriminator needs sides that are multiples of 32"
            )
        self.reading = reading
        widths = [max(1, int(filters * times)) for times in JUDGE]
        self.hidden = nn.ModuleList(
            nn.Conv2d(before, after, 4, 2, 1, bias=level == 0)
            for level, (before, after) in enumerate(zip([inputs, *widths], widths, strict=False))
        )
        self.norms = nn.ModuleList(
            _norm(each, reading) if level else nn.Identity() for level, each in enumerate(widths)
        )
        self.output = nn.Linear(widths[-1] * (height // 32) * (width // 32), 1)
        self.receptive_field = receptive_field([*self.hidden, self.output])

    def forward(self, image: Tensor) -> Verdict:
        found: list[Tensor] = []
        hidden = image
        for convolution, norm in zip(self.hidden, self.norms, strict=True):
            hidden = F.leaky_relu(norm(convolution(hidden)), 0.2)
            found.append(hidden)
        flat = (hidden.movedim(1, -1) if self.reading == "author" else hidden).flatten(1)
        return Verdict(self.output(flat), tuple(found))
