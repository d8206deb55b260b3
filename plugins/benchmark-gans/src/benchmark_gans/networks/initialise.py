"""Initial weights: N(0, 0.02) for every convolution and linear layer, biases zero (pix2pix section 6.2)."""

from __future__ import annotations

from torch import nn

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
STANDARD_DEVIATION = 0.02


def initialise(network: nn.Module) -> None:
    """Fill ``network`` in place from torch's current random state. Norm layers keep gain 1 and shift 0."""
    for module in network.modules():
        if isinstance(module, LAYERS):
            nn.init.normal_(module.weight, 0.0, STANDARD_DEVIATION)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
