"""Feature vectors of slices for distances of sets: the embedded network or one trained on ImageNet, always by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.errors import Unavailable
from benchmark.pretrained import backbones, embedded, imagenet, weights

DEEPEST = {
    "embedded": ("conv5_1", 64),
    "alexnet": ("conv5", 256),
    "squeezenet1_1": ("fire9", 512),
    "vgg16": ("conv5_3", 512),
}
"""The deepest layer of each backbone and its channels, whose means over the slice are the vector."""
INCEPTION_VALUES = 2048
BATCH = 16

Network = Callable[[Tensor], Tensor]


class SliceFeatures:
    """Slices ``(Z, H, W)`` in [-1, 1] to vectors ``(Z, dimension)``.

    ``embedded`` and torchvision's AlexNet, SqueezeNet and VGG-16 give the mean over the slice of their deepest layer
    after its ReLU (the embedded one in units of its root mean square on the phantoms that it learnt from).
    ``inception_v3`` gives the 2048 values before its classifier, of the slice resized to 299x299. All but the
    embedded network see the slice in three equal channels, normalised as in their training.

    Raises:
        ValueError: there is no such network.
        Unavailable: weights are missing or damaged, or torchvision (for ``inception_v3``) cannot be imported.
    """

    def __init__(self, name: str) -> None:
        self.provenance: Mapping[str, str]
        if name == "inception_v3":
            self.dimension = INCEPTION_VALUES
            self._network, self.provenance = _inception()
            return
        if name not in DEEPEST:
            raise ValueError(f"features {name!r} are none of {', '.join(DEEPEST)}, inception_v3")
        layer, self.dimension = DEEPEST[name]
        self._network, self.provenance = _embedded(layer) if name == "embedded" else _backbone(name, layer)

    def __call__(self, slices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Vectors in float64; the network runs in float32."""
        with torch.inference_mode():
            batches = torch.split(torch.from_numpy(slices.astype(np.float32))[:, None], BATCH)
            return torch.cat([self._network(batch) for batch in batches]).double().numpy()


def _embedded(layer: str) -> tuple[Network, Mapping[str, str]]:
    network, sizes, checksum = embedded.load()
    return lambda image: network(image, [layer])[0].mean((2, 3)) / sizes[layer], {
        "features": "embedded: trained on this project's phantoms",
        "sha256": checksum,
        "layer": layer,
    }


def _backbone(name: str, layer: str) -> tuple[Network, Mapping[str, str]]:
    network, found = backbones.load(name)
    colours = backbones.ImagenetColours()
    return lambda image: network(colours(image), [layer])[0].mean((2, 3)), {
        "features": name,
        "weights": found.path.name,
        "sha256": found.sha256,
        "layer": layer,
    }


def _inception() -> tuple[Network, Mapping[str, str]]:
    """Torchvision's Inception v3 up to its last pooling; published FIDs use other weights, ported from TensorFlow."""
    found = weights.require(imagenet.INCEPTION)
    tensors = weights.read(found.path, imagenet.INCEPTION)
    try:
        from torchvision.models import inception_v3
    except (ImportError, RuntimeError) as error:  # a torchvision that does not fit torch fails with RuntimeError
        raise Unavailable(f"torchvision, which has Inception v3, cannot be imported: {error}") from None
    with torch.device("meta"):
        network: Any = inception_v3(weights=None, init_weights=False, transform_input=False)
    unset = network.load_state_dict(tensors, strict=False, assign=True).missing_keys
    if unset := [name for name in unset if not name.endswith("num_batches_tracked")]:
        raise Unavailable(f"{found.path} does not hold Inception v3: it has no {unset[0]}")
    network.fc = nn.Identity()
    network.requires_grad_(False).eval()

    def features(image: Tensor) -> Tensor:
        # trained on [-1, 1]: the weights are Google's, whatever torchvision's normalisation says
        resized = F.interpolate(image, (299, 299), mode="bilinear", antialias=True)
        values: Tensor = network(resized.expand(-1, 3, -1, -1))
        return values

    return features, {
        "features": "inception_v3",
        "weights": found.path.name,
        "sha256": found.sha256,
        "layer": "pool",
        "torchvision": version("torchvision"),
    }
