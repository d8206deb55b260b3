"""Initial weights: N(0, 0.02) for every convolution and linear layer, N(1, 0.02) for gains (pix2pix section 6.2)."""

from __future__ import annotations

from torch import nn

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
STANDARD_DEVIATION = 0.02


def initialise(network: nn.Module) -> None:
    """Fill ``network`` in place from torch's current random state; biases and the shifts of norm layers are zero."""
    for module in network.modules():
        if isinstance(module, LAYERS):
            nn.init.normal_(module.weight, 0.0, STANDARD_DEVIATION)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, STANDARD_DEVIATION)
