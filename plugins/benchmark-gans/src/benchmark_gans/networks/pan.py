"""PAN's own networks (Wang et al. 2018), after a third party's layer tables; the paper's were not at hand."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark import UsageError
from benchmark_gans.networks.discriminators import Verdict
from benchmark_gans.networks.receptive_field import receptive_field

DOWN = (1, 2, 4, 8, 8, 8)
"""Widths of the encoder's layers in multiples of the first."""
UP = (8, 4, 2, 1, 1)
"""Widths of the decoder's layers but the last."""
JUDGE = ((1, 1), (2, 2), (2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (8, 2))
"""The discriminator's layers before the last: width in multiples of the first, stride."""
TAPS = (1, 4, 6, 8)
"""Layers of the discriminator whose outputs are compared."""
HALVINGS = 6


class PanGenerator(nn.Module):
    """Six k3s2 convolutions down, six transposed k4s2 up, skips from layers 5, 4, 3 and 2; batch norm, biases on.

    Skips are concatenated after the decoder's part. LeakyReLU in the encoder, ReLU in the decoder. No norm on the
    first and last layer. ``(N, inputs, H, W)`` to ``(N, outputs, H, W)`` in [-1, 1]; 16,831,875 parameters for
    three channels and 64 filters.

    Raises:
        UsageError: a side of the image is not a multiple of 64.
    """

    def __init__(
        self, inputs: int = 1, outputs: int = 1, *, image_size: tuple[int, int] = (256, 256), filters: int = 64
    ) -> None:
        super().__init__()
        height, width = image_size
        multiple = 2**HALVINGS
        if height % multiple or width % multiple:
            raise UsageError(
                f"image size {height}x{width}: PAN's generator halves the image {HALVINGS} times, so both sides must "
                f"be multiples of {multiple}; build or import the data so, or use architecture=protocol"
            )
        down = [filters * times for times in DOWN]
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 3, 2, 1) for before, after in zip([inputs, *down], down, strict=False)
        )
        self.down_norm = nn.ModuleList(
            nn.BatchNorm2d(each) if level else nn.Identity() for level, each in enumerate(down)
        )
        up = [filters * times for times in UP]
        # the first decoder layer sees the innermost map, the next four a skip beside what was made, the last none
        skips = [0, *reversed(down[1:5]), 0]
        before = [down[-1], *up]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(made + skip, after, 4, 2, 1)
            for made, skip, after in zip(before, skips, [*up, outputs], strict=True)
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(each) for each in up)
        self.receptive_field = receptive_field([*self.down, *self.up])

    def forward(self, image: Tensor) -> Tensor:
        found: list[Tensor] = []
        hidden = image
        for level, (convolution, norm) in enumerate(zip(self.down, self.down_norm, strict=True)):
            hidden = norm(convolution(hidden if level == 0 else F.leaky_relu(hidden, 0.2)))
            found.append(hidden)
        for level, norm in enumerate(self.up_norm):
            hidden = norm(self.up[level](F.relu(hidden) if level else F.leaky_relu(hidden, 0.2)))
            if level < 4:
                hidden = torch.cat([hidden, found[4 - level]], 1)
        return torch.tanh(self.up[-1](F.relu(hidden)))


class PanDiscriminator(nn.Module):
    """Nine k3 convolutions and one linear layer; features are the outputs of layers 1, 4, 6 and 8.

    Batch norm but on the first and ninth layer, all biases on; features after LeakyReLU, which see 3, 13, 29 and
    61 pixels. 7,050,249 parameters for three channels at 256x256; the linear layer follows the image size.

    Raises:
        UsageError: a side of the image is not a multiple of 32.
    """

    def __init__(self, inputs: int = 1, *, image_size: tuple[int, int] = (256, 256), filters: int = 64) -> None:
        super().__init__()
        height, width = image_size
        if height % 32 or width % 32:
            raise UsageError(f"image size {height}x{width}: PAN's discriminator needs sides that are multiples of 32")
        widths = [filters * times for times, _ in JUDGE]
        self.hidden = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride, 1)
            for before, after, (_, stride) in zip([inputs, *widths], widths, JUDGE, strict=False)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(each) if level else nn.Identity() for level, each in enumerate(widths)
        )
        narrow = max(1, filters // 8)
        self.last = nn.Conv2d(widths[-1], narrow, 3, 2, 1)
        self.output = nn.Linear(narrow * (height // 32) * (width // 32), 1)
        self.receptive_field = receptive_field([*self.hidden, self.last, self.output])

    def features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Outputs of layers 1 to 8 after LeakyReLU; any size."""
        found: list[Tensor] = []
        hidden = image
        for convolution, norm in zip(self.hidden, self.norms, strict=True):
            hidden = F.leaky_relu(norm(convolution(hidden)), 0.2)
            found.append(hidden)
        return tuple(found)

    def forward(self, image: Tensor) -> Verdict:
        found = self.features(image)
        hidden = F.leaky_relu(self.last(found[-1]), 0.2)
        return Verdict(self.output(hidden.flatten(1)), tuple(found[tap - 1] for tap in TAPS))
