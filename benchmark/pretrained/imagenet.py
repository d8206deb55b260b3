"""Torchvision's ImageNet weights, for plugins to declare: names and numbers only, nothing is imported.

The eight digits in a file's name begin its SHA-256. Of all but Inception only the convolutions are read.
"""

from __future__ import annotations

from benchmark.contracts.specs import WeightsSpec


def _torchvision(name: str, title: str, file: str, parameters: int, prefix: str, source: str) -> WeightsSpec:
    return WeightsSpec(
        name,
        file,
        title=title,
        url=f"https://download.pytorch.org/models/{file}",
        sha256=file.removesuffix(".pth").rpartition("-")[2],
        parameters=parameters,
        prefix=prefix,
        source=f"{source}; torchvision, IMAGENET1K_V1",
    )


VGG = "Simonyan, Zisserman, ICLR 2015"
VGG19 = _torchvision("vgg19", "VGG-19", "vgg19-dcbb9e9d.pth", 20_024_384, "features.", VGG)
VGG16 = _torchvision("vgg16", "VGG-16", "vgg16-397923af.pth", 14_714_688, "features.", VGG)
ALEXNET = _torchvision(
    "alexnet", "AlexNet", "alexnet-owt-7be5be79.pth", 2_469_696, "features.", "Krizhevsky, arXiv 1404.5997"
)
SQUEEZENET = _torchvision(
    "squeezenet1_1",
    "SqueezeNet 1.1",
    "squeezenet1_1-b8a52dc0.pth",
    722_496,
    "features.",
    "Iandola et al., arXiv 1602.07360",
)
INCEPTION = _torchvision(
    "inception_v3",
    "Inception v3",
    "inception_v3_google-0cc3c7bd.pth",
    27_197_488,
    "",
    "Szegedy et al., CVPR 2016",
)
