"""The embedded backbone: a small network of VGG's shape, trained by this project on its own phantoms.

It stands in for ImageNet networks where their weights cannot be had, always by its own name. It learnt to tell
tissues and modalities of simulated slices apart; the log of its training lies beside its weights.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

import safetensors.torch

from benchmark.pretrained.backbones import Backbone, vgg

FILE = "embedded_features.safetensors"
LOG = "embedded_features.json"
WIDTHS = (16, 32, 64, 64, 64)
CONVOLUTIONS = (1, 1, 1, 2, 1)


def build() -> Backbone:
    """The network without weights: one channel in, layers ``conv1_1`` to ``conv5_1``."""
    return vgg(1, WIDTHS, CONVOLUTIONS)


def load() -> tuple[Backbone, dict[str, float], str]:
    """The trained network, frozen; the root mean square of each layer's features on the training phantoms, by which
    they are to be divided; and the SHA-256 of the file.
    """
    data = (files("benchmark.pretrained") / FILE).read_bytes()
    tensors = safetensors.torch.load(data)
    backbone = build()
    sizes = {name: float(tensors.pop(f"rms.{name}")) for name in backbone.taps}
    backbone.load_state_dict(tensors)
    return backbone.requires_grad_(False).eval(), sizes, hashlib.sha256(data).hexdigest()
