"""Discriminators: patches (pix2pix, MedGAN, CycleGAN) and whole images (DCGAN, for the tissue masks)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from benchmark import UsageError
from benchmark_gans.networks.initialise import LAYERS
from benchmark_gans.networks.normalisation import Norm, needs_bias, norm_layer
from benchmark_gans.networks.receptive_field import receptive_field

LAYERS_FOR_PATCH = {16: 1, 34: 2, 70: 3}
"""Receptive field in pixels -> layers between the first and the output layer."""


class Verdict(NamedTuple):
    """What a discriminator says: ``logits`` (positive: real) and its hidden features, first layer first."""

    logits: Tensor
    features: tuple[Tensor, ...]


class PatchDiscriminator(nn.Module):
    """PatchGAN with k4 convolutions: stride 2, except for the last two layers; ``patch`` is what a logit sees.

    ``patch`` 16 is MedGAN's ``C64-C128`` (its kernel and strides are not printed; s2, s1, s1 is the only
    choice of k4 layers that sees 16 pixels), 70 is pix2pix's and CycleGAN's ``C64-C128-C256-C512``. Features
    are taken after LeakyReLU. ``norm`` is on all hidden layers but the first, or on the first too with
    ``norm_first``. ``biased``: biases everywhere, as ID-CGAN's has; else none before batch norm.
    """

    def __init__(
        self,
        inputs: int = 2,
        *,
        filters: int = 64,
        patch: int = 16,
        norm: Norm = "instance",
        norm_first: bool = False,
        biased: bool = False,
    ) -> None:
        super().__init__()
        middle = LAYERS_FOR_PATCH[patch]
        normed = [norm if level or norm_first else "none" for level in range(middle + 1)]
        widths = [filters * min(8, 2**level) for level in range(middle + 1)]
        self.hidden = nn.ModuleList(
            nn.Conv2d(
                before, after, 4, 1 if level == middle else 2, 1, bias=biased or level == 0 or needs_bias(normed[level])
            )
            for level, (before, after) in enumerate(zip([inputs, *widths], widths, strict=False))
        )
        self.norms = nn.ModuleList(norm_layer(kind, width) for kind, width in zip(normed, widths, strict=True))
        self.output = nn.Conv2d(widths[-1], 1, 4, 1, 1)
        self.receptive_field = receptive_field([*self.hidden, self.output])

    def forward(self, image: Tensor) -> Verdict:
        features: list[Tensor] = []
        hidden = image
        for convolution, norm in zip(self.hidden, self.norms, strict=True):
            hidden = F.leaky_relu(norm(convolution(hidden)), 0.2, inplace=True)
            features.append(hidden)
        return Verdict(self.output(hidden), tuple(features))


class ImageDiscriminator(nn.Module):
    """DCGAN's discriminator in the widths of Guibas et al. stage I: four 5x5 stride-2 layers, then one logit.

    Affine instance norm stands in for DCGAN's batch norm (``norm``), so that batches of one work. 4,313,345
    parameters for one 64x64 channel and 64 filters.

    Raises:
        UsageError: a side of the image is not a multiple of 16.
    """

    def __init__(
        self,
        inputs: int,
        image_size: tuple[int, int],
        *,
        filters: int = 64,
        norm: Literal["instance", "batch"] = "instance",
    ) -> None:
        super().__init__()
        height, width = image_size
        if height % 16 or width % 16:
            raise UsageError(f"image size {height}x{width}: DCGAN's discriminator needs sides that are multiples of 16")
        widths = [filters, filters * 2, filters * 4, filters * 8]
        self.hidden = nn.ModuleList(
            nn.Conv2d(before, after, 5, 2, 2) for before, after in zip([inputs, *widths], widths, strict=False)
        )
        self.norms = nn.ModuleList(
            (nn.BatchNorm2d(width) if norm == "batch" else nn.InstanceNorm2d(width, affine=True))
            if level
            else nn.Identity()
            for level, width in enumerate(widths)
        )
        self.output = nn.Linear(widths[-1] * (height // 16) * (width // 16), 1)
        self.receptive_field = receptive_field([*self.hidden, self.output])

    def forward(self, image: Tensor) -> Verdict:
        features: list[Tensor] = []
        hidden = image
        for convolution, norm in zip(self.hidden, self.norms, strict=True):
            hidden = F.leaky_relu(norm(convolution(hidden)), 0.2, inplace=True)
            features.append(hidden)
        return Verdict(self.output(hidden.flatten(1)), tuple(features))


def normalise_spectrally(network: nn.Module) -> None:
    """Divide the weights of every layer by their largest singular value (MedGAN section 2.2, Eq. 8).

    The power iteration advances once per forward pass in training mode and rests in evaluation mode.
    """
    for module in list(network.modules()):
        if isinstance(module, LAYERS):
            spectral_norm(module)
