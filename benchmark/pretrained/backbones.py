"""Convolutional backbones with named layers: VGG-19, VGG-16, AlexNet and SqueezeNet 1.1 with torchvision's weights,
and a small one of VGG's shape.

Layers of VGGs are called as in the papers: ``conv4_2`` is the second convolution of the fourth block. AlexNet has
``conv1`` to ``conv5``; SqueezeNet ``conv1`` and ``fire2`` to ``fire9``. Torchvision itself is not needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.errors import TrainingDiverged, Unavailable
from benchmark.pretrained import imagenet, weights

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
RANGE_SLACK = 1e-3
"""How far outside [-1, 1] an image may lie: what rounding and interpolation do, not another unit."""
WEIGHTS = {each.name: each for each in (imagenet.VGG19, imagenet.VGG16, imagenet.ALEXNET, imagenet.SQUEEZENET)}
VGG_WIDTHS = (64, 128, 256, 512, 512)
VGG_CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


class Backbone(nn.Module):
    """A chain of layers, some of them named: ``(N, inputs, H, W)`` to the features of the layers asked for."""

    def __init__(self, chain: Sequence[nn.Module], taps: Mapping[str, int], inputs: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(*chain)
        self.taps = dict(taps)
        self.inputs = inputs

    def forward(self, image: Tensor, wanted: Sequence[str], *, activated: bool = True) -> list[Tensor]:
        """Features of the layers in ``wanted``, in that order, after the ReLU or before it.

        Raises:
            KeyError: there is no such layer, or it has no state before its ReLU.
        """
        places = {name: self._place(name, activated) for name in wanted}
        found: dict[int, Tensor] = {}
        hidden = image
        for place, layer in enumerate(self.features[: max(places.values(), default=-1) + 1]):
            hidden = layer(hidden)
            if place in places.values():
                found[place] = hidden
        return [found[places[name]] for name in wanted]

    def _place(self, name: str, activated: bool) -> int:
        if name not in self.taps:
            raise KeyError(f"no layer {name!r}; there are {', '.join(self.taps)}")
        place = self.taps[name]
        if isinstance(self.features[place], _Fire):
            if not activated:
                raise KeyError(f"layer {name!r} has no state before its ReLU")
            return place
        return place + activated


def vgg(inputs: int, widths: Sequence[int], convolutions: Sequence[int]) -> Backbone:
    """Blocks of 3x3 convolutions and ReLUs with 2x2 max pooling between them, in torchvision's order of layers."""
    chain: list[nn.Module] = []
    taps: dict[str, int] = {}
    before = inputs
    for block, (width, count) in enumerate(zip(widths, convolutions, strict=True), start=1):
        if block > 1:
            chain.append(nn.MaxPool2d(2))
        for index in range(1, count + 1):
            taps[f"conv{block}_{index}"] = len(chain)
            chain += [nn.Conv2d(before, width, 3, 1, 1), nn.ReLU()]
            before = width
    return Backbone(chain, taps, inputs)


def alexnet() -> Backbone:
    """AlexNet's convolutions as torchvision has them (Krizhevsky 2014)."""
    chain = [
        nn.Conv2d(3, 64, 11, 4, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, 1, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, 1, 1),
        nn.ReLU(),
    ]
    return Backbone(chain, {"conv1": 0, "conv2": 3, "conv3": 6, "conv4": 8, "conv5": 10})


class _Fire(nn.Module):
    """Squeeze to few channels, expand with 1x1 and 3x3 kernels; ends with its ReLU."""

    def __init__(self, inputs: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, narrow, 1)
        self.expand1x1 = nn.Conv2d(narrow, wide, 1)
        self.expand3x3 = nn.Conv2d(narrow, wide, 3, 1, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = F.relu(self.squeeze(hidden))
        return F.relu(torch.cat([self.expand1x1(hidden), self.expand3x3(hidden)], 1))


def squeezenet() -> Backbone:
    """SqueezeNet 1.1's convolutions (Iandola et al. 2016)."""
    chain: list[nn.Module] = [nn.Conv2d(3, 64, 3, 2), nn.ReLU()]
    taps = {"conv1": 0}
    fires = (
        (64, 16, 64),
        (128, 16, 64),
        (128, 32, 128),
        (256, 32, 128),
        (256, 48, 192),
        (384, 48, 192),
        (384, 64, 256),
    )
    for number, (inputs, narrow, wide) in enumerate((*fires, (512, 64, 256)), start=2):
        if number in (2, 4, 6):
            chain.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        taps[f"fire{number}"] = len(chain)
        chain.append(_Fire(inputs, narrow, wide))
    return Backbone(chain, taps)


def check_range(image: Tensor) -> None:
    """Refuse images that are not one channel in [-1, 1]: HU, say, or 0..255.

    Raises:
        ValueError: the shape is not ``(N, 1, H, W)``, or a value lies outside.
        TrainingDiverged: a value is not a number, which data never hold: a generator made it.
    """
    if image.ndim != 4 or image.shape[1] != 1:
        raise ValueError(f"features are taken of (N, 1, H, W) in [-1, 1], not of shape {tuple(image.shape)}")
    low, high = (value.item() for value in image.detach().aminmax())
    if math.isnan(low) or math.isnan(high):
        raise TrainingDiverged("features are taken of images in [-1, 1]; these hold NaN")
    if low < -1 - RANGE_SLACK or high > 1 + RANGE_SLACK:
        raise ValueError(f"features are taken of images in [-1, 1]; these lie in {low:g}..{high:g}")


class ImagenetColours(nn.Module):
    """One channel in [-1, 1] as three equal ones, normalised as torchvision's networks were trained."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """``(N, 1, H, W)`` to ``(N, 3, H, W)``."""
        colours: Tensor = ((image + 1) / 2 - self.mean) / self.deviation
        return colours


def build(name: str) -> Backbone:
    """A backbone without weights."""
    if name in VGG_CONVOLUTIONS:
        return vgg(3, VGG_WIDTHS, VGG_CONVOLUTIONS[name])
    return {"alexnet": alexnet, "squeezenet1_1": squeezenet}[name]()


def load(name: str) -> tuple[Backbone, weights.Found]:
    """A backbone with torchvision's ImageNet weights, frozen, and the file that they came from.

    Raises:
        Unavailable: the weights are missing or unusable; says what to do.
    """
    found = weights.require(WEIGHTS[name])
    tensors = weights.read(found.path, WEIGHTS[name])
    with torch.device("meta"):
        backbone = build(name)
    try:
        backbone.features.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise Unavailable(f"{found.path} does not hold {WEIGHTS[name].title}: {reason}") from None
    return backbone.requires_grad_(False).eval(), found
