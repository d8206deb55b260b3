"""CycleGAN's residual generator: c7s1-64, d128, d256, R256 x n, u128, u64, c7s1-1 (CycleGAN section 7.2)."""

from __future__ import annotations

from torch import Tensor, nn

from benchmark_gans.networks.normalisation import Norm, needs_bias, norm_layer
from benchmark_gans.networks.receptive_field import receptive_field


class ResidualBlock(nn.Module):
    """Two reflection-padded 3x3 convolutions around which the input is added; no ReLU after the sum."""

    def __init__(self, channels: int, norm: Norm = "instance") -> None:
        super().__init__()
        bias = needs_bias(norm)
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm_layer(norm, channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm_layer(norm, channels),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = hidden + self.layers(hidden)
        return result


class ResNetGenerator(nn.Module):
    """``(N, channels, H, W)`` to ``(N, outputs, H, W)`` in [-1, 1], by default as many; sides must be multiples of 4.

    11,365,633 parameters for one channel, 64 filters and nine blocks, 7,825,153 for six.
    """

    def __init__(
        self,
        channels: int = 1,
        outputs: int | None = None,
        *,
        filters: int = 64,
        blocks: int = 9,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        bias = needs_bias(norm)
        wide = filters * 4
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(channels, filters, 7, bias=bias),
            norm_layer(norm, filters),
            nn.ReLU(inplace=True),
            nn.Conv2d(filters, filters * 2, 3, 2, 1, bias=bias),
            norm_layer(norm, filters * 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(filters * 2, wide, 3, 2, 1, bias=bias),
            norm_layer(norm, wide),
            nn.ReLU(inplace=True),
            *(ResidualBlock(wide, norm) for _ in range(blocks)),
            nn.ConvTranspose2d(wide, filters * 2, 3, 2, 1, output_padding=1, bias=bias),
            norm_layer(norm, filters * 2),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(filters * 2, filters, 3, 2, 1, output_padding=1, bias=bias),
            norm_layer(norm, filters),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(3),
            nn.Conv2d(filters, outputs or channels, 7),
            nn.Tanh(),
        )
        self.receptive_field = receptive_field(self.modules())

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.layers(image)
        return result
