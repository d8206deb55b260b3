"""Networks from public classes of MONAI, for images of any size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from monai.networks.blocks import Convolution, UnetOutBlock
from torch import Tensor, nn

from benchmark_monai.topology import Pair, Topology

NORM = ("INSTANCE", {"affine": True})
SLOPE = 0.01
"""Of LeakyReLU."""


class Padded(nn.Module):
    """A network that needs rows and columns in multiples of ``divisors``, made fit for any: the edge is repeated around
    ``(N, C, H, W)`` images, and cut off what comes out."""

    def __init__(self, network: nn.Module, divisors: Pair) -> None:
        super().__init__()
        self.network = network
        self.divisors = divisors

    def forward(self, image: Tensor) -> Tensor:
        """The network's image, as large as the one given."""
        height, width = image.shape[-2:]
        down, across = (-length % divisor for length, divisor in zip((height, width), self.divisors, strict=True))
        if not down and not across:
            whole: Tensor = self.network(image)
            return whole
        around = (across // 2, across - across // 2, down // 2, down - down // 2)
        output: Tensor = self.network(F.pad(image, around, mode="replicate"))
        top, left = down // 2, across // 2
        return output[..., top : top + height, left : left + width]


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip that is averaged where they are strided, and 1x1 where the width changes.

    MONAI's own block strides its 1x1 instead, which throws pixels away, is not nnU-Net's, and whose gradient ends the
    process on a CPU where weights lie channels last (torch 2.15, precision bf16).
    """

    def __init__(self, inputs: int, outputs: int, kernel: Pair, stride: Pair) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, kernel, stride)
        self.second = Convolution(2, outputs, outputs, kernel_size=kernel, adn_ordering="N", norm=NORM)
        pool = nn.AvgPool2d(stride) if stride != (1, 1) else nn.Identity()
        width = Convolution(2, inputs, outputs, kernel_size=1, adn_ordering="N", norm=NORM)
        self.skip = nn.Sequential(pool, width if inputs != outputs else nn.Identity())
        self.activation = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        output: Tensor = self.activation(self.second(self.first(features)) + self.skip(features))
        return output


class ResidualEncoder(nn.Module):
    """A U-Net whose encoder is of residual blocks: nnU-Net's ResEnc without deep supervision.

    A convolution to the first width, then stages of ``blocks`` residual blocks, the first of each strided; on the way
    up a transposed convolution, the skip, and one convolution a stage; 1x1 to one channel, linear. Isensee et al.,
    nnU-Net Revisited, MICCAI 2024 (arXiv 2404.09556).
    """

    def __init__(self, topology: Topology, blocks: Sequence[int], inputs: int = 1) -> None:
        super().__init__()
        widths, kernels, strides = topology.widths, topology.kernels, topology.strides
        self.stem = _convolution(inputs, widths[0], kernels[0])
        self.encoder = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(widths[max(stage - 1, 0)], width, kernels[stage], strides[stage]),
                *(ResidualBlock(width, width, kernels[stage], (1, 1)) for _ in range(blocks[stage] - 1)),
            )
            for stage, width in enumerate(widths)
        )
        upwards = range(len(widths) - 2, -1, -1)
        self.up = nn.ModuleList(
            Convolution(
                2,
                widths[stage + 1],
                widths[stage],
                kernel_size=strides[stage + 1],
                strides=strides[stage + 1],
                padding=0,
                output_padding=0,
                is_transposed=True,
                conv_only=True,
            )
            for stage in upwards
        )
        self.decoder = nn.ModuleList(
            _convolution(2 * widths[stage], widths[stage], kernels[stage]) for stage in upwards
        )
        self.output = UnetOutBlock(2, widths[0], 1)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, 1, H, W)``, H and W multiples of the topology's divisors."""
        features = self.stem(image)
        skips = []
        for stage in self.encoder:
            features = stage(features)
            skips.append(features)
        for up, convolution, skip in zip(self.up, self.decoder, skips[-2::-1], strict=True):
            features = convolution(torch.cat((up(features), skip), dim=1))
        output: Tensor = self.output(features)
        return output


def _convolution(inputs: int, outputs: int, kernel: Pair, stride: Pair = (1, 1)) -> nn.Module:
    activation = ("leakyrelu", {"inplace": True, "negative_slope": SLOPE})
    return Convolution(
        2, inputs, outputs, kernel_size=kernel, strides=stride, adn_ordering="NA", norm=NORM, act=activation
    )


def _initialise(module: nn.Module) -> None:
    """He's initialisation, as nnU-Net has it."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.kaiming_normal_(module.weight, a=SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
