"""Fixed feature extractors for style and content losses: VGG-19, or a small embedded network of its shape.

Layers are called as VGG's are: ``conv4_2`` is the second convolution of the fourth block. Features come in
*units of the input*: an extractor runs in the range it was trained for, and its features are scaled to what
a positively homogeneous network would give for images in -1..1 (``unit``), normalised with ImageNet's mean
and deviation (``imagenet``), or 0..255 minus the mean (``byte``). The loss weights of MedGAN and Fila-GAN
presume the last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark_gans import vgg_weights
from benchmark_gans.options import FeatureOptions

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
PER_UNIT = 0.5 / (sum(IMAGENET_DEVIATION) / 3)
"""Size of an ImageNet-normalised image relative to the same image in -1..1."""
GAINS: Mapping[str, float] = {"unit": 1.0, "imagenet": PER_UNIT, "byte": 127.5}

EMBEDDED_FILE = "embedded_features.safetensors"
EMBEDDED_WIDTHS = (16, 32, 64, 64, 64)
EMBEDDED_CONVOLUTIONS = (1, 1, 1, 2, 1)
VGG19_WIDTHS = (64, 128, 256, 512, 512)
VGG19_CONVOLUTIONS = (2, 2, 4, 4, 4)


class ConvolutionStack(nn.Module):
    """Blocks of 3x3 convolutions and ReLUs with 2x2 max pooling between the blocks, as in VGG."""

    def __init__(self, inputs: int, widths: Sequence[int], convolutions: Sequence[int]) -> None:
        super().__init__()
        self.blocks: list[list[str]] = []
        self.layers = nn.ModuleDict()
        before = inputs
        for block, (width, count) in enumerate(zip(widths, convolutions, strict=True), start=1):
            names = [f"conv{block}_{index}" for index in range(1, count + 1)]
            for name in names:
                self.layers[name] = nn.Conv2d(before, width, 3, 1, 1)
                before = width
            self.blocks.append(names)

    def forward(self, image: Tensor, wanted: Sequence[str], *, activated: bool = True) -> list[Tensor]:
        """Features of the layers in ``wanted``, in that order, after the ReLU or before it.

        Raises:
            KeyError: there is no such layer.
        """
        missing = set(wanted) - set(self.layers)
        if missing:
            raise KeyError(f"no layer {sorted(missing)[0]!r}; there are {', '.join(self.layers)}")
        found: dict[str, Tensor] = {}
        hidden = image
        for number, block in enumerate(self.blocks):
            if number:
                hidden = F.max_pool2d(hidden, 2)
            for name in block:
                raw = self.layers[name](hidden)
                hidden = F.relu(raw)
                if name in wanted:
                    found[name] = hidden if activated else raw
                if len(found) == len(set(wanted)):
                    return [found[layer] for layer in wanted]
        return [found[layer] for layer in wanted]


class Extractor(nn.Module):
    """A frozen stack: ``(N, 1, H, W)`` in [-1, 1] to features, with gradients to the image only."""

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, stack: ConvolutionStack, scales: Mapping[str, float], options: FeatureOptions, gain: float, origin: str
    ) -> None:
        super().__init__()
        self.stack = stack
        self.scales = {name: gain * scale for name, scale in scales.items()}
        self.activated = options.feature_activation == "after"
        self.origin = origin
        self.colour = stack.layers["conv1_1"].in_channels == 3
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Features of the named layers."""
        if self.colour:
            image = ((image + 1) / 2 - self.mean) / self.deviation
        found: list[Tensor] = self.stack(image, layers, activated=self.activated)
        return [tensor * self.scales[name] for name, tensor in zip(layers, found, strict=True)]


def build_extractor(options: FeatureOptions, feature_range: str) -> Extractor:
    """The extractor a model asks for.

    Raises:
        Unavailable: VGG-19 is asked for and its weights are not there; says where they were looked for.
    """
    if options.features == "vgg19":
        return _vgg19(options, GAINS[feature_range])
    return _embedded(options, GAINS[feature_range])


def embedded_stack() -> ConvolutionStack:
    """The embedded network, without weights."""
    return ConvolutionStack(1, EMBEDDED_WIDTHS, EMBEDDED_CONVOLUTIONS)


def _embedded(options: FeatureOptions, gain: float) -> Extractor:
    with as_file(files("benchmark_gans") / EMBEDDED_FILE) as path:
        data = path.read_bytes()
    tensors = safetensors.torch.load(data)
    stack = embedded_stack()
    # features are stored with their root mean square on the training phantoms, by which they are divided
    scales = {name: 1.0 / float(tensors.pop(f"rms.{name}")) for name in stack.layers}
    stack.load_state_dict(tensors)
    return Extractor(stack, scales, options, gain, f"embedded sha256:{hashlib.sha256(data).hexdigest()}")


def _vgg19(options: FeatureOptions, gain: float) -> Extractor:
    weights = vgg_weights.load()
    stack = ConvolutionStack(3, VGG19_WIDTHS, VGG19_CONVOLUTIONS)
    stack.load_state_dict(weights.tensors)
    scales = dict.fromkeys(stack.layers, 1.0 / PER_UNIT)
    return Extractor(stack, scales, options, gain, f"vgg19 {weights.path.name} sha256:{weights.sha256}")
