"""Find and read the ImageNet weights of VGG-19. They are looked up on disk and never downloaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import Unavailable

if TYPE_CHECKING:
    from torch import Tensor

VARIABLE = "BENCHMARK_WEIGHTS"
PATTERNS = ("vgg19*.safetensors", "vgg19*.pth", "vgg19*.npz")
FETCH = "python -c \"from torchvision.models import vgg19; vgg19(weights='IMAGENET1K_V1')\""
LAYERS = {
    index: f"conv{block}_{number}"
    for block, indices in enumerate(((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30, 32, 34)), start=1)
    for number, index in enumerate(indices, start=1)
}
"""Position in torchvision's ``vgg19.features`` -> name of the convolution."""


@dataclass(frozen=True)
class Weights:
    """Convolution weights and biases by layer name (``layers.conv1_1.weight``), and where they are from."""

    tensors: Mapping[str, Tensor]
    path: Path
    sha256: str


def folders() -> list[Path]:
    """Where weights are looked for, in this order: $BENCHMARK_WEIGHTS, torch hub's cache."""
    found = []
    if os.environ.get(VARIABLE):
        found.append(Path(os.environ[VARIABLE]))
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch").expanduser()
    return [*found, home / "hub" / "checkpoints"]


def find() -> Path | None:
    """The first file that looks like VGG-19 weights. Batch-norm variants (``vgg19_bn``) are another network."""
    for folder in folders():
        for pattern in PATTERNS:
            for path in sorted(folder.glob(pattern)):
                if path.is_file() and not path.name.startswith("vgg19_bn"):
                    return path
    return None


def missing() -> str:
    """What is missing, where it was looked for, and how to get it."""
    looked = " and ".join(map(str, folders()))
    return f"VGG-19 weights (vgg19*.pth, .safetensors or .npz) are not in {looked}; fetch them with: {FETCH}"


def load() -> Weights:
    """Read the weights.

    Raises:
        Unavailable: there are none, or the file does not hold VGG-19.
    """
    path = find()
    if path is None:
        raise Unavailable(missing())
    try:
        stored = _read(path)
        tensors = {
            f"layers.{name}.{part}": stored[f"{index}.{part}"] for index, name in LAYERS.items() for part in PARTS
        }
        _check(tensors)
    except Exception as error:
        raise Unavailable(
            f"{path} does not hold torchvision's VGG-19 weights ({error}); fetch them with: {FETCH}"
        ) from None
    return Weights(tensors, path, hashlib.sha256(path.read_bytes()).hexdigest())


PARTS = ("weight", "bias")


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors by their place in ``vgg19.features``, e.g. ``0.weight``; nothing is unpickled but tensors."""
    import torch

    if path.suffix == ".npz":
        import numpy as np

        with np.load(path, allow_pickle=False) as arrays:
            stored = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    elif path.suffix == ".safetensors":
        import safetensors.torch

        stored = safetensors.torch.load_file(path)
    else:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    return {name.removeprefix("features."): tensor for name, tensor in stored.items()}


def _check(tensors: Mapping[str, Tensor]) -> None:
    total = sum(tensor.numel() for tensor in tensors.values())
    if total != PARAMETERS:
        raise ValueError(f"{total} parameters instead of {PARAMETERS}")


PARAMETERS = 20_024_384
