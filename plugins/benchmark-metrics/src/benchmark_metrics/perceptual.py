"""Distances of deep features: LPIPS (Zhang et al. 2018), through the authors' package ``lpips``, and one that needs no
weights from elsewhere.

Torch is imported only when the weights are there, so that asking in vain costs nothing.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images
from benchmark.errors import Unavailable
from benchmark.pretrained import imagenet, weights
from benchmark_metrics.network_input import SMALLEST_SIDE, network_input

Image = NDArray[np.float64]

BACKBONES = {"alex": imagenet.ALEXNET, "squeeze": imagenet.SQUEEZENET, "vgg": imagenet.VGG16}
"""LPIPS's name of a network -> the pretrained weights it needs."""


class LPIPS:
    """Learned perceptual distance, linear layers v0.1, on the whole slice.

    The features were trained on ImageNet's colour photographs; a slice is mapped from the declared range to
    [-1, 1] and its channel repeated. Below 32 voxels a side there are no deep features: NaN.

    The weights of the features are fetched when they are missing, where that is allowed and quick
    (:func:`benchmark.pretrained.weights.obtain`).

    Raises:
        Unavailable: weights are missing or damaged, or torchvision or lpips cannot be imported.
    """

    def __init__(self, net: str = "alex") -> None:
        if net not in BACKBONES:
            raise ValueError(f"LPIPS: net {net!r} is none of {', '.join(BACKBONES)}")
        found = weights.obtain(BACKBONES[net])
        self._provenance = {"net": net, "weights": found.path.name, "sha256": found.sha256}
        self._network = _build(net, found.path, self._provenance)

    def provenance(self) -> Mapping[str, str]:
        """Which network, weights and package give the numbers."""
        return dict(self._provenance)

    def score(self, images: Images) -> Image:
        """Distance of each pair of slices; the profile has set what lies outside the region to low.

        Raises:
            ValueError: values lie outside the range; the profile must clip.
        """
        if min(images.target.shape[1:]) < SMALLEST_SIDE:
            return np.full(len(images), math.nan)
        colours = (np.repeat(each[:, None], 3, axis=1) for each in network_input(images, "LPIPS"))
        return np.array([self.distance(*slices) for slices in zip(*colours, strict=True)])

    def distance(self, first: Image, second: Image) -> float:
        """Distance of two colour images ``(3, H, W)`` in [-1, 1]."""
        import torch

        with torch.inference_mode():
            a, b = (torch.from_numpy(np.asarray(image, dtype=np.float32))[None] for image in (first, second))
            return float(self._network(a, b).item())


def _build(net: str, path: Path, provenance: dict[str, str]) -> Any:
    """The network of the ``lpips`` package, with features from ``path`` and linear layers from the package."""
    try:
        import lpips
        import torch
    except Exception as error:  # a torchvision that does not fit torch fails with RuntimeError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unavailable(f"lpips cannot be imported: {reason}") from error
    # On the meta device nothing is drawn or allocated: AlexNet's unused classifier alone has 58 million weights.
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision with an argument it has deprecated
        network = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    network.scaling_layer = lpips.ScalingLayer()
    linear = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    provenance |= {"lpips": version("lpips"), "linear_sha256": weights.sha256(linear)}
    state = torch.load(linear, map_location="cpu", weights_only=True)
    features = weights.read(path, BACKBONES[net])
    state |= _features(features, [name for name in network.state_dict() if name.startswith("net.")], path)
    network.load_state_dict(state, strict=False, assign=True)
    if unset := [name for name, value in network.named_parameters() if value.is_meta]:
        raise Unavailable(f"weights unusable: lpips {provenance['lpips']} has no {unset[0]}")
    return network.eval().requires_grad_(False)


def _features(loaded: Mapping[str, Any], wanted: list[str], path: Path) -> dict[str, Any]:
    """Rename ``N.rest`` to the package's ``net.sliceK.N.rest``."""
    features = {}
    for name in wanted:
        _, _, rest = name.removeprefix("net.").partition(".")
        if rest not in loaded:
            raise Unavailable(f"weights unusable: {path.name} has no features.{rest}")
        features[name] = loaded[rest]
    return features


class EmbeddedDistance:
    """Distance of the features of this project's own embedded network, on the whole slice; no weights are fetched.

    As LPIPS without its learned weights (Zhang et al. 2018, Eq. 1 with w = 1): in each layer ``conv1_1`` to
    ``conv5_1`` the feature vector of every place is scaled to length 1, the squared distance of the two images' vectors
    is averaged over the places, and the layers' means are averaged: 0 to 2. A place without features in one image lies
    at a distance of 1 from any vector. The network learnt to tell tissues of simulated CT, MR and PET apart; nobody's
    judgement of images is in it. Below 32 voxels a side there are no deep features: NaN.
    """

    def __init__(self) -> None:
        from benchmark.pretrained import embedded

        self._network, _, checksum = embedded.load()
        self._provenance = {"features": "embedded: trained on this project's phantoms", "sha256": checksum}

    def provenance(self) -> Mapping[str, str]:
        """Which network gives the numbers."""
        return dict(self._provenance)

    def score(self, images: Images) -> Image:
        """Distance of each pair of slices; the profile has set what lies outside the region to low.

        Raises:
            ValueError: values lie outside the range; the profile must clip.
        """
        if min(images.target.shape[1:]) < SMALLEST_SIDE:
            return np.full(len(images), math.nan)
        import torch

        pair = [
            torch.from_numpy(each.astype(np.float32))[:, None] for each in network_input(images, "embedded-distance")
        ]
        with torch.inference_mode():  # slice by slice: in a batch, the last digits depend on its size
            return np.array([self._distance(*(each[row : row + 1] for each in pair)) for row in range(len(images))])

    def _distance(self, first: Any, second: Any) -> float:
        layers = list(self._network.taps)
        means = []
        for features in zip(*(self._network(image, layers) for image in (first, second)), strict=True):
            a, b = (each.double() / each.double().norm(dim=1, keepdim=True).clamp_min(1e-12) for each in features)
            means.append(float((a - b).square().sum(1).mean()))
        return math.fsum(means) / len(means)
