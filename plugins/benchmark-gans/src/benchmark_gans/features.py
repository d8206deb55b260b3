"""Fixed feature extractors for style and content losses: an ImageNet network, or the embedded one.

Layers are called as VGG's are: ``conv4_2`` is the second convolution of the fourth block. Features come in
*units of the input*: an extractor runs in the range it was trained for, and its features are scaled to what
a positively homogeneous network would give for images in -1..1 (``unit``), normalised with ImageNet's mean
and deviation (``imagenet``), or 0..255 minus the mean (``byte``). The loss weights of MedGAN and Fila-GAN
presume the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from benchmark.pretrained import backbones, embedded
from benchmark.pretrained.backbones import IMAGENET_DEVIATION, Backbone, ImagenetColours, check_range
from benchmark_gans.options import FeatureOptions

PER_UNIT = 0.5 / (sum(IMAGENET_DEVIATION) / 3)
"""Size of an ImageNet-normalised image relative to the same image in -1..1."""
GAINS: Mapping[str, float] = {"unit": 1.0, "imagenet": PER_UNIT, "byte": 127.5}


class Extractor(nn.Module):
    """A frozen backbone: ``(N, 1, H, W)`` in [-1, 1] to features, with gradients to the image only."""

    def __init__(
        self, backbone: Backbone, scales: Mapping[str, float], options: FeatureOptions, gain: float, origin: str
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.scales = {name: gain * scale for name, scale in scales.items()}
        self.activated = options.feature_activation == "after"
        self.origin = origin
        self.colours = ImagenetColours() if backbone.inputs == 3 else nn.Identity()
        self._checked = False
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Features of the named layers.

        Raises:
            ValueError: the image is not one channel in [-1, 1]. On a GPU the range is looked at in the first call
                only: reading a value back makes the device wait.
            TrainingDiverged: the image holds NaN.
            KeyError: the backbone has no such layer.
        """
        if not (self._checked and image.is_cuda):
            check_range(image)
            self._checked = True
        found = self.backbone(self.colours(image), layers, activated=self.activated)
        return [tensor * self.scales[name] for name, tensor in zip(layers, found, strict=True)]


def build_extractor(options: FeatureOptions, feature_range: str) -> Extractor:
    """The extractor a model asks for.

    Raises:
        Unavailable: an ImageNet network is asked for and its weights are not there; says where they were looked for.
    """
    gain = GAINS[feature_range]
    if options.features == "embedded":
        backbone, sizes, checksum = embedded.load()
        scales = {name: 1.0 / size for name, size in sizes.items()}
        return Extractor(backbone, scales, options, gain, f"embedded sha256:{checksum}")
    backbone, found = backbones.load(options.features)
    scales = dict.fromkeys(backbone.taps, 1.0 / PER_UNIT)
    return Extractor(backbone, scales, options, gain, f"{options.features} {found.path.name} sha256:{found.sha256}")
